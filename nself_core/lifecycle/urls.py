"""Where everything is reached: routes through the public face, links of services, ports on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from hookspecs.models.routes import Route
    from hookspecs.models.service import Service
    from hookspecs.models.stack import Stack


class Url(NamedTuple):
    kind: str
    """``route``, ``link``, ``frontend``, ``external`` or ``port``."""
    label: str
    url: str
    service: str = ""


_KINDS = {"service": "route", "host": "frontend", "files": "frontend", "external": "external"}


def urls(stack: Stack, *, dev: bool) -> list[Url]:
    """What a person can open or connect to, in the order routes, links, ports. Services that cannot run here are left out."""
    found = [_of_route(stack, route) for route in stack.routes if not _dead(stack, route)]
    for service in stack.services:
        if stack.why_unavailable(service.name):
            continue
        found += _links(stack, service, dev=dev)
        found += _ports(stack, service)
    kinds = ["route", "frontend", "external", "link", "port"]
    unique: dict[tuple[str, str], Url] = {}
    for url in found:
        unique.setdefault((url.url, url.label), url)
    return sorted(unique.values(), key=lambda u: (kinds.index(u.kind), u.label, u.url))


def has_edge(stack: Stack) -> bool:
    """Whether a public face runs here, without which the routes lead nowhere."""
    return any(port.edge for s in stack.services if not stack.why_unavailable(s.name) for port in s.ports)


def _dead(stack: Stack, route: Route) -> bool:
    target = route.target
    if target.kind == "external":
        return False
    return not has_edge(stack) or (target.kind == "service" and bool(stack.why_unavailable(target.service)))


def _of_route(stack: Stack, route: Route) -> Url:
    service = route.target.service if route.target.kind == "service" else ""
    return Url(_KINDS[route.target.kind], route.label or route.name, stack.public_url(route), service)


def _links(stack: Stack, service: Service, *, dev: bool) -> list[Url]:
    made = []
    for link in service.links:
        if link.dev_only and not dev:
            continue
        base = _base(stack, service, link.port)
        if base:
            made.append(Url("link", link.label, base + link.path, service.name))
    return made


def _base(stack: Stack, service: Service, port: str) -> str | None:
    """The service's route to that port, else the port on this machine."""
    if has_edge(stack):
        for route in stack.routes_of(service.name):
            if route.target.kind == "service" and str(route.target.port) == port:
                return stack.public_url(route)
    number = stack.ports.get(service.name, port)
    return f"http://127.0.0.1{_suffix('http', number)}" if number else None


def _ports(stack: Stack, service: Service) -> list[Url]:
    made = []
    for port in service.ports:
        if port.host is None and service.replicas == 1:
            continue  # the service's own business: nobody asked for it to be reached from outside
        for instance in range(1, service.replicas + 1):
            number = stack.ports.get(service.name, port.name, instance)
            if number is None:
                continue
            scheme = "https" if port.edge and port.name == "https" else "http" if port.protocol in {"http", "grpc"} else "tcp"
            host = "127.0.0.1" if port.bind in {"127.0.0.1", "0.0.0.0"} else port.bind  # noqa: S104  compared, not bound
            copy = f" #{instance}" if service.replicas > 1 else ""
            made.append(
                Url("port", f"{service.name}{copy} ({port.name})", f"{scheme}://{host}{_suffix(scheme, number)}", service.name)
            )
    return made


def _suffix(scheme: str, number: int) -> str:
    """The port as it stands in an address: nothing where the scheme means it anyway."""
    return "" if {"http": 80, "https": 443}.get(scheme) == number else f":{number}"
