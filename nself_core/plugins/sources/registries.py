"""The registries of this home: the embedded one, and those the user connected.

Each connected one has a folder ``registries/<name>`` below nself's home: ``registry.json`` with its address, ``root.json`` that
the user trusts, and ``state/`` with what can be fetched again. No plugin is given a way to write there.
"""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from hookspecs.errors import UserError
from nself_core.plugins.files import write_private
from nself_core.plugins.sources import embedded
from nself_core.plugins.sources.embedded import embedded_source
from nself_core.plugins.sources.remote import RemoteSource

if TYPE_CHECKING:
    from nself_core.plugins.sources.model import Source

_NAME = re.compile(r"[a-z][a-z0-9]*([-.][a-z0-9]+)*\Z")
#: Sources that are no registry the user connected.
_TAKEN = frozenset({embedded.NAME, "wheel", "folder", "pypi"})


@dataclass(frozen=True, slots=True)
class Connected:
    """A registry the user connected."""

    name: str
    url: str
    folder: Path

    @property
    def root(self) -> bytes:
        """The root metadata that the user trusts."""
        return (self.folder / "root.json").read_bytes()

    def source(self) -> RemoteSource:
        """What it offers."""
        return RemoteSource(self.name, self.url, self.root, self.folder / "state", self.folder.parent.parent)


def sources(home: Path) -> list[Source]:
    """The embedded registry and then the connected ones by name. ``UserError`` where what is kept of one is broken."""
    return [embedded_source(home), *(one.source() for one in connected(home))]


def connected(home: Path) -> list[Connected]:
    """The registries that the user connected, by name."""
    return [_read(place.parent) for place in sorted((home / "registries").glob("*/registry.json"))]


def connect(home: Path, name: str, url: str, root: bytes) -> Connected:
    """Connect a registry, after a first look at it. ``UserError`` where the root is none, or the registry does not fit it."""
    if not _NAME.match(name) or len(name) > 60 or name in _TAKEN:
        raise UserError(f"{name!r} cannot name a registry", remedy="lower-case words joined by hyphens or dots", exit_code=2)
    folder = home / "registries" / name
    if (folder / "registry.json").exists():
        raise UserError(
            f"there is a registry {name} already, at {_read(folder).url}", remedy=f"nself registry disconnect {name}",
            code="registry-there",
        )  # fmt: skip
    address = address_of(url)
    _check_root(root)
    made = Connected(name, address, folder)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        shutil.rmtree(folder / "state", ignore_errors=True)
        RemoteSource(name, address, root, folder / "state", home).refresh()
    except UserError:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    write_private(folder / "root.json", root.decode())
    write_private(folder / "registry.json", json.dumps({"format": 1, "url": address}, indent=1) + "\n")
    return made


def disconnect(home: Path, name: str) -> None:
    """Forget a registry. What it revoked stays remembered, and what was installed from it stays."""
    shutil.rmtree(named(home, name).folder)


def named(home: Path, name: str) -> Connected:
    """The connected registry of that name; ``UserError`` where there is none."""
    for one in connected(home):
        if one.name == name:
            return one
    raise UserError(f"no registry {name!r} is connected", remedy="nself registry list shows them", code="registry-unknown")


def address_of(text: str) -> str:
    """The address of a registry as it is kept: an HTTP(S) URL, or a folder of this machine as a ``file://`` one."""
    parts = urlsplit(text)
    if parts.scheme in {"http", "https"} and parts.hostname and not parts.query and not parts.fragment:
        if parts.username or parts.password:
            raise UserError("a registry's address holds no password", remedy="use a server that needs none", exit_code=2)
        return text.rstrip("/")
    if parts.scheme == "file":
        return text.rstrip("/")
    folder = Path(text).expanduser().absolute()
    if not parts.scheme and (folder / "metadata").is_dir():
        return folder.as_uri()
    raise UserError(
        f"{text!r} is no address of a registry",
        remedy="an http(s) URL, or the folder that `nself registry publish` wrote",
        exit_code=2,
    )


def _check_root(root: bytes) -> None:
    from tuf.api.exceptions import RepositoryError
    from tuf.api.metadata import Metadata, Root

    try:
        metadata = Metadata[Root].from_bytes(root)
        if metadata.signed.type != Root.type:
            raise ValueError(f"it is {metadata.signed.type} metadata")
        metadata.signed.verify_delegate(Root.type, metadata.signed_bytes, metadata.signatures)
    except (RepositoryError, ValueError) as error:
        raise UserError(
            f"this is no root metadata of a registry: {error}", remedy="ask the registry's operator for its root.json",
            code="registry-root",
        ) from None  # fmt: skip


def _read(folder: Path) -> Connected:
    try:
        return Connected(folder.name, str(json.loads((folder / "registry.json").read_bytes())["url"]), folder)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"what is kept of registry {folder.name} cannot be read ({error})", where=str(folder),
            remedy=f"remove the folder and connect it anew: nself registry connect {folder.name}", code="registry-state",
        ) from None  # fmt: skip
