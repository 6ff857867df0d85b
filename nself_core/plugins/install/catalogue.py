"""What can be installed here: every configured source together, and what the user named outright."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

from hookspecs.errors import UserError
from nself_core.plugins.revocations import Revocations
from nself_core.plugins.sources.model import Progress, Release, Source

#: Error codes of a source that cannot be asked just now; what it was remembered to revoke still holds. Whoever can make one
#: look old or slow can also cut it off, so these say no more than that it is not reached: nothing of it is used.
AWAY = frozenset({"registry-unreachable", "registry-expired", "registry-slow"})


class Catalogue:
    """The sources of a home. One that cannot be asked now is passed over and told; one that says something false is an error."""

    def __init__(self, home: Path, sources: Sequence[Source] | None = None) -> None:
        self._revocations = Revocations(home)
        self._home = home
        self._given = sources
        self._outright: dict[str, Source] = {}
        self._known: dict[str, list[Release]] = {}
        self._faults: dict[str, UserError] = {}

    @cached_property
    def _sources(self) -> dict[str, Source]:
        """By name, opened when first asked: a wheel or folder needs none of them."""
        from nself_core.plugins.sources.registries import sources as configured

        found = configured(self._home) if self._given is None else self._given
        return {source.name: source for source in found}

    def name_outright(self, source: Source) -> None:
        """Let a source that the user named decide alone about its plugins."""
        for release in source.catalogue():
            self._outright[release.name] = source
            self._known[release.name] = [release]

    def releases(self, name: str) -> list[Release]:
        """Every release of a name. What was revoked ever counts as revoked."""
        if name not in self._known:
            self._known[name] = [self._marked(one) for source in self._reachable() for one in self._ask(source, name)]
        return self._known[name]

    def all(self) -> list[Release]:
        """The newest release of each plugin, each full name once, sorted."""
        from packaging.version import Version

        found: dict[str, Release] = {}
        for source in self._reachable():
            for one in map(self._marked, self._ask(source, None)):
                other = found.get(one.full_name)
                if not one.revoked and (other is None or Version(one.version) > Version(other.version)):
                    found[one.full_name] = one
        return [found[name] for name in sorted(found, key=lambda full: (full.rpartition("/")[2], full))]

    @property
    def away(self) -> dict[str, str]:
        """Sources that could not be asked, with the reason."""
        return {name: fault.message for name, fault in self._faults.items()}

    @contextmanager
    def complete(self) -> Iterator[None]:
        """What is not found within is told with the registry that could not be asked: it may be there."""
        try:
            yield
        except UserError as error:
            if error.code not in {"plugin-unknown", "plugin-conflict"} or not self._faults:
                raise
            fault = next(iter(self._faults.values()))
            message = f"{error.message}; not asked: {'; '.join(self.away.values())}"
            raise UserError(message, where=fault.where, remedy=fault.remedy, code=fault.code) from None

    def outright(self, name: str) -> bool:
        """Whether the user named a source for this very plugin."""
        return name in self._outright

    def download(self, release: Release, into: Path, progress: Progress) -> Path:
        """The wheel of a release, verified by its source."""
        source = self._outright.get(release.name) or self._sources[release.registry]
        return source.download(release, into, progress)

    def _reachable(self) -> list[Source]:
        return [source for source in self._sources.values() if source.name not in self._faults]

    def _ask(self, source: Source, name: str | None) -> list[Release]:
        try:
            found = source.catalogue() if name is None else source.releases(name)
        except UserError as error:
            if error.code not in AWAY:
                raise
            self._faults[source.name] = error
            return []
        self._revocations.remember(found)
        return found

    def _marked(self, one: Release) -> Release:
        from dataclasses import replace

        reason = one.revoked or self._revocations.reason(one.full_name, one.version)
        return replace(one, revoked=reason) if reason else one
