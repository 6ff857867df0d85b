"""From routes to sites: one per host, each route a place in it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from hookspecs import Project, Route, Stack

from .includes import BURSTS, OWN_BURST
from .service import WWW

_COMMENT = re.compile(r"#[^\n]*")
_SERVER_NAME = re.compile(r"\bserver_name\s+([^;]+);")
#: How containers reach this machine.
_HOST_GATEWAY = "host.docker.internal"


class Place(NamedTuple):
    """One location of a site, as the template reads it. ``variable``: the upstream is looked up for each request."""

    path: str
    zone: str
    burst: int
    internal: bool
    websocket: bool
    max_body: str | None
    root: str = ""
    upstream: str = ""
    grpc: bool = False
    variable: bool = False


class Site(NamedTuple):
    """One server: its file's name, its host and its places, the longest path first."""

    name: str
    host: str
    places: tuple[Place, ...]


def own_hosts(root: Path) -> set[str]:
    """Server names that the user's ``nginx/conf.d`` claims."""
    found: set[str] = set()
    for path in sorted((root / "nginx" / "conf.d").glob("*.conf")):
        text = _COMMENT.sub("", path.read_text(encoding="utf-8", errors="replace"))
        for names in _SERVER_NAME.findall(text):
            found.update(name.lower() for name in names.split())
    return found


def served(stack: Stack, claimed: set[str]) -> list[Route]:
    """The routes the proxy serves: not what is elsewhere, and no host the user serves."""
    return [r for r in stack.routes if r.target.kind != "external" and r.host.lower() not in claimed]


def sites(project: Project, stack: Stack, routes: list[Route]) -> Iterator[Site]:
    """The sites, by host."""
    by_host: dict[str, list[Route]] = {}
    for route in routes:
        by_host.setdefault(route.host.lower(), []).append(route)
    for host, shared in sorted(by_host.items()):
        ordered = sorted(shared, key=lambda r: (-len(r.path), r.path))
        yield Site(ordered[-1].name, host, tuple(_place(project, stack, route) for route in ordered))


def own_zones(routes: list[Route]) -> dict[str, str]:
    """Zones of routes that have a limit of their own: zone → rate."""
    return {_zone(route): f"{route.rate_limit}r/m" for route in routes if route.rate_limit}


def upstream_groups(stack: Stack, routes: list[Route]) -> dict[str, list[str]]:
    """Upstreams whose addresses are known beforehand: programs of this machine, and natively every service."""
    groups: dict[str, list[str]] = {}
    names = stack.addressing == "names"
    for route in routes:
        if route.target.kind == "host":
            groups[f"host-{route.target.port}"] = [f"{_HOST_GATEWAY if names else '127.0.0.1'}:{route.target.port}"]
        elif route.target.kind == "service" and not names:
            name = f"{route.target.service}-{route.target.port}"
            groups[name] = [str(address) for address in stack.addresses(route.target.service, route.target.port)]
    return groups


def _zone(route: Route) -> str:
    if route.rate_limit:
        return "route_" + re.sub(r"[^a-z0-9]", "_", route.name.lower())
    return route.rate_zone if route.rate_zone in BURSTS else "general"


def _place(project: Project, stack: Stack, route: Route) -> Place:
    zone = _zone(route)
    base = Place(
        path=route.path,
        zone=zone,
        burst=BURSTS.get(zone, OWN_BURST),
        internal=route.internal,
        websocket=route.websocket,
        max_body=route.max_body,
    )
    target = route.target
    if target.kind == "files":
        folder = target.directory.strip("/")
        root = f"{WWW}/{folder}" if stack.addressing == "names" else str(project.root / folder)
        return base._replace(root=_quoted(root))
    if target.kind == "host":
        return base._replace(upstream=f"host-{target.port}")
    if target.kind == "service":
        service = stack.find(target.service)
        grpc = service is not None and service.port(target.port).protocol == "grpc"
        if stack.addressing == "names":
            return base._replace(upstream=str(stack.address(target.service, target.port)), variable=True, grpc=grpc)
        return base._replace(upstream=f"{target.service}-{target.port}", grpc=grpc)
    raise ValueError(f"{route.name} leads elsewhere")  # `served` leaves these out


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("$", "") + '"'
