"""A registry's working folder: what its operators share (in git, say). It holds no private key.

::

    registry.json                              who publishes, what was taken back
    metadata/root/<version>.json               every root there was
    metadata/<role>.json                       what is in force
    staged/<role>.json                         what waits for signatures: see `nself registry sign`
    releases/<publisher>/<name>/<version>.json what the catalogue lists
    wheels/<publisher>/<file>
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pydantic import ValidationError
from tuf.api.metadata import Metadata, Root
from tuf.api.serialization import DeserializationError
from tuf.api.serialization.json import JSONSerializer

from hookspecs.errors import UserError
from hookspecs.models.catalogue import CatalogueEntry

from .files import write
from .model import RegistryRecord
from .roles import ROOT

RECORD = "registry.json"
_COMPACT = JSONSerializer(compact=True)


class Folder:
    """The state of one registry. Every method raises ``UserError`` for files that cannot be used."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def record(self) -> RegistryRecord:
        place = self.path / RECORD
        try:
            return RegistryRecord.model_validate_json(place.read_bytes())
        except FileNotFoundError:
            raise UserError(
                "there is no registry here",
                where=str(self.path),
                remedy="nself registry init, or --dir FOLDER",
                code="no-registry",
            ) from None
        except (OSError, ValidationError) as error:
            raise UserError(f"the registry cannot be read: {error}", where=str(place), code="registry-broken") from None

    def keep(self, record: RegistryRecord) -> None:
        """Put a new record in force."""
        write(self.path / RECORD, record.model_dump_json(indent=2).encode() + b"\n")

    @contextmanager
    def lock(self) -> Iterator[None]:
        """One nself at a time in the folder."""
        from filelock import FileLock, Timeout

        try:
            with FileLock(self.path / ".lock", timeout=30):
                yield
        except Timeout:
            raise UserError("another nself is at work in this registry", where=str(self.path), code="locked") from None

    # Metadata

    def roots(self) -> list[Metadata[Root]]:
        """Every root in force so far, the first one first."""
        found = [_metadata(place) for place in (self.path / "metadata" / "root").glob("*.json")]
        return sorted(found, key=lambda one: int(one.signed.version))

    def current(self, role: str) -> Metadata[Any] | None:
        """The metadata of a role that is in force."""
        if role == ROOT:
            return next(reversed(self.roots()), None)
        return _metadata_or_none(self.path / "metadata" / f"{quote(role, '')}.json")

    def staged(self, role: str) -> Metadata[Any] | None:
        """The metadata of a role that waits for signatures."""
        return _metadata_or_none(self._staged(role))

    def staged_roles(self) -> list[str]:
        """The roles that wait for signatures."""
        return sorted(place.stem for place in (self.path / "staged").glob("*.json"))

    def stage(self, role: str, metadata: Metadata[Any]) -> None:
        """Let metadata wait for signatures."""
        write(self._staged(role), metadata.to_bytes(_COMPACT))

    def unstage(self, role: str) -> None:
        """Let nothing wait for signatures any more."""
        self._staged(role).unlink(missing_ok=True)

    def put_in_force(self, role: str, metadata: Metadata[Any]) -> None:
        """Replace a role's metadata."""
        name = f"root/{metadata.signed.version}" if role == ROOT else quote(role, "")
        write(self.path / "metadata" / f"{name}.json", metadata.to_bytes(_COMPACT))

    def _staged(self, role: str) -> Path:
        return self.path / "staged" / f"{quote(role, '')}.json"

    # Releases

    def entries(self, publisher: str = "*") -> list[CatalogueEntry]:
        """Every release, or those of one publisher, by name, publisher and version."""
        places = (self.path / "releases").glob(f"{publisher}/*/*.json")
        return [_entry(place) for place in sorted(places, key=lambda place: (place.parts[-2], place.parts[-3], place.name))]

    def entry(self, publisher: str, name: str, version: str) -> CatalogueEntry | None:
        """One release."""
        place = self._release(publisher, name, version)
        return _entry(place) if place.exists() else None

    def put(self, entry: CatalogueEntry, wheel: Path | None = None) -> None:
        """Record a release, and keep its wheel where one is given."""
        if wheel is not None:
            write(self.wheel(entry), wheel.read_bytes())
        write(self._release(entry.publisher, entry.name, entry.version), entry.model_dump_json(indent=2).encode() + b"\n")

    def wheel(self, entry: CatalogueEntry) -> Path:
        """Where a release's wheel lies."""
        return self.path / "wheels" / entry.publisher / entry.file

    def _release(self, publisher: str, name: str, version: str) -> Path:
        return self.path / "releases" / publisher / name / f"{version}.json"


def _metadata_or_none(place: Path) -> Metadata[Any] | None:
    return _metadata(place) if place.exists() else None


def _metadata(place: Path) -> Metadata[Any]:
    try:
        return Metadata.from_bytes(place.read_bytes())
    except (OSError, DeserializationError) as error:
        raise UserError(f"this metadata cannot be read: {error}", where=str(place), code="registry-broken") from None


def _entry(place: Path) -> CatalogueEntry:
    try:
        return CatalogueEntry.model_validate_json(place.read_bytes())
    except (OSError, ValidationError) as error:
        raise UserError(f"this release cannot be read: {error}", where=str(place), code="registry-broken") from None
