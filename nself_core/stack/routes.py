"""Routes: each public address once, each leading somewhere."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from hookspecs.models.findings import Finding, Level
from hookspecs.models.routes import HostTarget, Route, ServiceTarget
from hookspecs.models.service import Service


def host_ports(routes: Sequence[Route]) -> dict[int, str]:
    """Ports of this machine that belong to the user's own programs (dev servers), with the route's name."""
    return {route.target.port: route.name for route in routes if isinstance(route.target, HostTarget)}


def validate(
    routes: Sequence[Route], services: Mapping[str, Service], absent: Collection[str], found: list[Finding]
) -> list[Route]:
    """The routes sorted by host and path, without those to services that cannot run here; clashes are reported."""
    seen: dict[tuple[str, str], Route] = {}
    names: dict[str, Route] = {}
    kept: list[Route] = []
    for route in sorted(routes, key=lambda r: (r.host, r.path, r.name)):
        address = (route.host.lower(), route.path.rstrip("/") or "/")
        twin = seen.get(address) or names.get(route.name)
        if twin is not None:
            what = f"https://{route.host}{route.path}" if address in seen else f"the route name {route.name!r}"
            found.append(
                Finding(
                    level=Level.ERROR,
                    message=f"{what} is claimed by both {twin.name} and {route.name}",
                    where=route.name,
                    remedy="give one of the two another route",
                    code="route-twice",
                )
            )
            continue
        seen[address] = names[route.name] = route
        target = route.target
        if isinstance(target, ServiceTarget) and (
            not _leads_somewhere(route, target, services, found) or target.service in absent
        ):
            continue
        kept.append(route)
    return kept


def _leads_somewhere(route: Route, target: ServiceTarget, services: Mapping[str, Service], found: list[Finding]) -> bool:
    service = services.get(target.service)
    if service is not None and any(target.port in {port.name, str(port.container)} for port in service.ports):
        return True
    what = f"port {target.port!r} of {target.service}" if service else f"service {target.service!r}"
    found.append(
        Finding(
            level=Level.ERROR,
            message=f"the route {route.name} leads to {what}, which does not exist",
            where=route.name,
            remedy="mend the plugin that contributes it",
            code="route-nowhere",
        )
    )
    return False
