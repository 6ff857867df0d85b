"""From what a registry should say now to signed metadata: a role is signed anew only where it must be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tuf.api.exceptions import UnsignedMetadataError
from tuf.api.metadata import DelegatedRole, Delegations, Key, Metadata, Root, Signed, SuccinctRoles, TargetFile, Targets

from .content import Content, content_of, wheels_of
from .folder import Folder
from .keyring import KeyRing, public_key
from .model import RegistryRecord
from .roles import BIN_PREFIX, CATALOGUE, PLUGINS, TARGETS, bits_for, lifetime, publisher_role


@dataclass
class Drafts:
    """The metadata a publish would put in force. ``missing``: role → ids of the keys one of which must still sign."""

    folder: Folder
    ring: KeyRing
    now: datetime
    done: dict[str, Metadata[Any]] = field(default_factory=dict)
    fresh: set[str] = field(default_factory=set)
    """Roles whose metadata is new."""
    missing: dict[str, list[str]] = field(default_factory=dict)
    ageing: dict[str, datetime] = field(default_factory=dict)
    """Roles that should be signed anew and could not be, with the time when they expire."""

    def draft(self, role: str, wanted: Signed, delegator: Root | Targets) -> None:
        """Settle one role: what is in force where that says the same and holds long enough, else a new version."""
        current = self.folder.current(role)
        unchanged = current is not None and _says(current.signed) == _says(wanted) and signed_by(delegator, role, current)
        if current is not None and unchanged and not self._due(role, current):
            self._settle(role, current, fresh=False)
            return
        self.renew(role, wanted, delegator, holds=unchanged)

    def renew(self, role: str, wanted: Signed, delegator: Root | Targets, *, holds: bool = False) -> None:
        """Sign a new version. Where that cannot be now and what is in force ``holds``, that stays."""
        current = self.folder.current(role)
        metadata = self._waiting(role, wanted, current) or self._new(role, wanted, current)
        missing = self.sign(role, metadata, delegator)
        if not missing:
            self._settle(role, metadata, fresh=True)
        elif current is not None and holds and current.signed.expires > self.now:
            self.ageing[role] = current.signed.expires  # it holds still: whoever has the key signs it another day
            self._settle(role, current, fresh=False)
            self.folder.stage(role, metadata)
        else:
            self.missing[role] = missing
            self.done[role] = metadata
            self.folder.stage(role, metadata)

    def sign(self, role: str, metadata: Metadata[Any], delegator: Root | Targets) -> list[str]:
        """Sign with the keys at hand; returns the ids of those that could give what is missing, none where nothing is."""
        allowed = delegator.get_delegated_role(role).keyids
        for keyid in allowed:
            signer = self.ring.signer(keyid)
            if signer is not None and keyid not in metadata.signatures:
                metadata.sign(signer, append=True)
        if signed_by(delegator, role, metadata):
            return []
        return [keyid for keyid in allowed if keyid not in metadata.signatures]

    def _settle(self, role: str, metadata: Metadata[Any], *, fresh: bool) -> None:
        self.done[role] = metadata
        if fresh:
            self.fresh.add(role)

    def _due(self, role: str, metadata: Metadata[Any]) -> bool:
        """Whether less than half of its time is left."""
        left: Any = metadata.signed.expires - self.now
        return bool(left < lifetime(role) / 2)

    def _waiting(self, role: str, wanted: Signed, current: Metadata[Any] | None) -> Metadata[Any] | None:
        """What was staged for this role, where it is still what is wanted: signatures of others are on it."""
        staged = self.folder.staged(role)
        if staged is None or _says(staged.signed) != _says(wanted) or self._due(role, staged):
            return None
        return staged if staged.signed.version == _next(current) else None

    def _new(self, role: str, wanted: Signed, current: Metadata[Any] | None) -> Metadata[Any]:
        signed = type(wanted).from_dict(wanted.to_dict())
        signed.version = _next(current)
        signed.expires = (self.now + lifetime(role)).replace(microsecond=0)
        return Metadata(signed)


def draft_targets(drafts: Drafts, root: Root, record: RegistryRecord, registry_key: Key) -> Content:
    """Settle ``targets`` and everything below it; returns what the registry offers then.

    A publisher that has not signed yet keeps nobody waiting: its last signed state holds, or it is left out so far.
    """
    everyone = Targets(delegations=delegations_of_targets(record, registry_key))
    offered = _draft_publishers(drafts, record, everyone)
    there = record.model_copy(update={"publishers": {name: record.publishers[name] for name in offered}})
    content = content_of(drafts.folder, there, offered)
    drafts.draft(TARGETS, Targets(delegations=delegations_of_targets(there, registry_key)), root)
    top: Targets = drafts.done[TARGETS].signed
    drafts.draft(CATALOGUE, Targets(targets=dict(content.targets[CATALOGUE])), top)
    below = content.targets[PLUGINS]
    drafts.draft(PLUGINS, Targets(delegations=_delegations_of_plugins(len(below), registry_key)), top)
    _draft_bins(drafts, drafts.done[PLUGINS].signed, below)
    return content


def _draft_publishers(drafts: Drafts, record: RegistryRecord, delegator: Targets) -> dict[str, Mapping[str, TargetFile]]:
    """Publisher → the wheels it offers, as far as it, or the registry for it, has signed."""
    offered: dict[str, Mapping[str, TargetFile]] = {}
    for name, publisher in sorted(record.publishers.items()):
        wheels = wheels_of(drafts.folder, name)
        if publisher.vouched:
            offered[name] = wheels
            continue
        role = publisher_role(name)
        drafts.draft(role, Targets(targets=dict(wheels)), delegator)
        if role in drafts.missing:
            current = drafts.folder.current(role)
            if current is None or not signed_by(delegator, role, current):
                del drafts.done[role]
                continue
            drafts.done[role] = current
        offered[name] = drafts.done[role].signed.targets
    return offered


def _draft_bins(drafts: Drafts, plugins: Targets, targets: Mapping[str, TargetFile]) -> None:
    if plugins.delegations is None or plugins.delegations.succinct_roles is None:
        raise ValueError("the plugins role has no bins")
    bins = plugins.delegations.succinct_roles
    sorted_in: dict[str, dict[str, TargetFile]] = {name: {} for name in bins.get_roles()}
    for path, target in targets.items():
        sorted_in[bins.get_role_for_target(path)][path] = target
    for name, files in sorted_in.items():
        drafts.draft(name, Targets(targets=files), plugins)


def delegations_of_targets(record: RegistryRecord, registry_key: Key) -> Delegations:
    """Whom ``targets`` trusts, and for which paths. The order is that of the search."""
    keys = {registry_key.keyid: registry_key}
    roles = [DelegatedRole(CATALOGUE, [registry_key.keyid], 1, terminating=True, paths=["catalogue/*"])]
    for name, publisher in sorted(record.publishers.items()):
        if not publisher.vouched:
            key = public_key(publisher.key)
            keys[key.keyid] = key
            roles.append(DelegatedRole(publisher_role(name), [key.keyid], 1, terminating=True, paths=[f"{name}/*"]))
    roles.append(DelegatedRole(PLUGINS, [registry_key.keyid], 1, terminating=True, paths=["*/*"]))
    return Delegations(keys, {role.name: role for role in roles})


def _delegations_of_plugins(targets: int, registry_key: Key) -> Delegations:
    """The hash bins (TAP 15) below ``plugins``."""
    bins = SuccinctRoles([registry_key.keyid], 1, bits_for(targets), BIN_PREFIX)
    return Delegations({registry_key.keyid: registry_key}, succinct_roles=bins)


def _says(signed: Signed) -> dict[str, Any]:
    content = signed.to_dict()
    return {key: value for key, value in content.items() if key not in {"version", "expires"}}


def signed_by(delegator: Root | Targets, role: str, metadata: Metadata[Any]) -> bool:
    """Whether enough of the role's keys signed."""
    try:
        delegator.verify_delegate(role, metadata.signed_bytes, metadata.signatures)
    except (UnsignedMetadataError, ValueError):
        return False
    return True


def _next(current: Metadata[Any] | None) -> int:
    return 1 if current is None else int(current.signed.version) + 1


def utc_now() -> datetime:
    """The time that counts, as metadata has it."""
    return datetime.now(UTC)
