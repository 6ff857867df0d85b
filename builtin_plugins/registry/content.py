"""What a registry signs: the catalogue's documents and the wheels, each under the path of its target."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.version import Version
from tuf.api.metadata import TargetFile

from hookspecs.models import catalogue
from hookspecs.models.catalogue import CatalogueEntry, CatalogueIndex, PluginReleases, Revocations

from .folder import Folder
from .model import RegistryRecord
from .roles import CATALOGUE, PLUGINS, shards_for


@dataclass(frozen=True)
class Content:
    """The targets that ``catalogue`` and ``plugins`` sign, and where the bytes of every target are: given, or in a file."""

    targets: Mapping[str, Mapping[str, TargetFile]]
    data: Mapping[str, bytes | Path]


def wheels_of(folder: Folder, publisher: str) -> dict[str, TargetFile]:
    """The wheels of one publisher, by path."""
    found = {}
    for entry in folder.entries(publisher):
        path = catalogue.wheel_path(publisher, entry.file)
        found[path] = TargetFile(entry.length, {"sha256": entry.sha256}, path)
    return found


def content_of(folder: Folder, record: RegistryRecord, offered: Mapping[str, Mapping[str, TargetFile]]) -> Content:
    """Everything the registry itself signs; of each publisher only the releases that it ``offered``, signed as they are."""
    entries = [entry for entry in folder.entries() if _is_offered(entry, offered)]
    data: dict[str, bytes | Path] = dict(listing(entries, record))
    targets: dict[str, dict[str, TargetFile]] = {CATALOGUE: {path: _target(path, data[path]) for path in data}, PLUGINS: {}}
    for path, document in releases(entries).items():
        data[path] = document
        targets[PLUGINS][path] = _target(path, document)
    for entry in entries:
        path = catalogue.wheel_path(entry.publisher, entry.file)
        data[path] = folder.wheel(entry)
        if record.publishers[entry.publisher].vouched:
            targets[PLUGINS][path] = offered[entry.publisher][path]
    return Content(targets, data)


def _is_offered(entry: CatalogueEntry, offered: Mapping[str, Mapping[str, TargetFile]]) -> bool:
    target = offered.get(entry.publisher, {}).get(catalogue.wheel_path(entry.publisher, entry.file))
    return target is not None and target.hashes == {"sha256": entry.sha256}


def listing(entries: Iterable[CatalogueEntry], record: RegistryRecord) -> dict[str, bytes]:
    """The index, the listing's shards and the revocations, by their paths."""
    revoked = Revocations(versions=record.revoked_versions, keys=record.revoked_keys)
    newest = newest_of(entries, revoked)
    shards = shards_for(len(newest))
    rows: dict[int, list[dict[str, Any]]] = {shard: [] for shard in range(shards)}
    for entry in newest:
        rows[catalogue.shard_of(entry.name, shards)].append(_row(entry))
    index = CatalogueIndex(shards=shards, plugins=len(newest))
    documents = {catalogue.shard_path(shard): catalogue.pack({"format": 1, "plugins": found}) for shard, found in rows.items()}
    return {
        catalogue.INDEX: index.model_dump_json().encode(),
        catalogue.REVOCATIONS: revoked.model_dump_json().encode(),
        **documents,
    }


def releases(entries: Iterable[CatalogueEntry]) -> dict[str, bytes]:
    """For each name the document of its releases, by its path."""
    named: dict[str, list[CatalogueEntry]] = defaultdict(list)
    for entry in entries:
        named[entry.name].append(entry)
    return {
        catalogue.releases_path(name): catalogue.pack(
            PluginReleases(name=name, releases=tuple(sorted(found, key=_order))).model_dump(mode="json")
        )
        for name, found in named.items()
    }


def newest_of(entries: Iterable[CatalogueEntry], revoked: Revocations) -> list[CatalogueEntry]:
    """The newest release of each plugin that is neither yanked nor revoked, a pre-release only where there is no other."""
    gone = {(one.publisher, one.name, one.version) for one in revoked.versions}
    keys = {one.key for one in revoked.keys}
    best: dict[tuple[str, str], CatalogueEntry] = {}
    for entry in entries:
        if entry.yanked or entry.key in keys or (entry.publisher, entry.name, entry.version) in gone:
            continue
        known = best.get((entry.name, entry.publisher))
        if known is None or _rank(entry) > _rank(known):
            best[entry.name, entry.publisher] = entry
    return [best[key] for key in sorted(best)]


def _row(entry: CatalogueEntry) -> dict[str, Any]:
    manifest = entry.manifest
    return {
        "publisher": entry.publisher,
        "name": entry.name,
        "version": entry.version,
        "tier": manifest.get("tier", "free"),
        "bundles": list(manifest.get("bundles", ())),
        "category": manifest.get("category", "other"),
        "summary": manifest["summary"],
        "level": entry.level,
        "key": entry.key,
    }


def _target(path: str, data: bytes | Path) -> TargetFile:
    return TargetFile.from_data(path, data if isinstance(data, bytes) else data.read_bytes(), ["sha256"])


def _rank(entry: CatalogueEntry) -> tuple[bool, Version]:
    version = Version(entry.version)
    return (not version.is_prerelease, version)


def _order(entry: CatalogueEntry) -> tuple[str, Version]:
    return (entry.publisher, Version(entry.version))
