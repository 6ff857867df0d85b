"""Make a registry, and change who publishes in it and what it lists."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pydantic import ValidationError
from tuf.api.metadata import Key, Metadata, Role, Root

from hookspecs import CatalogueEntry, PluginTools
from hookspecs.errors import UserError
from hookspecs.models.catalogue import RevokedKey, RevokedVersion

from .drafting import utc_now
from .folder import RECORD, Folder
from .keyring import KeyRing, public_key, public_text
from .model import PublisherRecord, RegistryRecord
from .publishing import sign_root
from .roles import CATALOGUE, ROOT, ROOT_KEYS, ROOT_THRESHOLD, SINGLE, lifetime

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*\Z")


def init(folder: Folder, ring: KeyRing, name: str, root_keys: Sequence[str], now: datetime | None = None) -> list[str]:
    """Make a registry: its keys, and a root that two of three must sign. Returns the ids of keys that must still sign.

    ``root_keys`` are the public keys of root keys that live elsewhere; what is missing of three is made here.
    """
    if not _NAME.match(name) or len(name) > 60:
        raise UserError(f"{name!r} cannot name a registry", remedy="lower-case words joined by hyphens", exit_code=2)
    if (folder.path / RECORD).exists():
        raise UserError("there is a registry already", where=str(folder.path), code="registry-there")
    if len(root_keys) > ROOT_KEYS:
        raise UserError(f"a root has {ROOT_KEYS} keys, and {len(root_keys)} were given", exit_code=2)
    given = [public_key(text) for text in root_keys]
    roots = [*given, *(ring.generate(f"root-{number}") for number in range(len(given) + 1, ROOT_KEYS + 1))]
    if len({key.keyid for key in roots}) < ROOT_KEYS:
        raise UserError("the root keys must differ from each other", exit_code=2)
    single = {role: ring.generate(role) for role in SINGLE}
    labels = {key.keyid: f"root-{number}" for number, key in enumerate(roots, 1)} | {k.keyid: r for r, k in single.items()}
    keys: dict[str, Key] = {key.keyid: key for key in roots}
    keys |= {key.keyid: key for role, key in single.items() if role != CATALOGUE}
    tuf_roles = {role: Role([single[role].keyid], 1) for role in SINGLE if role != CATALOGUE}
    tuf_roles[ROOT] = Role([key.keyid for key in roots], ROOT_THRESHOLD)
    expires = ((now or utc_now()) + lifetime(ROOT)).replace(microsecond=0)
    metadata = Metadata(Root(version=1, expires=expires, keys=keys, roles=tuf_roles, consistent_snapshot=True))
    missing = sign_root(ring, metadata, None)
    folder.stage(ROOT, metadata)
    if not missing:
        folder.put_in_force(ROOT, metadata)
        folder.unstage(ROOT)
    folder.keep(RegistryRecord(name=name, catalogue_key=public_text(single[CATALOGUE]), labels=labels))
    return missing


def set_publisher(folder: Folder, name: str, key: str, *, vouched: bool) -> None:
    """List a publisher, or change its key or its way of signing."""
    public = public_key(key)
    with folder.lock():
        record = folder.record
        publishers = {**record.publishers, name: PublisherRecord(key=public_text(public), vouched=vouched)}
        labels = {**record.labels, public.keyid: name}
        _keep(folder, record, publishers=publishers, labels=labels)


def add(folder: Folder, tools: PluginTools, plugins: Iterable[Path], levels: Mapping[str, Any]) -> list[CatalogueEntry]:
    """List plugins: wheels, or source folders that are packed and signed. All of them, or none.

    ``levels``: hash of a plugin's files → its quality level, from the report of ``nself plugin check``. A publisher whose key
    this home holds is listed with it. ``UserError`` for a plugin that is unsigned, changed, or there with other bytes.
    """
    with folder.lock(), TemporaryDirectory(prefix="nself-registry-") as scratch:
        wheels = [tools.pack(place, Path(scratch) / str(n)) if place.is_dir() else place for n, place in enumerate(plugins)]
        record = folder.record
        own = {name: key for name, key in tools.own_keys().items() if name not in record.publishers}
        known = {name: publisher.key for name, publisher in record.publishers.items()} | own
        found = []
        for wheel in wheels:
            entry = tools.inspect(wheel, known)
            level = levels.get(tools.content_hash(wheel), 0) if levels else 0
            found.append((entry.model_copy(update={"level": int(level)}), wheel))
        for entry, _ in found:
            _refuse_other_bytes(folder, entry)
        for name in dict.fromkeys(entry.publisher for entry, _ in found if entry.publisher in own):
            record = _with_publisher(record, name, own[name])
        folder.keep(record)
        for entry, wheel in found:
            folder.put(entry, wheel)
        return [entry for entry, _ in found]


def yank(folder: Folder, name: str, version: str, reason: str) -> CatalogueEntry:
    """Let nobody install a release anew (an empty reason takes that back); whoever has it keeps it."""
    with folder.lock():
        entry = release(folder, name, version).model_copy(update={"yanked": reason})
        folder.put(entry)
        return entry


def revoke_version(folder: Folder, name: str, version: str, reason: str) -> CatalogueEntry:
    """Let nobody load a release any more. It cannot be taken back: clients remember."""
    with folder.lock():
        record = folder.record
        entry = release(folder, name, version)
        gone = RevokedVersion(publisher=entry.publisher, name=entry.name, version=version, sha256=entry.sha256, reason=reason)
        others = [one for one in record.revoked_versions if (one.publisher, one.name, one.version) != _full(gone)]
        _keep(folder, record, revoked_versions=(*others, gone))
        return entry


def revoke_publisher(folder: Folder, name: str, reason: str) -> list[CatalogueEntry]:
    """Let nothing that a publisher's key signed count any more, and list the publisher no longer. Returns what was listed."""
    from .keyring import plugin_key_id

    with folder.lock():
        record = folder.record
        if name not in record.publishers:
            raise UserError(f"there is no publisher {name!r}", remedy="nself registry show", code="publisher-unknown")
        publisher = record.publishers[name]
        gone = RevokedKey(key=plugin_key_id(publisher.key), publisher=name, reason=reason)
        others = [one for one in record.revoked_keys if one.key != gone.key]
        rest = {other: known for other, known in record.publishers.items() if other != name}
        _keep(folder, record, revoked_keys=(*others, gone), publishers=rest)
        return folder.entries(name)


