"""The Host's environment, read once and then taken away: what is left there is no secret to the plugins' code."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..document import capability_variable, link_variable, password_variable, secret_variable

_PREFIXES = tuple(f"NSELF_{part}_" for part in ("SECRET", "PASSWORD", "CAPABILITY", "JWT", "INTERNAL", "SQL", "HOST", "LINK"))


@dataclass(frozen=True)
class HostEnvironment:
    """Typed access to what the service was given."""

    values: Mapping[str, str] = field(repr=False)

    @classmethod
    def take(cls) -> HostEnvironment:
        """Take the variables out of the process environment."""
        names = [name for name in os.environ if name.startswith(_PREFIXES)]
        return cls({name: os.environ.pop(name) for name in names})

    @property
    def bind(self) -> dict[str, Any]:
        """Where to listen, as uvicorn takes it."""
        place = self.values["NSELF_HOST_BIND"]
        if place.startswith("unix:"):
            return {"uds": place.removeprefix("unix:")}
        return {"host": place, "port": int(self.values["NSELF_HOST_PORT"])}

    @property
    def link(self) -> str:
        """Of an isolated plugin: where the Host is, ``http://…`` or ``unix:<path>``."""
        return self.values["NSELF_HOST_LINK"]

    @property
    def egress(self) -> str:
        """In a sandbox: the socket file of the proxy that leads out of it."""
        return self.values.get("NSELF_HOST_EGRESS", "")

    @property
    def sandbox(self) -> str:
        """Of an isolated plugin: what holds it, ``bubblewrap``, ``container`` or ``none: <reason>``."""
        return self.values.get("NSELF_HOST_SANDBOX", "container")

    def link_address(self, plugin: str) -> str:
        """Where an isolated plugin's process is."""
        return self.values[link_variable(plugin, "address")]

    def link_secret(self, plugin: str) -> str:
        """What the Host and an isolated plugin's process know each other by; empty for a plugin that is not isolated."""
        return self.values.get(link_variable(plugin, "secret"), "")

    @property
    def data(self) -> Path:
        """The folder below which each plugin has its own."""
        return Path(self.values["NSELF_HOST_DATA"])

    @property
    def public_url(self) -> str:
        """The Host's address as browsers and senders of webhooks know it; it may have a path."""
        return self.values.get("NSELF_HOST_URL", "")

    @property
    def internal_secret(self) -> str:
        return self.values.get("NSELF_INTERNAL_SECRET", "")

    @property
    def jwt_secret(self) -> str:
        """In Hasura's form; empty where the project has no tokens."""
        return self.values.get("NSELF_JWT_SECRET", "")

    @property
    def jwt_previous(self) -> str:
        """Replaced keys that still count, a JSON list."""
        return self.values.get("NSELF_JWT_PREVIOUS", "")

    def password(self, plugin: str) -> str:
        """Of the plugin's database role."""
        return self.values[password_variable(plugin)]

    def sql(self, part: str) -> str:
        """``host``, ``port`` or ``database``."""
        return self.values[f"NSELF_SQL_{part.upper()}"]

    def secret(self, name: str) -> str | None:
        return self.values.get(secret_variable(name))

    def capability(self, name: str, attribute: str) -> str | None:
        return self.values.get(capability_variable(name, attribute))
