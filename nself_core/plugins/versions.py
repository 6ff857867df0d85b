"""Whether a plugin and this nself, or two plugins, fit each other by version."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from nself_core import __version__

_NAME = re.compile(r"(?:[a-z0-9.-]+/)?([a-z0-9-]+)")


def unfit(manifest: Mapping[str, Any]) -> str:
    """Why this version of nself will not do for a plugin, empty where it does."""
    least, below = manifest.get("min_nself", ""), manifest.get("max_nself", "")
    for field, wanted in (("min_nself", least), ("max_nself", below)):
        if wanted and not re.fullmatch(r"\d+(\.\d+)*", wanted):
            return f"{field} {wanted!r} is not of the form 1.2.3"
    if least and _numbers(least) > _numbers(__version__):
        return f"it needs nself {least} and this is {__version__}"
    if below and _numbers(below) <= _numbers(__version__):
        return f"it works with nself before {below} and this is {__version__}"
    return ""


def names_of(depends_on: tuple[str, ...]) -> tuple[str, ...]:
    """The names in ``depends_on``, without publishers and version ranges."""
    found = (_NAME.match(text) for text in depends_on)
    return tuple(match[1] for match in found if match)


def outside(text: str, version: str) -> bool:
    """Whether a version lies outside the range of one entry of ``depends_on``."""
    wanted = _NAME.sub("", text, count=1).strip()
    if not wanted:
        return False
    from packaging.specifiers import SpecifierSet

    return not SpecifierSet(wanted).contains(version, prereleases=True)


def _numbers(version: str) -> list[int]:
    numbers = [int(part) for part in re.findall(r"\d+", version)[:3]]
    return numbers + [0] * (3 - len(numbers))
