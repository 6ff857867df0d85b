"""What a plugin's command is given of the project it is called in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from hookspecs.models.base import Model
from hookspecs.models.catalogue import CatalogueEntry
from hookspecs.models.project import Project
from hookspecs.models.stack import Address


class ConnectedRegistry(Model):
    """A registry that plugins are installed from."""

    name: str
    url: str
    fingerprint: str
    """SHA-256 of the root metadata that the user trusts."""


class PluginTools(Protocol):
    """What tools for plugin authors and registries need of nself. Every method raises ``UserError`` for what cannot be."""

    @property
    def home(self) -> Path:
        """The user's nself folder."""

    def own_keys(self) -> Mapping[str, str]:
        """The publishers whose private keys this home holds, each with its public key (``ed25519:…``)."""

    def private_key(self, publisher: str) -> Path:
        """The file of a publisher's private key: PKCS #8 in PEM."""

    def pack(self, folder: Path, into: Path) -> Path:
        """The wheel of a plugin's source folder, signed where this home holds its publisher's key. Equal sources, equal bytes."""

    def inspect(self, wheel: Path, publishers: Mapping[str, str]) -> CatalogueEntry:
        """What a registry lists of a wheel, after verifying that its publisher signed every file of it.

        ``publishers``: name → public key of those who count here.
        """

    def content_hash(self, wheel: Path) -> str:
        """The one hash of the plugin's files in a wheel, as ``plugins.lock`` and a quality report name it."""

    def registries(self) -> Sequence[ConnectedRegistry]:
        """The registries that are connected to this home."""

    def connect(self, name: str, url: str, root: bytes) -> None:
        """Install from the registry at ``url`` too, whose root metadata is ``root``; it is looked at first."""

    def disconnect(self, name: str) -> None:
        """Install from a registry no longer."""

    def refresh(self, name: str) -> bool:
        """Fetch and verify a registry's metadata and revocations; whether it answered (else what was kept holds)."""


class CommandContext(Protocol):
    """``ctx.obj`` of every command (``@click.pass_obj``). Nothing is read until a method is called.

    ``env`` names an environment, ``None`` the one in force. Every method raises ``UserError`` outside a project, and for a
    service that is not in it or cannot run on the runtime in force.
    """

    @property
    def plugins(self) -> PluginTools:
        """Packing, signing and registries; these need no project."""

    def project(self, env: str | None = None) -> Project:
        """The project, on the runtime in force."""

    def environment(self, service: str, env: str | None = None) -> dict[str, str]:
        """The resolved environment of a service, less what names paths of the runtime. It holds secrets: never print it."""

    def secret(self, name: str, env: str | None = None) -> str:
        """The value of a secret setting: never print it. ``UserError`` where it has none."""

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
