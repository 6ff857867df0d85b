"""What an installation would do, settled before anything is fetched or changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from hookspecs.errors import UserError
from nself_core.plugins import index
from nself_core.plugins.install.catalogue import Catalogue
from nself_core.plugins.install.resolve import Need, resolve
from nself_core.plugins.install.store import Installed, Store
from nself_core.plugins.lock import Lock, Pin
from nself_core.plugins.manifest import MANIFEST, OUR_PREFIX, read
from nself_core.plugins.model import Found, Source
from nself_core.plugins.permissions import asked
from nself_core.plugins.publishers import OURS
from nself_core.plugins.sources import local
from nself_core.plugins.sources.model import Release
from nself_core.plugins.sources.request import Request
from nself_core.plugins.versions import names_of, unfit


@dataclass(frozen=True, slots=True)
class Step:
    """One plugin that will be installed or replaced."""

    release: Release
    before: Release | None
    asked: bool

    @property
    def kind(self) -> Literal["install", "update", "downgrade", "reinstall"]:
        if self.before is None:
            return "install"
        old, new = Version(self.before.version), Version(self.release.version)
        return "reinstall" if old == new else "update" if new > old else "downgrade"

    @property
    def permissions(self) -> dict[str, list[str]]:
        """What it may reach that the version before could not."""
        return widened(self.before.manifest if self.before else {}, self.release.manifest)


@dataclass(slots=True)
class Plan:
    """The whole of it."""

    steps: list[Step]
    kept: list[Release]
    """What was asked for or is needed, and is here already."""
    hashes: Mapping[str, str] = field(default_factory=dict)
    """``plugins.lock``: the only files that will do, by name."""

    @property
    def releases(self) -> list[Release]:
        return [*self.kept, *(step.release for step in self.steps)]


def widened(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, list[str]]:
    """The permissions of one manifest that another did not have."""
    had = asked(old)
    more = {kind: [one for one in what if one not in had.get(kind, ())] for kind, what in asked(new).items()}
    return {kind: what for kind, what in more.items() if what}


def installed(home: Path, store: Store) -> dict[str, Release]:
    """What is installed in this home or beside nself, as releases by name."""
    records = store.active()
    found = {one.name: one for one in index.load(home) if one.source != "core" and not one.problem}
    return {name: _as_release(one, records.get(name) if one.source == "store" else None) for name, one in found.items()}


def _as_release(found: Found, record: Installed | None) -> Release:
    manifest = found.manifest
    return Release(
        registry=record.registry if record else "folder" if found.source == "linked" else "pip",
        publisher=manifest.get("publisher", ""),
        name=found.name,
        version=manifest["version"],
        tier=manifest.get("tier", "free"),
        bundles=tuple(manifest.get("bundles", ())),
        summary=manifest["summary"],
        manifest=manifest,
        file=found.folder,
        sha256=record.sha256 if record else "",
    )


@dataclass(frozen=True, slots=True)
class Here:
    """What there is before: what is installed, and which versions the user holds on to."""

    present: Mapping[str, Release]
    pinned: Mapping[str, str] = field(default_factory=dict)


def make(catalogue: Catalogue, requests: Iterable[Request], here: Here, staging: Path, *, renew: bool, force: bool) -> Plan:
    """Resolve what the user asked for."""
    needs: list[Need] = []
    for request in requests:
        if request.kind == "name":
            needs.append(Need(request.name, SpecifierSet(request.range), request.publisher))
        else:
            needs.append(_outright(catalogue, request, staging))
    names = {need.name for need in needs}
    afresh = {name for name in names if force or catalogue.outright(name)}
    return _settle(catalogue, needs, here, renew=names if renew or force else set(), afresh=afresh)


def from_lock(catalogue: Catalogue, lock: Lock, here: Here) -> Plan:
    """What a project's ``plugins.lock`` enables, in the very versions it names."""
    wanted = {name: pin for name, pin in lock.pins.items() if pin.enabled and pin.registry not in {"folder", "pip"}}
    needs = [Need(name, SpecifierSet(f"=={pin.version}"), pin.publisher) for name, pin in wanted.items()]
    hashes = {name: pin.hash for name, pin in wanted.items() if pin.hash}
    differ = {name for name, digest in hashes.items() if name in here.present and hash_here(here.present[name]) != digest}
    try:
        plan = _settle(catalogue, needs, here, renew=set(), afresh=differ)
    except UserError as error:
        if error.code != "plugin-unknown":
            raise
        lacking = next((name for name in wanted if name not in here.present and not catalogue.releases(name)), None)
        raise error if lacking is None else _lacking(lacking, wanted[lacking]) from None
    plan.hashes = hashes
    return plan


def _lacking(name: str, pin: Pin) -> UserError:
    ways = {
        "wheel": ("a wheel", f"nself plugin install FILE.whl, with that of {name} {pin.version}"),
        "pypi": ("the package index", f"nself plugin install pypi:nself-plugin-{name}=={pin.version}"),
    }
    other = (f"the registry {pin.registry}", f"nself registry connect {pin.registry} URL --root FILE, as its operator gives them")
    whence, remedy = ways.get(pin.registry, other)
    return UserError(
        f"plugins.lock has {name} {pin.version} from {whence}, and no registry here has it", remedy=remedy, code="plugin-unknown"
    )


