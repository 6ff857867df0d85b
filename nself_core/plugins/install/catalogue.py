"""What can be installed here: every configured source together, and what the user named outright."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from hookspecs.errors import UserError
from nself_core.plugins.revocations import Revocations
from nself_core.plugins.sources.model import Progress, Release, Source

#: Error codes of a source that cannot be asked just now; what it was remembered to revoke still holds.
AWAY = frozenset({"registry-unreachable"})


class Catalogue:
    """The sources of a home. One that cannot be reached is passed over and told; one that cannot be trusted is an error."""

    def __init__(self, home: Path, sources: Sequence[Source] | None = None) -> None:
        self._revocations = Revocations(home)
        self._home = home
        self._given = sources
        self._outright: dict[str, Source] = {}
        self._known: dict[str, list[Release]] = {}
        self.away: dict[str, str] = {}
        """Sources that could not be reached, with the reason."""

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

    def outright(self, name: str) -> bool:
        """Whether the user named a source for this very plugin."""
        return name in self._outright

    def download(self, release: Release, into: Path, progress: Progress) -> Path:
        """The wheel of a release, verified by its source."""
        source = self._outright.get(release.name) or self._sources[release.registry]
        return source.download(release, into, progress)

    def _reachable(self) -> list[Source]:
        return [source for source in self._sources.values() if source.name not in self.away]

    def _ask(self, source: Source, name: str | None) -> list[Release]:
        try:
            found = source.catalogue() if name is None else source.releases(name)
        except UserError as error:
            if error.code not in AWAY:
                raise
            self.away[source.name] = error.message
            return []
        self._revocations.remember(found)
        return found

    def _marked(self, one: Release) -> Release:
        from dataclasses import replace

        reason = one.revoked or self._revocations.reason(one.full_name, one.version)
        return replace(one, revoked=reason) if reason else one
