"""The PortMap: one host port for each published port, clashes inside the project settled, the same way each time.

Whether the machine has a port free is not asked here: ``start`` and ``doctor`` do that and hand the answer back as
``known`` ports.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from hookspecs.models.findings import Finding, Level
from hookspecs.models.service import Port, Service
from hookspecs.models.stack import PortMap

#: Where ports without a wish begin (native services that publish nothing, second instances).
FIRST_FREE = 21000


def wanted(
    services: Sequence[Service], *, addressing: str, publish_all: bool, absent: Collection[str]
) -> Iterator[tuple[Service, Port, int]]:
    """Every port that gets a host port, with its instance.

    Containers publish what has a wish: in dev all of them, elsewhere only the edge; copies publish nothing, as they are
    reached through the edge. Local processes need a port for each port of each instance.
    """
    for service in services:
        if service.name in absent:
            continue
        for port in service.ports:
            if addressing == "loopback":
                for instance in range(1, service.replicas + 1):
                    yield service, port, instance
            elif port.host is not None and (port.edge or (publish_all and service.replicas == 1)):
                yield service, port, 1


def assign(
    services: Sequence[Service],
    *,
    addressing: str,
    publish_all: bool,
    reserved: Mapping[int, str],
    known: PortMap,
    absent: Collection[str],
    found: list[Finding],
) -> PortMap:
    """Give each its port: explicit ones first, then what is known, then wishes, then whatever is free."""
    entries = sorted(
        wanted(services, addressing=addressing, publish_all=publish_all, absent=absent),
        key=lambda e: (not e[1].explicit, e[0].name, e[1].name, e[2]),
    )
    taken: dict[int, str] = {number: f"the frontend route {name}" for number, name in reserved.items()}
    ports: dict[str, int] = {}
    later: list[tuple[Service, Port, int]] = []
    for service, port, instance in entries:
        key = PortMap.key(service.name, port.name, instance)
        if port.explicit and port.host is not None and instance == 1:
            _claim_explicit(key, service, port, taken, ports, found)
            continue
        remembered = known.ports.get(key)
        if remembered is not None and remembered not in taken:
            taken[remembered] = f"{service.name} ({port.name})"
            ports[key] = remembered
        else:
            later.append((service, port, instance))
    for service, port, instance in later:
        wish = port.host if instance == 1 and port.host is not None else FIRST_FREE
        number = _next_free(wish, taken)
        if port.host is not None and instance == 1 and number != wish:
            found.append(_moved(service, port, number, taken[wish]))
        taken[number] = f"{service.name} ({port.name})"
        ports[PortMap.key(service.name, port.name, instance)] = number
    return PortMap(ports=dict(sorted(ports.items())))


def _claim_explicit(
    key: str, service: Service, port: Port, taken: dict[int, str], ports: dict[str, int], found: list[Finding]
) -> None:
    number = port.host
    assert number is not None  # noqa: S101  the caller looked
    variable = port.variable or f"the {port.name} port of {service.name}"
    if number in taken:
        found.append(
            Finding(
                level=Level.ERROR,
                message=f"{variable} asks for port {number}, which {taken[number]} has already",
                where=service.name,
                variable=port.variable or "",
                remedy=f"give one of the two another port; {_next_free(number, taken)} is free in this project",
                code="port-twice",
            )
        )
        return
    taken[number] = f"{service.name} ({port.variable or port.name})"
    ports[key] = number


def _next_free(number: int, taken: Mapping[int, str]) -> int:
    while number in taken:
        number = number + 1 if number < 65535 else FIRST_FREE
    return number


def _moved(service: Service, port: Port, number: int, holder: str) -> Finding:
    return Finding(
        level=Level.NOTE,
        message=f"the {port.name} port of {service.name} is {number} on this machine, as {holder} has {port.host}",
        where=service.name,
        variable=port.variable or "",
        remedy=f"{port.variable} chooses another" if port.variable else "",
        code="port-moved",
    )
