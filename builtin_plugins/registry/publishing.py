"""Put a registry's state in force and write it as static files, so that a reader finds the old state or the new one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, Timestamp
from tuf.api.serialization.json import JSONSerializer

from hookspecs.errors import UserError

from .content import Content
from .drafting import Drafts, draft_targets, signed_by, utc_now
from .files import write
from .folder import Folder
from .keyring import KeyRing, public_key
from .roles import PUBLISHER_PREFIX, ROOT, SNAPSHOT, TIMESTAMP, lifetime

_COMPACT = JSONSerializer(compact=True)


@dataclass(frozen=True)
class Published:
    """What a publish did."""

    roles: tuple[str, ...]
    """Roles that were signed anew."""
    waiting: dict[str, list[str]]
    """The root, and publishers' roles, whose newer state waits for a signature, with the key ids that could give it."""
    ageing: dict[str, datetime]
    """Roles that hold still, and whose key was not here to renew them."""
    files: int
    """Files that were written."""


def publish(folder: Folder, ring: KeyRing, into: Path, now: datetime | None = None) -> Published:
    """Sign what changed or grows old, and write the tree. ``UserError`` where a signature is missing: nothing is put in force.

    Metadata that others must sign first is staged; see ``nself registry sign``.
    """
    with folder.lock():
        record = folder.record
        drafts = Drafts(folder, ring, now or utc_now())
        root = root_in_force(folder, drafts)
        content = draft_targets(drafts, root, record, public_key(record.catalogue_key))
        waiting = {role: keys for role, keys in drafts.missing.items() if role == ROOT or role.startswith(PUBLISHER_PREFIX)}
        _refuse_unsigned(record.labels, {role: keys for role, keys in drafts.missing.items() if role not in waiting})
        _draft_snapshot(drafts, root)
        _refuse_unsigned(record.labels, {role: keys for role, keys in drafts.missing.items() if role not in waiting})
        _check_wheels(content)
        for role in drafts.fresh:
            folder.put_in_force(role, drafts.done[role])
            folder.unstage(role)
        written = _write_tree(folder, drafts, content, into)
        return Published(tuple(sorted(drafts.fresh)), waiting, dict(drafts.ageing), written)


def root_in_force(folder: Folder, drafts: Drafts) -> Root:
    """The newest root, a staged one put in force when it has its signatures. ``UserError`` where none is in force.

    One that holds for less than half of its time is staged anew with the same keys. While a new root waits for signatures, the
    old one counts: nothing else has to wait.
    """
    current, staged = folder.current(ROOT), folder.staged(ROOT)
    if staged is None and current is not None and current.signed.expires - drafts.now < lifetime(ROOT) / 2:
        staged = next_root(current, drafts.now)
    if staged is not None:
        missing = sign_root(drafts.ring, staged, current)
        if missing:
            folder.stage(ROOT, staged)
            drafts.missing[ROOT] = missing
        else:
            folder.put_in_force(ROOT, staged)
            folder.unstage(ROOT)
            current = staged
    if current is None or current.signed.expires <= drafts.now:
        _refuse_unsigned(folder.record.labels, {ROOT: drafts.missing.get(ROOT, [])})
        raise UserError("this registry has no root", where=str(folder.path), remedy="nself registry init", code="no-registry")
    root: Root = current.signed
    return root


def next_root(current: Metadata[Root], now: datetime) -> Metadata[Root]:
    """The same root once more, unsigned, with the next version and a new term."""
    root = Root.from_dict(current.signed.to_dict())
    root.version += 1
    root.expires = (now + lifetime(ROOT)).replace(microsecond=0)
    return Metadata(root)