def back_to(release: Release, present: Mapping[str, Release], others: Mapping[str, Release]) -> Plan:
    """Put one version that is at hand in the place of another, where what else is installed can live with it."""
    needs = [Need(release.name, SpecifierSet(f"=={release.version}"))]
    needs += [Need(name, SpecifierSet(f"=={one.version}")) for name, one in others.items() if one.registry != "folder"]
    resolve(needs, lambda name: [release] if name == release.name else [], others, frozenset())
    return Plan([Step(release, present.get(release.name), True)], [])


def found_here(release: Release) -> Found:
    """An installed plugin as discovery found it."""
    source: Source = "linked" if release.registry == "folder" else "entry-point" if release.registry == "pip" else "store"
    return Found(release.name, source, "", release.file, "", release.manifest)


def hash_here(release: Release) -> str:
    """``total`` of an installed plugin's files; empty for a linked folder, whose files change at will."""
    from nself_core.plugins.hashing import total
    from nself_core.plugins.trust import files_of

    return "" if release.registry == "folder" else total(files_of(found_here(release)))


def of_store(store: Store, record: Installed) -> Release:
    """A version in the store as a release."""
    folder = store.place(record)
    found = Found(record.name, "store", "", str(folder), "", read(str(folder / MANIFEST)))
    return _as_release(found, record)


def _outright(catalogue: Catalogue, request: Request, staging: Path) -> Need:
    """A wheel, folder or distribution: its one release is what there is of that name."""
    source: local.WheelSource | local.FolderSource
    if request.kind == "folder":
        source = local.FolderSource(Path(request.text))
    elif request.kind == "wheel":
        source = local.WheelSource(Path(request.text), staging)
    else:
        source = local.from_index(request.name, request.range, staging)
    catalogue.name_outright(source)
    return Need(source.release.name, SpecifierSet(f"=={source.release.version}"), source.release.publisher)


def _settle(catalogue: Catalogue, needs: list[Need], here: Here, *, renew: set[str], afresh: set[str]) -> Plan:
    """``renew``: take the newest; ``afresh``: take no account of what is installed."""
    asked = {need.name for need in needs}
    for need in needs:
        held = here.pinned.get(need.name)
        if held and (need.name in renew or not need.range.contains(held, prereleases=True)):
            remedy = f"nself plugin pin {need.name} --off"
            raise UserError(f"{need.name} is pinned to {held}", remedy=remedy, code="plugin-pinned")
    available = {name: one for name, one in here.present.items() if name not in afresh}
    needed = [*needs, *_needs_of_others(available, asked, here.pinned)]
    with catalogue.complete():
        chosen = resolve(needed, catalogue.releases, available, frozenset(renew))
    concerned = _reach(asked, chosen)
    steps, kept = [], []
    for name, release in chosen.items():
        if available.get(name) != release:
            check_name(release, here.present.get(name))
            steps.append(Step(release, here.present.get(name), name in asked))
        elif name in concerned:
            kept.append(release)
    return Plan(steps, kept)


def _needs_of_others(available: Mapping[str, Release], asked: set[str], pinned: Mapping[str, str]) -> list[Need]:
    """What is installed stays in one piece: each plugin that works keeps its own needs met, and its version where pinned."""
    works = {
        name: one
        for name, one in available.items()
        if name not in asked and not unfit(one.manifest) and available.keys() >= set(_names(one))
    }
    ranges = {name: SpecifierSet(f"=={pinned[name]}" if name in pinned else "") for name in works}
    return [Need(name, ranges[name], one.publisher) for name, one in works.items()]


def _names(release: Release) -> tuple[str, ...]:
    return names_of(tuple(release.manifest.get("depends_on", ())))


def _reach(names: set[str], chosen: Mapping[str, Release]) -> set[str]:
    """The names and everything they depend on."""
    reached: set[str] = set()
    ahead = list(names)
    while ahead:
        name = ahead.pop()
        if name not in reached:
            reached.add(name)
            ahead += _names(chosen[name])
    return reached


def check_name(release: Release, before: Release | None) -> None:
    """``UserError`` where the plugin would pass for something else."""
    from nself_core.cli.table import BY_WORD

    if release.name.startswith(OUR_PREFIX):
        raise UserError(
            f"{release.full_name} is refused: names that begin with {OUR_PREFIX!r} are nself's own", code="plugin-name"
        )
    if release.tier == "core":
        raise UserError(f"{release.full_name} is refused: the tier core is that of nself's own plugins", code="plugin-name")
    if release.name in BY_WORD and release.publisher != OURS:
        raise UserError(f"{release.full_name} is refused: {release.name} is a command of nself", code="plugin-name")
    if before is not None and before.publisher != release.publisher:
        raise UserError(
            f"{release.full_name} is refused: {before.full_name} {before.version} is installed under the same name",
            remedy=f"nself plugin uninstall {before.full_name}, if it is to be replaced",
            code="plugin-name",
        )
