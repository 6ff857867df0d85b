"""Whether this nself is new enough for a plugin."""

from __future__ import annotations

import re

from nself_core import __version__


def too_old(wanted: str) -> str:
    """Why this version will not do for ``min_nself``, empty where it does."""
    if not wanted:
        return ""
    if not re.fullmatch(r"\d+(\.\d+)*", wanted):
        return f"min_nself {wanted!r} is not of the form 1.2.3"
    return f"it needs nself {wanted} and this is {__version__}" if _numbers(wanted) > _numbers(__version__) else ""


def _numbers(version: str) -> list[int]:
    numbers = [int(part) for part in re.findall(r"\d+", version)[:3]]
    return numbers + [0] * (3 - len(numbers))
