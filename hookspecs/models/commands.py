"""What a plugin's command is given of the project it is called in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from hookspecs.models.project import Project
from hookspecs.models.stack import Address


class CommandContext(Protocol):
    """``ctx.obj`` of every command (``@click.pass_obj``). Nothing is read until a method is called.

    ``env`` names an environment, ``None`` the one in force. Every method raises ``UserError`` outside a project, and for a
    service that is not in it or cannot run on the runtime in force.
    """

    def project(self, env: str | None = None) -> Project:
        """The project, on the runtime in force."""

    def environment(self, service: str, env: str | None = None) -> dict[str, str]:
        """The resolved environment of a service, less what names paths of the runtime. It holds secrets: never print it."""

    def address(self, service: str, port: str = "http", env: str | None = None) -> Address:
        """Where a port is reached from this machine; ``UserError`` where it has none, as outside dev
        (``code="port-unpublished"``).
        """

    def public_url(self, service: str, env: str | None = None) -> str:
        """The address of the service's first route, without a trailing slash; ``UserError`` where no route leads to it."""

    def reach(self, url: str, env: str | None = None) -> str:
        """A URL out of ``environment`` as this machine reaches it: a service's name becomes its port on this machine."""

    def keep(self, secrets: Mapping[str, str], env: str | None = None) -> None:
        """Write secret settings into the environment's secrets file (0600); ``UserError`` where another source overrides one."""
