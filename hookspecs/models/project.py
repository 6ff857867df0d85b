"""The project, environment and runtime a hook is called for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from hookspecs.models.base import Model
from hookspecs.models.settings import Settings

if TYPE_CHECKING:
    from hookspecs.models.installed import InstalledPlugin
else:  # nself alone makes them, and most projects have none: their models, with the manifest's, would be built for nothing
    InstalledPlugin = Any

EnvironmentClass = Literal["dev", "staging", "prod"]


class Environment(Model):
    """An environment by name, and which of the three it behaves like."""

    name: str
    cls: EnvironmentClass

    @property
    def is_dev(self) -> bool:
        return self.cls == "dev"

    @property
    def is_prod(self) -> bool:
        return self.cls == "prod"


class Project(Model):
    """What every assembly hook is given. Hooks are pure: they read this, and write and connect to nothing."""

    name: str
    root: Path
    environment: Environment
    runtime: str
    """The runtime this assembly is for: ``compose``, ``native`` …"""
    settings: Settings
    domain: str
    """``BASE_DOMAIN``, validated."""
    plugins: frozenset[str] = frozenset()
    """Names of the enabled plugins."""
    installed: tuple[InstalledPlugin, ...] = ()
    """Those of them that are not nself's own, in the order of their dependencies: for what runs them."""
    packages: Path | None = None
    """The folder with the Python packages that they require, to be appended to the path of what runs them."""

    def host(self, route: str) -> str:
        """The public host name of a route: ``@`` is the domain itself, a full domain stays, a label is put before it.

        A dotted route is a full domain only if its last label is letters alone: ``api.v1`` is not, ``shop.example.com`` is.
        """
        if route in {"", "@"}:
            return self.domain
        last = route.rpartition(".")[2]
        if "." in route and last.isalpha():
            return route
        return f"{route}.{self.domain}"
