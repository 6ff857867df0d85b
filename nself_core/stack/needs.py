"""Capabilities, needs and the order of start."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from graphlib import CycleError, TopologicalSorter

from hookspecs.models.findings import Finding, Level
from hookspecs.models.service import Need, Service

_RANK = {name: rank for rank, name in enumerate(("core", "optional", "custom", "plugin", "tool", "monitoring"))}


def providers(services: Sequence[Service], absent: Mapping[str, str], found: list[Finding]) -> dict[str, str]:
    """Capability → the service that provides it: of those that can run here, the highest priority."""
    offers: dict[str, list[tuple[bool, int, str]]] = {}
    for service in services:
        for capability, offer in service.provides.items():
            offers.setdefault(capability, []).append((service.name not in absent, offer.priority, service.name))
    chosen: dict[str, str] = {}
    for capability, candidates in sorted(offers.items()):
        best = max(candidates)[:2]
        names = sorted(name for *rank, name in candidates if tuple(rank) == best)
        chosen[capability] = names[0]
        if len(names) > 1:
            found.append(
                Finding(
                    level=Level.ERROR,
                    message=f"{' and '.join(names)} both provide {capability!r}",
                    where=names[0],
                    remedy="switch one of them off",
                    code="capability-twice",
                )
            )
    return chosen


def idle(services: Sequence[Service], absent: Mapping[str, str]) -> dict[str, str]:
    """``absent`` and, with their reason, the services that would have nothing to do: what they watch is missing or cannot run."""
    found = dict(absent)
    grown = True
    while grown:
        running = [s for s in services if s.name not in found]
        there = {name for s in running for name in (s.name, *s.aliases, *(f"capability {c}" for c in s.provides))}
        before = len(found)
        for service in running:
            for need in service.needs:
                if need.idle and (need.service or f"capability {need.capability}") not in there:
                    found[service.name] = need.idle
        grown = len(found) > before
    return found


def resolve(
    services: Sequence[Service],
    chosen: Mapping[str, str],
    absent: Mapping[str, str],
    offers: Mapping[str, str],
    found: list[Finding],
) -> list[Service]:
    """The services with every need turned into one upon a service that is there; the rest are dropped or reported.

    A need upon a service that cannot run on this runtime becomes soft, and is then absent.
    """
    names = {alias: s.name for s in services for alias in s.aliases} | {s.name: s.name for s in services}
    done = []
    for service in services:
        kept: dict[str, Need] = {}
        for need in service.needs:
            target = names.get(need.service or "") if need.service else chosen.get(need.capability or "")
            if target is None:
                if need.required and not need.idle:
                    found.append(_unmet(service, need, offers, names))
            elif target != service.name and target not in absent:
                kept[target] = Need(service=target, condition=need.condition, required=need.required)
        done.append(service.model_copy(update={"needs": tuple(kept[name] for name in sorted(kept))}))
    return done


def _unmet(service: Service, need: Need, offers: Mapping[str, str], names: Mapping[str, str]) -> Finding:
    if need.capability:
        how = offers.get(need.capability)
        remedy = f"set {how}" if how else f"install a plugin that provides {need.capability!r}, or switch {service.name} off"
        message = f"{service.name} needs {need.capability!r}, and nothing in this project provides it"
    else:
        remedy = f"it is one of {', '.join(sorted(set(names.values())))}"
        message = f"{service.name} needs the service {need.service!r}, which is not in this project"
    return Finding(level=Level.ERROR, message=message, where=_place(service), remedy=remedy, code="need-unmet")


def _place(service: Service) -> str:
    """Where a service's needs are written: the setting with its file and line, else the service."""
    return str(service.provenance.get("needs") or service.provenance.get("name") or service.name)


def order(services: Sequence[Service], found: list[Finding]) -> list[Service]:
    """The services in start order: what is needed first, then by category and name, whatever order they came in."""
    by_name = {s.name: s for s in services}
    sorter = TopologicalSorter({s.name: [n.service for n in s.needs if n.service] for s in services})
    try:
        sorter.prepare()
    except CycleError as error:
        circle = list(reversed(error.args[1]))
        found.append(
            Finding(
                level=Level.ERROR,
                message=f"services need each other in a circle: {' → '.join(circle)}",
                where=_place(by_name[circle[0]]),
                remedy="remove one of these needs",
                code="need-cycle",
            )
        )
        return sorted(services, key=lambda s: s.name)
    ordered: list[Service] = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready(), key=lambda name: (_RANK.get(by_name[name].category, 9), name))
        ordered += [by_name[name] for name in ready]
        sorter.done(*ready)
    return ordered
