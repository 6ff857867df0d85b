"""What a registry publishes: the signed documents that tell a client which plugins there are.

They are targets of The Update Framework (https://theupdateframework.github.io/specification/latest/), so every one of them is
verified before it is read:

- ``catalogue/index.json``: a ``CatalogueIndex``, the number of listing shards;
- ``catalogue/<shard>.json.gz``: the newest release of each plugin whose name falls into the shard, for listings;
- ``catalogue/revocations.json``: ``Revocations``;
- ``plugins/<name>.json.gz``: a ``PluginReleases``, every release of that name;
- ``<publisher>/<file>``: the wheels.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import zlib
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field, field_validator

from hookspecs.models.base import Model
from hookspecs.models.manifest import PluginName

INDEX = "catalogue/index.json"
REVOCATIONS = "catalogue/revocations.json"

#: First parts of paths that no publisher may be named after.
RESERVED = frozenset({"catalogue", "plugins"})

#: No document is larger, unpacked.
MAX_BYTES = 64_000_000


def _no_reserved(value: str) -> str:
    if value in RESERVED:
        raise ValueError(f"{value!r} names a part of every registry and no publisher")
    return value


Publisher = Annotated[PluginName, AfterValidator(_no_reserved)]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
#: The file name of a wheel: no folder, nothing that a shell or a URL would read differently.
WheelName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.+!-]*\.whl$", max_length=200)]


class Document(Model):
    """A part of the catalogue. Fields of a later nself are passed over, so that an older one reads what it understands."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class CatalogueEntry(Document):
    """One release of a plugin, as the registry vouches for it."""

    publisher: Publisher
    manifest: Mapping[str, Any]
    """``plugin.json`` as the wheel holds it, field for field, also those this nself does not know."""
    file: WheelName
    length: int = Field(ge=1)
    sha256: Digest
    key: str = ""
    """Id of the publisher's key that signed the plugin, as ``signature.json`` names it."""
    level: int = Field(default=0, ge=0, le=8)
    """The quality level that ``nself plugin check`` computed for these very files; 0 where none was computed."""
    yanked: str = ""
    """Why nobody should install it anew; whoever has it keeps it."""

    @field_validator("manifest")
    @classmethod
    def _has_its_name(cls, manifest: Mapping[str, Any]) -> Mapping[str, Any]:
        if not all(isinstance(manifest.get(key), str) and manifest[key] for key in ("name", "version", "summary")):
            raise ValueError("the manifest lacks name, version or summary")
        return manifest

    @property
    def name(self) -> str:
        return str(self.manifest["name"])

    @property
    def version(self) -> str:
        return str(self.manifest["version"])


class PluginReleases(Document):
    """Every release of the plugins of one name, whoever publishes them."""

    format: Literal[1] = 1
    name: PluginName
    releases: tuple[CatalogueEntry, ...]


class CatalogueIndex(Document):
    """Into how many shards (a power of two) the listing is split, and how many plugins it holds."""

    format: Literal[1] = 1
    shards: int = Field(ge=1, le=4096)
    plugins: int = Field(ge=0)


class RevokedVersion(Document):
    """A release that must not be loaded any more."""

    publisher: Publisher
    name: PluginName
    version: str
    sha256: Digest
    reason: str = Field(min_length=1)


class RevokedKey(Document):
    """A publisher's key whose signatures count no more."""

    key: str = Field(pattern=r"^[0-9a-f]{32}$")
    """Id of the key."""
    publisher: Publisher
    reason: str = Field(min_length=1)


class Revocations(Document):
    """What a registry has taken back. Clients remember every entry they ever saw."""

    format: Literal[1] = 1
    versions: tuple[RevokedVersion, ...] = ()
    keys: tuple[RevokedKey, ...] = ()


def shard_of(name: str, shards: int) -> int:
    """The listing shard of a plugin's name: the first bits of the name's SHA-256."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") % shards


def shard_path(shard: int) -> str:
    """The target of one listing shard."""
    return f"catalogue/{shard:03x}.json.gz"


def releases_path(name: str) -> str:
    """The target that lists a plugin's releases."""
    return f"plugins/{name}.json.gz"


def wheel_path(publisher: str, file: str) -> str:
    """The target of a release's wheel."""
    return f"{publisher}/{file}"


def pack(document: Mapping[str, Any]) -> bytes:
    """A document as compressed JSON; equal documents give equal bytes."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return gzip.compress(text.encode(), 9, mtime=0)


def unpack(data: bytes) -> bytes:
    """The JSON of ``pack``; ``ValueError`` where it is broken or too large."""
    try:
        with gzip.open(io.BytesIO(data)) as file:
            text = file.read(MAX_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"it is no gzip file: {error}") from None
    if len(text) > MAX_BYTES:
        raise ValueError(f"unpacked it is larger than {MAX_BYTES} bytes")
    return text
