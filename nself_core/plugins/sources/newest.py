"""Which release of a plugin is the newest."""

from __future__ import annotations

from collections.abc import Iterable

from nself_core.plugins.sources.model import Release


def newest(releases: Iterable[Release]) -> list[Release]:
    """The newest release of each plugin, by name: neither yanked nor revoked, a pre-release only where there is no other."""
    from packaging.version import Version

    best: dict[tuple[str, str], tuple[tuple[bool, Version], Release]] = {}
    for release in releases:
        if release.yanked or release.revoked:
            continue
        version = Version(release.version)
        rank = (not version.is_prerelease, version)
        known = best.get((release.name, release.publisher))
        if known is None or rank > known[0]:
            best[release.name, release.publisher] = (rank, release)
    return [best[key][1] for key in sorted(best)]
