"""Which plan or bundle has a paid plugin, and at what price. The prices stand in ``offers.json``: data, not code."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any


@cache
def offers() -> Mapping[str, Any]:
    """Plans and bundles on offer."""
    loaded: Mapping[str, Any] = json.loads(Path(__file__).with_name("offers.json").read_bytes())
    return loaded


def plans() -> frozenset[str]:
    """The names a licence's plan may have."""
    return frozenset(plan["name"] for plan in offers()["plans"])


def bundles() -> Mapping[str, str]:
    """The bundles by name, with their titles."""
    return {bundle["name"]: bundle["title"] for bundle in offers()["bundles"]}


def covers_all(plan: str) -> bool:
    """Whether a plan holds every paid plugin."""
    return any(one["name"] == plan and one["covers"] == "all" for one in offers()["plans"])


def ways_to(names: Sequence[str]) -> list[str]:
    """What to buy for a plugin that is in these bundles, each with its price, the least first."""
    titles = bundles()
    told = []
    for plan in offers()["plans"]:
        if plan["covers"] == "all":
            told.append(f"{plan['title']}, {_price(plan)}")
        else:
            told += [f"the bundle {titles.get(name, name)}, {_price(plan)}" for name in names]
    return told


def _price(plan: Mapping[str, str]) -> str:
    if not plan["month"]:
        return "price on request"
    return f"{plan['month']} {offers()['currency']} a month or {plan['year']} a year"
