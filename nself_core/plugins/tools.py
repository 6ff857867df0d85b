"""``hookspecs.PluginTools``: packing, signing and registries, for commands of plugins."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, TypeVar

from hookspecs.errors import UserError
from nself_core.plugins import keys, packing
from nself_core.plugins.publishers import Publishers
from nself_core.plugins.signing import Kind, key_id

if TYPE_CHECKING:
    from hookspecs.models.catalogue import CatalogueEntry
    from hookspecs.models.commands import ConnectedRegistry

R = TypeVar("R")

#: Unpacked, a plugin is no larger, and no file of it is.
MAX_UNPACKED = 1_000_000_000


class Tools:
    """See ``hookspecs.PluginTools``."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def own_keys(self) -> Mapping[str, str]:
        """See ``hookspecs.PluginTools``."""
        return {name: keys.public_text(public) for name, known in keys.own_keys(self.home).items() for public in known.values()}

    def private_key(self, publisher: str) -> Path:
        """See ``hookspecs.PluginTools``."""
        return self.home / "keys" / f"{publisher}.pem"

    def pack(self, folder: Path, into: Path) -> Path:
        """See ``hookspecs.PluginTools``."""
        return packing.pack(folder, into, self._sign_where_ours)

    def inspect(self, wheel: Path, publishers: Mapping[str, str]) -> CatalogueEntry:
        """See ``hookspecs.PluginTools``."""
        from hookspecs.models.catalogue import CatalogueEntry
        from hookspecs.models.manifest import Manifest
        from nself_core.plugins.hashing import hash_files
        from nself_core.plugins.manifest import MANIFEST, OUR_PREFIX, read
        from nself_core.plugins.signing import SignatureError, read_signature, verify

        listed = _Listed(publishers)

        def look(package: Path) -> CatalogueEntry:
            manifest = read(str(package / MANIFEST))
            Manifest.model_validate_json(json.dumps({key: value for key, value in manifest.items() if key != "$schema"}))
            if str(manifest["name"]).startswith(OUR_PREFIX):
                raise ValueError(f"names that begin with {OUR_PREFIX!r} are nself's own")
            signature = read_signature(package)
            if signature is None:
                raise SignatureError(f"it is not signed; its publisher does: nself plugin sign {wheel.name}")
            signer = verify(signature, manifest, hash_files(str(package)), listed)
            data = wheel.read_bytes()
            return CatalogueEntry(
                publisher=signer.publisher,
                manifest=manifest,
                file=wheel.name,
                length=len(data),
                sha256=hashlib.sha256(data).hexdigest(),
                key=signer.key,
            )

        return self._opened(wheel, look)

    def content_hash(self, wheel: Path) -> str:
        """See ``hookspecs.PluginTools``."""
        from nself_core.plugins.hashing import hash_files, total

        return self._opened(wheel, lambda package: total(hash_files(str(package))))

    def registries(self) -> list[ConnectedRegistry]:
        """See ``hookspecs.PluginTools``."""
        from hookspecs.models.commands import ConnectedRegistry
        from nself_core.plugins.sources.registries import connected

        return [
            ConnectedRegistry(name=one.name, url=one.url, fingerprint=hashlib.sha256(one.root).hexdigest())
            for one in connected(self.home)
        ]

    def connect(self, name: str, url: str, root: bytes) -> None:
        """See ``hookspecs.PluginTools``."""
        from nself_core.plugins.sources.registries import connect

        connect(self.home, name, url, root)

    def disconnect(self, name: str) -> None:
        """See ``hookspecs.PluginTools``."""
        from nself_core.plugins.sources.registries import disconnect

        disconnect(self.home, name)

    def refresh(self, name: str) -> bool:
        """See ``hookspecs.PluginTools``."""
        from nself_core.plugins.sources.registries import named

        return named(self.home, name).source().refresh()

    def _sign_where_ours(self, package: Path) -> None:
        from nself_core.plugins.manifest import MANIFEST, read
        from nself_core.plugins.signing import SignatureError, sign

        publisher = str(read(str(package / MANIFEST)).get("publisher", ""))
        if publisher and self.private_key(publisher).exists():
            try:
                sign(package, keys.load_key(self.home, publisher))
            except SignatureError as error:
                raise UserError(str(error), where=str(package), code="plugin-signature") from None

    def _opened(self, wheel: Path, look: Callable[[Path], R]) -> R:
        """Run ``look`` on the package folder of an unpacked wheel; what is wrong with it becomes a ``UserError``."""
        from nself_core.plugins.manifest import ManifestError
        from nself_core.plugins.signing import SignatureError

        try:
            with TemporaryDirectory(prefix="nself-wheel-") as scratch, zipfile.ZipFile(wheel) as archive:
                _check_entries(archive)
                archive.extractall(scratch)
                manifests = list(Path(scratch).glob("*/plugin.json"))
                if len(manifests) != 1:
                    raise ValueError(f"it holds {len(manifests)} packages with a plugin.json at their top, and must hold one")
                return look(manifests[0].parent)
        except (OSError, ValueError, zipfile.BadZipFile, SignatureError, ManifestError) as error:
            reason = "; ".join(line.strip() for line in str(error).splitlines() if "errors.pydantic.dev" not in line)
            raise UserError(f"{wheel.name} cannot be listed: {reason}", where=str(wheel), code="plugin-wheel") from None


class _Listed(Publishers):
    """The publishers of a registry: theirs are the only keys that count, whatever this home trusts."""

    def __init__(self, publishers: Mapping[str, str]) -> None:
        super().__init__(Path())
        self._listed = {name: keys.parse_public(text) for name, text in publishers.items()}

    def key(self, publisher: str, wanted: str) -> tuple[Kind, bytes | None]:
        public = self._listed.get(publisher)
        return "signed", public if public is not None and key_id(public) == wanted else None

    def pinned(self, publisher: str) -> bool:
        return True


def _check_entries(archive: zipfile.ZipFile) -> None:
    size = 0
    for entry in archive.infolist():
        parts = entry.filename.split("/")
        if entry.filename.startswith("/") or "\\" in entry.filename or ".." in parts or (entry.external_attr >> 28) == 0xA:
            raise ValueError(f"it holds {entry.filename!r}, which a wheel may not")
        size += entry.file_size
    if size > MAX_UNPACKED:
        raise ValueError(f"unpacked it is larger than {MAX_UNPACKED // 1_000_000} MB")
