"""Routes: a public host or path that leads to a service, or to something outside."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from hookspecs.models.base import Model, Name


class ServiceTarget(Model):
    kind: Literal["service"] = "service"
    service: Name
    port: str = "http"
    """The port's name, or its number in the container."""


class HostTarget(Model):
    """A program on the developer's own machine, such as a frontend's dev server."""

    kind: Literal["host"] = "host"
    port: int = Field(ge=1, le=65535)


class ExternalTarget(Model):
    """Something elsewhere (a CDN): named in ``nself urls``, proxied by nobody."""

    kind: Literal["external"] = "external"
    url: str


class FilesTarget(Model):
    """A folder of the project served as static files, with ``index.html`` for unknown paths."""

    kind: Literal["files"] = "files"
    directory: str


Target = Annotated[ServiceTarget | HostTarget | ExternalTarget | FilesTarget, Field(discriminator="kind")]


class Route(Model):
    """A public address. ``host`` is a full host name (see ``Project.host``); the longest ``path`` of a host wins."""

    name: str
    """Also the name of the generated site; unique."""
    host: str
    path: str = "/"
    target: Target
    websocket: bool = False
    rate_zone: str = "general"
    rate_limit: int | None = Field(default=None, ge=1)
    """Requests a minute from one client address, for this route alone; ``None``: what its zone allows."""
    max_body: str | None = None
    """Largest request body, an nginx size such as ``50m``."""
    internal: bool = False
    """Only from loopback and private networks (admin pages, metrics)."""
    label: str = ""
    """What ``nself urls`` calls it."""
    frontend: int | None = Field(default=None, ge=1)
    """Number of the frontend that answers there: a page of the project's own, which sign-in may lead back to."""


class CertificateRequest(Model):
    """A TLS certificate the plugin wants at ``.nself/certs/<name>/{fullchain,privkey}.pem``.

    ``hosts`` empty: every host that has a route. Yielded by ``contribute_services``; the core makes it from the
    machine's local authority before anything starts, and leaves a certificate alone that somebody else put there.
    """

    name: str
    hosts: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    """Hosts and addresses beside ``hosts``; a wildcard covers one label."""
