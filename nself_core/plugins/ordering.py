"""The one order of plugins: what a plugin depends on before it, then by name. Installation order plays no part."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from heapq import heapify, heappop, heappush


def in_order(depends_on: Mapping[str, Iterable[str]]) -> tuple[list[str], list[str]]:
    """Sort plugin names by what they depend on, then by name.

    Returns the order and the names that no order exists for: those on a cycle, and those that depend on one. Names
    that are not keys are ignored.
    """
    needs = {name: {other for other in others if other in depends_on} for name, others in depends_on.items()}
    wanted_by: dict[str, list[str]] = {name: [] for name in needs}
    for name, others in needs.items():
        for other in others:
            wanted_by[other].append(name)
    ready = [name for name, others in needs.items() if not others]
    heapify(ready)
    order: list[str] = []
    while ready:
        name = heappop(ready)
        order.append(name)
        for user in wanted_by[name]:
            needs[user].discard(name)
            if not needs[user]:
                heappush(ready, user)
    return order, sorted(needs.keys() - set(order))
