"""Replace a key: of the root, of a role of the registry, of a publisher. And add one signature to what waits for it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tuf.api.metadata import Key, Metadata, Root, Targets

from hookspecs.errors import UserError

from .drafting import signed_by, utc_now
from .folder import Folder
from .keyring import KeyRing, load, public_key, public_text
from .making import set_publisher
from .publishing import next_root, sign_root
from .roles import BIN_PREFIX, CATALOGUE, PLUGINS, ROOT, SNAPSHOT, TARGETS, TIMESTAMP


def rotate(folder: Folder, ring: KeyRing, role: str, *, new: str = "", replaced: str = "") -> list[str]:
    """Give a role another key; ``new`` is its public half where the key lives elsewhere, else one is made here.

    ``replaced`` names the one of several keys that goes (a label such as ``root-2``, or the start of a key id). What the change
    needs is staged, signed with the keys at hand, for ``publish``; returns the ids of root keys that must still sign.
    """
    with folder.lock():
        record = folder.record
    if role in record.publishers:
        if not new:
            raise UserError(f"give the new public key of {role}", remedy="--new-key ed25519:…", exit_code=2)
        set_publisher(folder, role, new, vouched=record.publishers[role].vouched)
        return []
    if role == CATALOGUE:
        return _rotate_catalogue(folder, ring, new)
    if role in {ROOT, TARGETS, SNAPSHOT, TIMESTAMP}:
        return _rotate_in_root(folder, ring, role, new, replaced)
    raise UserError(
        f"{role!r} is no role with a key of its own",
        remedy="root, targets, snapshot, timestamp, catalogue or a publisher",
        exit_code=2,
    )


def sign(folder: Folder, role: str, key_file: Path) -> list[str]:
    """Add one signature to the staged metadata of a role; returns the ids of keys that must still sign.

    ``UserError`` where nothing waits there, or the key has no say.
    """
    signer = load(key_file)
    with folder.lock():
        staged = folder.staged(role)
        if staged is None:
            waiting = ", ".join(folder.staged_roles()) or "nothing"
            raise UserError(f"no metadata of {role} waits for signatures", remedy=f"what waits: {waiting}", code="nothing-staged")
        delegators = _delegators(folder, role, staged)
        allowed = {keyid for delegator in delegators for keyid in delegator.get_delegated_role(role).keyids}
        if signer.public_key.keyid not in allowed:
            raise UserError(f"this key may not sign {role}", where=str(key_file), code="key-foreign")
        staged.sign(signer, append=True)
        folder.stage(role, staged)
        lacking = [one for one in delegators if not signed_by(one, role, staged)]
        keyids = (keyid for one in lacking for keyid in one.get_delegated_role(role).keyids)
        return list(dict.fromkeys(keyid for keyid in keyids if keyid not in staged.signatures))


def _rotate_in_root(folder: Folder, ring: KeyRing, role: str, new: str, replaced: str) -> list[str]:
    with folder.lock():
        record, current = folder.record, folder.current(ROOT)
        if current is None:
            raise UserError("this registry has no root in force", remedy="nself registry publish", code="no-registry")
        waiting = folder.staged(ROOT)
        staged: Metadata[Root] = waiting if waiting is not None else next_root(current, utc_now())
        staged.signatures.clear()
        old = _key_to_replace(staged.signed, role, replaced, record.labels)
        version = staged.signed.version
        public = public_key(new) if new else ring.generate(f"{record.labels.get(old, role)}.{version}")
        staged.signed.revoke_key(old, role)
        staged.signed.add_key(public, role)
        label = f"{record.labels.get(old, role).partition('.')[0]}.{version}"
        folder.keep(record.model_copy(update={"labels": {**record.labels, public.keyid: label}}))
        missing = sign_root(ring, staged, current)
        folder.stage(ROOT, staged)
        return missing


def _rotate_catalogue(folder: Folder, ring: KeyRing, new: str) -> list[str]:
    with folder.lock():
        record = folder.record
        number = sum(label.startswith(CATALOGUE) for label in record.labels.values()) + 1
        public = public_key(new) if new else ring.generate(f"{CATALOGUE}.{number}")
        labels = {**record.labels, public.keyid: f"{CATALOGUE}.{number}"}
        folder.keep(record.model_copy(update={"labels": labels, "catalogue_key": public_text(public)}))
        return []


def _key_to_replace(root: Root, role: str, named: str, labels: Mapping[str, str]) -> str:
    keyids = root.roles[role].keyids
    found = [keyid for keyid in keyids if not named or labels.get(keyid) == named or keyid.startswith(named)]
    if len(found) == 1:
        return found[0]
    names = ", ".join(labels.get(keyid, keyid[:12]) for keyid in keyids)
    raise UserError(f"say which key of {role} goes: {names}", remedy="--replace NAME", exit_code=2)


def _delegators(folder: Folder, role: str, staged: Metadata[Root]) -> list[Root | Targets]:
    """Whose word decides which keys sign a role."""
    current = folder.current(ROOT)
    if role == ROOT:
        return [staged.signed, *([current.signed] if current is not None else [])]
    if role in {TARGETS, SNAPSHOT, TIMESTAMP}:
        above = current
    elif role.startswith(f"{BIN_PREFIX}-"):
        above = folder.staged(PLUGINS) or folder.current(PLUGINS)
    else:
        return [_publishers_and_registry(folder)]
    if above is None:
        raise UserError(f"nothing says who signs {role}", remedy="nself registry publish", code="registry-broken")
    return [above.signed]


def _publishers_and_registry(folder: Folder) -> Targets:
    from .drafting import delegations_of_targets

    record = folder.record
    key: Key = public_key(record.catalogue_key)
    return Targets(delegations=delegations_of_targets(record, key))
