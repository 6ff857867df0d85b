"""What plugins require of other people's Python packages, installed once for all of them and never on the CLI's path.

``plugins/_shared/<abi>/<lock hash>/`` holds one set in which the requirements of every installed plugin agree, with nself's own
packages as constraints; ``current`` leads to the set in use. ``requirements.lock`` in it names every wheel by hash. A plugin
with ``own_environment`` gets ``plugins/_own/<name>/<abi>/<lock hash>/`` instead, an environment that shares nothing. pip does
the resolving and installing; it is one of nself's own dependencies, so it is there under pipx and uv too.
"""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Callable, Iterable
from pathlib import Path

from nself_core.plugins.sources.model import Release

LOCK = "requirements.lock"
CURRENT = "current"


def abi() -> str:
    """What compiled packages depend on: ``cpython-311-linux-x86_64``."""
    return f"{sys.implementation.cache_tag}-{sysconfig.get_platform()}"


def shared_path(home: Path) -> Path | None:
    """The folder to append to ``sys.path`` of what runs plugins; ``None`` where none of them requires anything."""
    place = home / "plugins" / "_shared" / abi() / CURRENT
    return place.resolve() if place.is_dir() else None


def own_environment(home: Path, name: str) -> Path | None:
    """The environment of a plugin with ``own_environment`` (``bin/python`` is in it); ``None`` where it is not installed."""
    place = home / "plugins" / "_own" / name / abi() / CURRENT
    return place.resolve() if place.is_dir() else None


def prepare(home: Path, releases: Iterable[Release], staging: Path, say: Callable[[str], None]) -> dict[str, str | None]:
    """Make ready what these plugins require; the links (path below ``plugins`` → folder) that make it count.

    ``UserError`` where requirements cannot be met together: it names the plugins and what they require.
    """
    from nself_core.plugins.install import packages

    wanted = sorted((one for one in releases if one.manifest.get("requires")), key=lambda one: one.name)
    shared = [one for one in wanted if not one.manifest.get("own_environment")]
    base = home / "plugins"
    links = {f"_shared/{abi()}/{CURRENT}": packages.shared_set(base / "_shared" / abi(), shared, staging, say)}
    for one in wanted:
        if one.manifest.get("own_environment"):
            place = base / "_own" / one.name / abi()
            links[f"_own/{one.name}/{abi()}/{CURRENT}"] = packages.environment(place, one, staging, say)
    return {link: folder for link, folder in links.items() if folder is not None or (base / link).is_symlink()}
