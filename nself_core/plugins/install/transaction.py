"""Install, update and roll back: everything is made ready aside; then one rename of the journal makes it count."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from hookspecs.errors import UserError
from nself_core.licences.check import require
from nself_core.plugins import pins, shared
from nself_core.plugins.install import plan as planning
from nself_core.plugins.install.catalogue import Catalogue
from nself_core.plugins.install.fetch import Fetched, fetch
from nself_core.plugins.install.plan import Here, Plan, installed
from nself_core.plugins.install.store import Change, Installed, Store
from nself_core.plugins.lock import Lock, Pin
from nself_core.plugins.model import State
from nself_core.plugins.sources.model import Release
from nself_core.plugins.sources.request import Request
from nself_core.plugins.trust import Trust


class Talk(Protocol):
    """The person at the terminal, as a transaction sees them."""

    def agree(self, plan: Plan) -> bool:
        """Show what will happen, with the permissions asked for, and ask where that is due."""

    def fetched(self, name: str, more: int) -> None:
        """So many bytes of a plugin have come."""

    def say(self, text: str) -> None:
        """What is being done."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a transaction did."""

    done: list[Fetched] = field(default_factory=list)
    kept: list[Release] = field(default_factory=list)
    enabled: list[str] = field(default_factory=list)
    """Names that now take part in the project."""
    away: Mapping[str, str] = field(default_factory=dict)
    """Sources that could not be reached, with the reason."""


def install(
    home: Path,
    root: Path | None,
    requests: Sequence[Request],
    talk: Talk,
    *,
    renew: bool = False,
    force: bool = False,
    unsigned: bool = False,
    catalogue: Catalogue | None = None,
) -> Outcome:
    """Install what is asked for and what that depends on; inside a project also enable it.

    Without ``requests``: what the project's ``plugins.lock`` enables. ``renew``: take the newest of what is here already
    (an update), and leave the enabling as it is. ``UserError``: nothing has changed.
    """
    store = Store(home)
    with store.lock("plugin install"), store.staging() as staging:
        catalogue = catalogue or Catalogue(home)
        present = installed(home, store)
        here = Here(present, pins.pinned(home))
        if requests:
            plan = planning.make(catalogue, requests, here, staging, renew=renew, force=force)
        else:
            plan = planning.from_lock(catalogue, Lock(root), here)
        for step in plan.steps:
            require(home, step.release, update=step.before is not None)
        if plan.steps and not talk.agree(plan):
            raise UserError("nothing was installed", remedy="pass --yes to agree without being asked", code="declined")
        trust = Trust(home)
        _check_kept(plan, trust)
        done = fetch(catalogue, plan, staging, trust, unsigned=unsigned, progress=talk.fetched)
        change = Change()
        after = {**present, **{one.step.release.name: one.step.release for one in done}}
        change.links |= shared.prepare(home, after.values(), staging, talk.say)
        _stage(store, done, change)
        enabled = [] if root is None else _enable(root, store, change, plan, done, only_known=renew)
        if done or change.locks:
            store.apply(change)
        return Outcome(done, plan.kept, enabled, catalogue.away)


def rollback(home: Path, root: Path | None, name: str, version: str | None, talk: Talk) -> Outcome:
    """Go back to a version that the store still has: the one before the present one, or the one named."""
    store = Store(home)
    with store.lock("plugin rollback"), store.staging() as staging:
        present = installed(home, store)
        target = _kept_version(store, name, version)
        release = planning.of_store(store, target)
        others = {other: one for other, one in present.items() if other != name}
        plan = planning.back_to(release, present, others)
        if not talk.agree(plan):
            raise UserError("nothing was changed", remedy="pass --yes to agree without being asked", code="declined")
        change = Change(links={name: str(store.place(target))})
        verdict = Trust(home).judge(planning.found_here(release))
        if not verdict.state.runnable:
            raise UserError(f"{release.full_name} {release.version} cannot be used: {verdict.reason}", remedy=verdict.remedy)
        done = [Fetched(plan.steps[0], store.place(target), verdict)]
        change.links |= shared.prepare(home, [*others.values(), release], staging, talk.say)
        enabled = [] if root is None else _enable(root, store, change, plan, done, only_known=True)
        store.apply(change)
        return Outcome(done, [], enabled)


def _kept_version(store: Store, name: str, version: str | None) -> Installed:
    kept = store.versions(name)
    current = store.active().get(name)
    if current is None:
        raise UserError(f"there is no installed plugin {name!r} to roll back", remedy="nself plugin list", code="plugin-unknown")
    others = [one for one in kept if one.hash != current.hash]
    fitting = [one for one in others if (one.version == version if version else one.at < current.at)]
    if not fitting:
        there = ", ".join(f"{one.version}" for one in others)
        what = f"version {version}" if version else "earlier version"
        remedy = f"these are kept: {there}; name one with --to" if there else f"nself plugin install {name}==VERSION"
        raise UserError(f"no {what} of {name} is kept here", remedy=remedy, code="plugin-rollback")
    return fitting[0]


def _stage(store: Store, done: Iterable[Fetched], change: Change) -> None:
    now = datetime.now(UTC).isoformat(timespec="microseconds")
    active = store.active()
    for one in done:
        release = one.step.release
        if release.registry == "folder":
            change.links[release.name] = str(one.folder)
            continue
        before = active.get(release.name)
        asked = one.step.asked or (before is not None and before.asked)
        record = Installed(
            release.name, release.version, one.hash, release.publisher, release.registry, release.sha256, asked, now
        )
        place = store.put(one.folder, record)
        change.links[release.name] = str(place)
        change.delete += store.superseded(release.name, record)
        if one.verdict.state is State.ALLOWED:
            change.allowed[release.name] = {
                "folder": str(place), "version": release.version, "files": dict(one.verdict.files or {}),
            }  # fmt: skip


def _check_kept(plan: Plan, trust: Trust) -> None:
    """What is here already and is wanted must be fit to be loaded."""
    for release in plan.kept:
        found = planning.found_here(release)
        verdict = trust.judge(found)
        if not verdict.state.runnable:
            named = f"{release.full_name} {release.version}"
            raise UserError(
                f"{named} is installed and cannot be used: {verdict.reason}", where=found.folder, remedy=verdict.remedy
            )


def _enable(root: Path, store: Store, change: Change, plan: Plan, done: Iterable[Fetched], *, only_known: bool) -> list[str]:
    """Add the pins to the change; ``only_known`` renews those that are there and adds none."""
    lock = Lock(root)
    hashes = {name: record.hash for name, record in store.active().items()}
    hashes |= {one.step.release.name: one.hash for one in done}
    entries: dict[str, dict[str, Any]] = {}
    for release in plan.releases:
        before = lock.pins.get(release.name)
        if only_known and before is None:
            continue
        digest = hashes.get(release.name) or planning.hash_here(release)
        pin = Pin(before.enabled if only_known and before else True, release.version, digest, release.publisher, release.registry)
        if pin != before:
            entries[release.name] = pin._asdict()
    if entries and lock.place is not None:
        change.locks[str(lock.place)] = entries
    return [name for name, pin in entries.items() if pin["enabled"] and not lock.enabled(name)]