def release(folder: Folder, name: str, version: str) -> CatalogueEntry:
    """One release by ``name`` or ``publisher/name``; ``UserError`` where there is none, or several publishers have one."""
    publisher, _, short = name.rpartition("/")
    found = [entry for entry in folder.entries(publisher or "*") if (entry.name, entry.version) == (short, version)]
    if not found:
        raise UserError(f"there is no {name} {version} in this registry", remedy="nself registry show", code="release-unknown")
    if len(found) > 1:
        names = ", ".join(f"{entry.publisher}/{entry.name}" for entry in found)
        raise UserError(f"{name} {version} is ambiguous: {names}", remedy="give publisher/name", exit_code=2)
    return found[0]


def _full(one: RevokedVersion) -> tuple[str, str, str]:
    return (one.publisher, one.name, one.version)


def _with_publisher(record: RegistryRecord, name: str, key: str) -> RegistryRecord:
    labels = {**record.labels, public_key(key).keyid: name}
    return _checked(record, publishers={**record.publishers, name: PublisherRecord(key=key)}, labels=labels)


def _keep(folder: Folder, record: RegistryRecord, **changes: Any) -> None:
    folder.keep(_checked(record, **changes))


def _checked(record: RegistryRecord, **changes: Any) -> RegistryRecord:
    try:
        return RegistryRecord.model_validate({**dict(record), **changes})
    except ValidationError as error:
        raise UserError("; ".join(fault["msg"] for fault in error.errors()), code="registry-record", exit_code=2) from None


def _refuse_other_bytes(folder: Folder, entry: CatalogueEntry) -> None:
    there = folder.entry(entry.publisher, entry.name, entry.version)
    if there is not None and there.sha256 != entry.sha256:
        raise UserError(
            f"{entry.publisher}/{entry.name} {entry.version} is in the registry with other bytes",
            remedy="a release is never changed: give the plugin a new version", code="release-there",
        )  # fmt: skip
    same = [one for one in folder.entries(entry.publisher) if one.file == entry.file and one.version != entry.version]
    if same:
        raise UserError(f"{entry.file} is the wheel of {same[0].name} {same[0].version} already", code="release-there")
