"""Which installed plugins have a newer version in the catalogue."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from packaging.version import Version

from nself_core.plugins.install.catalogue import Catalogue
from nself_core.plugins.install.plan import installed
from nself_core.plugins.install.resolve import why_not
from nself_core.plugins.install.store import Store
from nself_core.plugins.pins import pinned


class Outdated(NamedTuple):
    """One installed plugin that should be looked at."""

    name: str
    installed: str
    newest: str
    """Empty where there is no newer one that could be used."""
    pinned: bool
    revoked: str
    """Why the installed version was revoked."""


def outdated(home: Path, catalogue: Catalogue) -> list[Outdated]:
    """By name. Only what came from a registry is looked at: a wheel or folder has nowhere to be newer."""
    held = pinned(home)
    found = []
    for name, one in sorted(installed(home, Store(home)).items()):
        if one.registry in {"folder", "wheel", "pip", "pypi"}:
            continue
        theirs = [other for other in catalogue.releases(name) if other.publisher == one.publisher]
        usable = [other for other in theirs if not why_not(other, []) and not Version(other.version).is_prerelease]
        newest = max(usable, key=lambda other: Version(other.version), default=None)
        revoked = next((other.revoked for other in theirs if other.version == one.version), "")
        newer = newest is not None and (Version(newest.version) > Version(one.version) or bool(revoked))
        if newer or revoked:
            found.append(Outdated(name, one.version, newest.version if newest and newer else "", name in held, revoked))
    return found
