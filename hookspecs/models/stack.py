"""The Stack: services, routes and volumes of one project in one environment, bound to one runtime."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Literal

from hookspecs.models.base import Model
from hookspecs.models.migrations import Migration
from hookspecs.models.routes import CertificateRequest, Route
from hookspecs.models.service import Service


class Address(Model):
    """Where a port is reached from inside the stack."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class PortMap(Model):
    """Host ports by ``service/port`` (``service/port#2`` for the second instance)."""

    ports: Mapping[str, int] = {}

    @staticmethod
    def key(service: str, port: str, instance: int = 1) -> str:
        return f"{service}/{port}" if instance == 1 else f"{service}/{port}#{instance}"

    def get(self, service: str, port: str, instance: int = 1) -> int | None:
        return self.ports.get(self.key(service, port, instance))


class Unavailable(Model):
    """A service of the project that cannot run on this runtime: a state of its own, not a fault."""

    service: str
    reason: str


class PluginMigration(Model):
    """A migration and the plugin it belongs to."""

    plugin: str
    migration: Migration


class Stack(Model):
    """Resolved, ordered, validated, immutable.

    ``services`` stand in start order. ``addressing``: ``names`` where services find each other by name and container port
    (Compose, Kubernetes), ``loopback`` where they are local processes on the PortMap's ports.
    """

    project: str
    environment: str
    runtime: str
    addressing: Literal["names", "loopback"]
    services: tuple[Service, ...]
    routes: tuple[Route, ...] = ()
    volumes: tuple[str, ...] = ()
    ports: PortMap = PortMap()
    unavailable: tuple[Unavailable, ...] = ()
    migrations: tuple[PluginMigration, ...] = ()
    """In the order they are applied once the database answers."""
    certificates: tuple[CertificateRequest, ...] = ()
    providers: Mapping[str, str] = {}
    """Capability → name of the service chosen to provide it."""

    @cached_property
    def _by_name(self) -> dict[str, Service]:
        names = {alias: service for service in self.services for alias in service.aliases}
        return names | {service.name: service for service in self.services}

    def find(self, name: str) -> Service | None:
        """The service of that name or alias."""
        return self._by_name.get(name)

    def provider(self, capability: str) -> Service | None:
        """The service that provides a capability and can run here."""
        name = self.providers.get(capability)
        return self._by_name.get(name) if name and not self.why_unavailable(name) else None

    def why_unavailable(self, service: str) -> str | None:
        """The reason why a service cannot run on this runtime, ``None`` where it can."""
        return next((u.reason for u in self.unavailable if u.service == service), None)

    def addresses(self, service: str, port: str = "http") -> list[Address]:
        """Where each instance of a service's port is reached from inside the stack."""
        spec = self._by_name[service]
        wanted = spec.port(port)
        if self.addressing == "names":
            return [Address(host=spec.name, port=wanted.container)]
        found = [self.ports.get(spec.name, wanted.name, number) for number in range(1, spec.replicas + 1)]
        return [Address(host="127.0.0.1", port=number) for number in found if number is not None]

    def address(self, service: str, port: str = "http") -> Address:
        """Where the first instance is reached; ``KeyError`` for an unknown service or port."""
        return self.addresses(service, port)[0]

    def public_port(self) -> int | None:
        """The host port of the stack's public face: HTTPS where it has it, else HTTP."""
        edges = [(port, self.ports.get(s.name, port.name)) for s in self.services for port in s.ports if port.edge]
        found = {port.name: number for port, number in edges if number is not None}
        return found.get("https", next(iter(found.values()), None))

    def public_url(self, route: Route) -> str:
        """The address a browser uses for a route, without a trailing slash: ``https://api.example.com``."""
        if route.target.kind == "external":
            return route.target.url.rstrip("/")
        secure = any(port.edge and port.name == "https" for service in self.services for port in service.ports)
        number = self.public_port()
        usual = 443 if secure else 80
        suffix = "" if number in {None, usual} else f":{number}"
        return f"{'https' if secure else 'http'}://{route.host}{suffix}{route.path.rstrip('/')}"

    def routes_of(self, service: str) -> list[Route]:
        """The routes that lead to a service."""
        return [r for r in self.routes if r.target.kind == "service" and r.target.service == service]
