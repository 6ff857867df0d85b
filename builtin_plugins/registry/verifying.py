"""Look through a published tree as a whole: every signature, every file, every entry of the catalogue."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, Root, Snapshot, TargetFile, Targets, Timestamp

from hookspecs import CatalogueEntry, CatalogueIndex, PluginReleases, Revocations
from hookspecs.errors import UserError
from hookspecs.models import catalogue

from .drafting import utc_now
from .roles import ROOT, SNAPSHOT, TARGETS, TIMESTAMP


@dataclass
class Verified:
    """What was found in a tree. ``faults`` is empty where everything holds."""

    roots: int = 0
    roles: int = 0
    targets: int = 0
    releases: int = 0
    expires: dict[str, datetime] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)


def verify(tree: Path, trusted_root: bytes | None = None, now: datetime | None = None) -> Verified:
    """Verify a published tree, from a root that is trusted or from its first one. ``UserError`` where there is no tree."""
    if not (tree / "metadata" / "timestamp.json").is_file():
        raise UserError(
            "there is no published registry here", where=str(tree), remedy="nself registry publish FOLDER", code="no-registry"
        )
    walk = _Walk(tree, now or utc_now())
    try:
        root = walk.root(trusted_root)
        snapshot = walk.snapshot(root)
        walk.delegated(TARGETS, root, snapshot)
        walk.catalogue()
    except (RepositoryError, OSError, ValueError) as error:
        walk.found.faults.append(str(error))
    return walk.found


class _Walk:
    def __init__(self, tree: Path, now: datetime) -> None:
        self.tree = tree
        self.now = now
        self.found = Verified()
        self.targets: dict[str, TargetFile] = {}

    def root(self, trusted: bytes | None) -> Root:
        """The newest root, each signed by the one before it."""
        places = self.tree / "metadata"
        last = Metadata[Root].from_bytes(trusted if trusted is not None else (places / "1.root.json").read_bytes())
        last.signed.verify_delegate(ROOT, last.signed_bytes, last.signatures)
        self.found.roots = 1
        while (place := places / f"{last.signed.version + 1}.root.json").is_file():
            following = Metadata[Root].from_bytes(place.read_bytes())
            if following.signed.version != last.signed.version + 1:
                raise ValueError(f"{place.name} says that it is version {following.signed.version}")
            for delegator in (last.signed, following.signed):
                delegator.verify_delegate(ROOT, following.signed_bytes, following.signatures)
            last = following
            self.found.roots += 1
        self._expiry(ROOT, last)
        return last.signed

    def snapshot(self, root: Root) -> Snapshot:
        """Timestamp and snapshot, each as the one before says."""
        timestamp: Metadata[Timestamp] = self._signed(TIMESTAMP, root, "timestamp.json")
        meta = timestamp.signed.snapshot_meta
        place = f"{meta.version}.{SNAPSHOT}.json"
        meta.verify_length_and_hashes((self.tree / "metadata" / place).read_bytes())
        snapshot: Metadata[Snapshot] = self._signed(SNAPSHOT, root, place)
        return snapshot.signed

    def delegated(self, role: str, delegator: Root | Targets, snapshot: Snapshot) -> None:
        """A role with targets, its files, and the roles below it."""
        meta = snapshot.meta.get(f"{role}.json")
        if meta is None:
            raise ValueError(f"{role} is delegated and is not in the snapshot")
        metadata: Metadata[Targets] = self._signed(role, delegator, f"{meta.version}.{role}.json")
        if metadata.signed.version != meta.version:
            raise ValueError(f"{role} is of version {metadata.signed.version}, and the snapshot says {meta.version}")
        for path, target in metadata.signed.targets.items():
            self._file(path, target)
        below = metadata.signed.delegations
        if below is None:
            return
        names: Iterator[str] | list[str] = below.succinct_roles.get_roles() if below.succinct_roles else list(below.roles or ())
        for name in names:
            self.delegated(name, metadata.signed, snapshot)

    def catalogue(self) -> None:
        """The documents agree with each other and with the wheels that are signed."""
        index = CatalogueIndex.model_validate_json(self._read(catalogue.INDEX))
        Revocations.model_validate_json(self._read(catalogue.REVOCATIONS))
        listed = 0
        for shard in range(index.shards):
            listed += len(_rows(self._read(catalogue.shard_path(shard))))
        if listed != index.plugins:
            self.found.faults.append(f"the listing holds {listed} plugins, and its index says {index.plugins}")
        for path in sorted(self.targets):
            if path.startswith("plugins/"):
                document = PluginReleases.model_validate_json(catalogue.unpack(self._read(path)))
                for entry in document.releases:
                    self._release(entry)

    def _release(self, entry: CatalogueEntry) -> None:
        path = catalogue.wheel_path(entry.publisher, entry.file)
        target = self.targets.get(path)
        if target is None:
            self.found.faults.append(f"{path} is in the catalogue, and nobody signs it")
        elif (target.length, target.hashes.get("sha256")) != (entry.length, entry.sha256):
            self.found.faults.append(f"{path} is another file than the catalogue says")
        else:
            self.found.releases += 1

    def _signed(self, role: str, delegator: Root | Targets, name: str) -> Metadata[Any]:
        metadata: Metadata[Any] = Metadata.from_bytes((self.tree / "metadata" / name).read_bytes())
        delegator.verify_delegate(role, metadata.signed_bytes, metadata.signatures)
        self._expiry(role, metadata)
        self.found.roles += 1
        return metadata

    def _expiry(self, role: str, metadata: Metadata[Any]) -> None:
        self.found.expires[role] = metadata.signed.expires
        if metadata.signed.is_expired(self.now):
            self.found.faults.append(f"{role} expired on {metadata.signed.expires:%Y-%m-%d %H:%M UTC}")

    def _file(self, path: str, target: TargetFile) -> None:
        self.found.targets += 1
        self.targets[path] = target
        try:
            target.verify_length_and_hashes(self._place(path, target).read_bytes())
        except (OSError, RepositoryError) as error:
            self.found.faults.append(f"{path}: {error}")

    def _read(self, path: str) -> bytes:
        target = self.targets.get(path)
        if target is None:
            raise ValueError(f"nobody signs {path}")
        return self._place(path, target).read_bytes()

    def _place(self, path: str, target: TargetFile) -> Path:
        name, _, base = path.rpartition("/")
        return self.tree / "targets" / name / f"{target.hashes['sha256']}.{base}"


def _rows(data: bytes) -> list[Any]:
    import json

    rows: list[Any] = json.loads(catalogue.unpack(data))["plugins"]
    return rows