def sign_root(ring: KeyRing, staged: Metadata[Root], current: Metadata[Root] | None) -> list[str]:
    """Sign a new root with the keys at hand: its own, and those of the root before it, must both reach the threshold."""
    delegators = [staged.signed, *([current.signed] if current is not None else [])]
    allowed = dict.fromkeys(keyid for root in delegators for keyid in root.roles[ROOT].keyids)
    for keyid in allowed:
        signer = ring.signer(keyid)
        if signer is not None and keyid not in staged.signatures:
            staged.sign(signer, append=True)
    lacking = [root for root in delegators if not signed_by(root, ROOT, staged)]
    return list(dict.fromkeys(keyid for root in lacking for keyid in root.roles[ROOT].keyids if keyid not in staged.signatures))


def _draft_snapshot(drafts: Drafts, root: Root) -> None:
    """Snapshot and timestamp over all that was settled. The timestamp is always new: it says that this is the state of today.

    A role that is no more stays in the snapshot as it was last: clients refuse one that has lost a role.
    """
    before = drafts.folder.current(SNAPSHOT)
    meta: dict[str, MetaFile] = dict(before.signed.meta) if before is not None else {}
    meta |= {f"{role}.json": MetaFile(int(metadata.signed.version)) for role, metadata in drafts.done.items()}
    drafts.draft(SNAPSHOT, Snapshot(meta=meta), root)
    data = drafts.done[SNAPSHOT].to_bytes(_COMPACT)
    digest = {"sha256": hashlib.sha256(data).hexdigest()}
    stamp = MetaFile(int(drafts.done[SNAPSHOT].signed.version), len(data), digest)
    drafts.folder.unstage(TIMESTAMP)
    drafts.renew(TIMESTAMP, Timestamp(snapshot_meta=stamp), root)


def _refuse_unsigned(labels: Any, missing: dict[str, list[str]]) -> None:
    if missing:
        role = next(iter(missing))
        raise UserError(
            f"not published: signatures are missing for {', '.join(missing)}",
            remedy=_how_to_sign(labels, role, missing[role]), code="registry-unsigned",
        )  # fmt: skip


def _how_to_sign(labels: Any, role: str, keys: list[str]) -> str:
    names = " or ".join(labels.get(keyid, keyid[:12]) for keyid in keys)
    return f"with the key {names}: nself registry sign {role} --key FILE, then publish again"


def _check_wheels(content: Content) -> None:
    for path, data in content.data.items():
        if isinstance(data, Path) and not data.is_file():
            raise UserError(
                f"the wheel of {path} is gone", where=str(data), remedy="put it back, or yank the release", code="registry-broken"
            )


def _write_tree(folder: Folder, drafts: Drafts, content: Content, into: Path) -> int:
    """Wheels and documents first, then metadata under names of their version, the timestamp last: it makes the rest visible."""
    written = 0
    for path, target in _targets(drafts):
        digest = target.hashes["sha256"]
        name, _, base = path.rpartition("/")
        place = into / "targets" / name / f"{digest}.{base}"
        if place.is_file() and place.stat().st_size == target.length:
            continue
        source = content.data[path]
        write(place, source if isinstance(source, bytes) else source.read_bytes(), sync=False)
        written += 1
    metadata = into / "metadata"
    for role, signed in drafts.done.items():
        if role != TIMESTAMP:
            written += _write_new(metadata / f"{signed.signed.version}.{role}.json", signed)
    for root in folder.roots():  # after the others: a new one may name a new key, which has signed no timestamp yet
        written += _write_new(metadata / f"{root.signed.version}.{ROOT}.json", root)
    write(into / "root.json", folder.roots()[-1].to_bytes(_COMPACT), sync=False)
    write(metadata / "timestamp.json", drafts.done[TIMESTAMP].to_bytes(_COMPACT), sync=False)
    return written + 1


def _targets(drafts: Drafts) -> Iterator[tuple[str, Any]]:
    for metadata in drafts.done.values():
        yield from getattr(metadata.signed, "targets", {}).items()


def _write_new(place: Path, metadata: Metadata[Any]) -> int:
    data = metadata.to_bytes(_COMPACT)
    if place.is_file() and place.read_bytes() == data:
        return 0
    write(place, data, sync=False)
    return 1
