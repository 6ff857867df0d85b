"""The Host's environment, read once and then taken away: what is left there is no secret to the plugins' code."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..document import capability_variable, password_variable, secret_variable

_PREFIXES = tuple(f"NSELF_{part}_" for part in ("SECRET", "PASSWORD", "CAPABILITY", "JWT", "INTERNAL", "SQL", "HOST"))


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
    def bind(self) -> tuple[str, int]:
        return self.values.get("NSELF_HOST_BIND", "127.0.0.1"), int(self.values.get("NSELF_HOST_PORT", "3700"))

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
