"""Which release of which plugin: the newest that all version ranges agree on, keeping what is installed where it will do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from packaging.specifiers import SpecifierSet
from packaging.version import Version
from resolvelib import AbstractProvider, BaseReporter, ResolutionImpossible, Resolver
from resolvelib.resolvers import ResolutionTooDeep

from hookspecs.errors import UserError
from nself_core.plugins.ordering import in_order
from nself_core.plugins.publishers import OURS
from nself_core.plugins.sources.model import Release
from nself_core.plugins.sources.request import requirement
from nself_core.plugins.versions import unfit


class Need(NamedTuple):
    """A plugin that is wanted, in a range, by the user (``wanted_by`` empty) or by another plugin."""

    name: str
    range: SpecifierSet
    publisher: str = ""
    wanted_by: str = ""
    exact: str = ""
    """SHA-256 of the only files that will do (``total``), from ``plugins.lock``."""

    def __str__(self) -> str:
        return f"{f'{self.publisher}/' if self.publisher else ''}{self.name}{self.range}"


#: Sources that the user named outright: what stands there is taken, also before its first release.
DIRECT = frozenset({"wheel", "folder", "pypi"})

Offers = Callable[[str], Sequence[Release]]
"""Name → every release there is of it."""


def resolve(needs: Iterable[Need], offers: Offers, installed: Mapping[str, Release], renew: frozenset[str]) -> dict[str, Release]:
    """The releases that meet the needs and those of their own dependencies, by name, in order of dependency.

    ``installed`` is kept where it will do, but for the names in ``renew``, of which the newest is taken.
    """
    provider = _Provider(offers, installed, renew)
    resolver: Resolver[Need, Release, str] = Resolver(provider, BaseReporter())
    try:
        result = resolver.resolve(list(needs), max_rounds=10_000)
    except ResolutionImpossible as error:
        raise provider.explain([(cause.requirement, cause.parent) for cause in error.causes]) from None
    except ResolutionTooDeep:
        raise UserError("no set of versions was found in reasonable time", remedy="name versions: NAME==1.2.3") from None
    chosen = dict(result.mapping)
    order, stuck = in_order({name: [need.name for need in needs_of(one)] for name, one in chosen.items()})
    if stuck:
        raise UserError(f"these plugins depend on each other in a circle: {', '.join(stuck)}", code="plugin-cycle")
    return {name: chosen[name] for name in order}


def needs_of(release: Release) -> list[Need]:
    """What a release depends on."""
    needs = []
    for text in release.manifest.get("depends_on", ()):
        try:
            wanted = requirement(text)
        except ValueError as error:
            raise UserError(f"{release.full_name} {release.version} cannot be used: depends_on: {error}") from None
        by = f"{release.full_name} {release.version}"
        needs.append(Need(wanted.name, SpecifierSet(wanted.range), wanted.publisher, by))
    return needs


class _Provider(AbstractProvider[Need, Release, str]):
    def __init__(self, offers: Offers, installed: Mapping[str, Release], renew: frozenset[str]) -> None:
        self._offers = offers
        self._installed = installed
        self._renew = renew
        self._known: dict[str, list[Release]] = {}

    def identify(self, requirement_or_candidate: Need | Release) -> str:
        return requirement_or_candidate.name

    def get_preference(self, identifier: str, *args: Any, **kwargs: Any) -> str:
        return identifier

    def find_matches(
        self, identifier: str, requirements: Mapping[str, Iterator[Need]], incompatibilities: Mapping[str, Iterator[Release]]
    ) -> Callable[[], Iterator[Release]]:
        needs, refused = list(requirements[identifier]), list(incompatibilities[identifier])

        def fits(one: Release) -> bool:
            return one not in refused and all(_fits(one, need) for need in needs)

        def candidates() -> Iterator[Release]:
            kept = self._installed.get(identifier)
            if kept is not None and identifier not in self._renew and fits(kept):
                yield kept  # no source is asked about what may stay
            fitting = [one for one in self._all(identifier) if fits(one)]
            self._check_publishers(identifier, fitting, needs)
            yield from sorted(fitting, key=lambda one: (Version(one.version), one == kept), reverse=True)

        return candidates

    def is_satisfied_by(self, requirement: Need, candidate: Release) -> bool:
        return _fits(candidate, requirement)

    def get_dependencies(self, candidate: Release) -> list[Need]:
        return needs_of(candidate)

    def _all(self, name: str) -> list[Release]:
        if name not in self._known:
            kept = self._installed.get(name)
            self._known[name] = [*self._offers(name), *([kept] if kept else [])]
        return self._known[name]

    def _check_publishers(self, name: str, fitting: list[Release], needs: list[Need]) -> None:
        """A short name stands for one publisher: the one that is installed, ours, or the only one there is."""
        publishers = {one.publisher for one in fitting}
        if len(publishers) < 2:
            return
        kept = self._installed.get(name)
        chosen = kept.publisher if kept else OURS
        if chosen not in publishers:
            names = " or ".join(sorted(f"{publisher}/{name}" for publisher in publishers))
            raise UserError(f"{name} is ambiguous", remedy=f"write {names}", code="plugin-ambiguous", exit_code=2)
        fitting[:] = [one for one in fitting if one.publisher == chosen]

    def explain(self, causes: list[tuple[Need, Release | None]]) -> UserError:
        """Why no set of versions will do, naming who wants what."""
        from difflib import get_close_matches

        name = causes[0][0].name
        there = self._all(name)
        wants = list(
            dict.fromkeys(f"{need.wanted_by or 'you'} {'needs' if need.wanted_by else 'asked for'} {need}" for need, _ in causes)
        )
        if not there:
            near = get_close_matches(name, self._installed, n=1)
            remedy = f"did you mean {near[0]}?" if near else "nself plugin search WORD looks through the catalogue"
            if Path(name).is_dir() and not causes[0][0].wanted_by:
                remedy = f"for the folder of that name here: nself plugin install ./{name}"
            by = f", which {causes[0][0].wanted_by} needs" if causes[0][0].wanted_by else ""
            return UserError(f"there is no plugin {name!r} in any registry{by}", remedy=remedy, code="plugin-unknown")
        reasons = list(dict.fromkeys(filter(None, (why_not(one, [need for need, _ in causes]) for one in there))))
        message = f"no version of {name} will do: {'; '.join(wants)} ({'; '.join(reasons[:4])})"
        return UserError(message, remedy=f"nself plugin info {name}", code="plugin-conflict")


def _fits(one: Release, need: Need) -> bool:
    if need.publisher and one.publisher != need.publisher:
        return False
    return need.name == one.name and not why_not(one, [need])


def why_not(one: Release, needs: Sequence[Need]) -> str:
    """Why a release does not meet the needs, empty where it does."""
    named = f"{one.full_name} {one.version}"
    if one.revoked:
        return f"{named} was revoked: {one.revoked}"
    if reason := unfit(one.manifest):
        return f"{named}: {reason}"
    exact = any("===" in str(need.range) or str(need.range).startswith("==") for need in needs)
    if one.yanked and not exact:
        return f"{named} was withdrawn by its publisher"
    for need in needs:
        prereleases = True if exact or one.registry in DIRECT else None
        if not need.range.contains(one.version, prereleases=prereleases):
            return f"{named} is outside {need.range}"
    return ""
