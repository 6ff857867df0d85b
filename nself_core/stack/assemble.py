"""From contributions to a Stack: one pure function, in the order the rooms beside this one are named."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from hookspecs.errors import UserError
from hookspecs.models.findings import Finding, Level
from hookspecs.models.project import Project
from hookspecs.models.routes import CertificateRequest, Route
from hookspecs.models.service import Service
from hookspecs.models.settings import Settings, SettingValue
from hookspecs.models.stack import PluginMigration, PortMap, Stack, Unavailable
from nself_core.stack import needs, ports, routes, scaling

Contribution = tuple[str, Service | Route | CertificateRequest]


@dataclass
class Assembly:
    """A Stack, what was found on the way (warnings and notes: errors are raised), and who contributed what."""

    stack: Stack
    findings: list[Finding] = field(default_factory=list)
    owners: dict[str, str] = field(default_factory=dict)
    """Service → plugin."""
    route_owners: dict[str, str] = field(default_factory=dict)
    """Route → plugin."""


def assemble(
    project: Project,
    contributions: Iterable[Contribution],
    *,
    addressing: Literal["names", "loopback"],
    known_ports: PortMap | None = None,
    generic: Mapping[str, SettingValue] | None = None,
    offers: Mapping[str, str] | None = None,
    missing: Callable[[Service], str] | None = None,
    migrations: Iterable[PluginMigration] = (),
) -> Assembly:
    """Resolve, order and validate what the plugins contributed; all faults are raised at once as one ``UserError``.

    ``known_ports`` are kept where nothing speaks against them. ``generic`` are settings of the form ``<SERVICE>_REPLICAS``.
    ``offers`` maps a capability to how to switch it on. ``missing`` says why a service cannot run on this machine.
    """
    found: list[Finding] = []
    owners: dict[str, str] = {}
    contributions = list(contributions)
    services, kept_routes, requests = _sort(contributions, owners, found)
    services = scaling.apply(services, generic or {}, found)
    absent = needs.idle(services, _unavailable(services, addressing, missing))
    providers = needs.providers(services, absent, found)
    services = needs.resolve(services, providers, absent, offers or {}, found)
    ordered = needs.order(services, found)
    valid_routes = routes.validate(kept_routes, {s.name: s for s in services}, set(absent), found)
    portmap = ports.assign(
        ordered,
        addressing=addressing,
        publish_all=project.environment.is_dev,
        reserved=routes.host_ports(kept_routes),
        known=known_ports or PortMap(),
        absent=set(absent),
        found=found,
    )
    found[:] = [_placed(finding, project.settings) for finding in found]
    raise_errors(found)
    hosts = tuple(dict.fromkeys(route.host for route in valid_routes))
    stack = Stack(
        project=project.name,
        environment=project.environment.name,
        runtime=project.runtime,
        addressing=addressing,
        services=tuple(ordered),
        routes=tuple(valid_routes),
        volumes=tuple(sorted({m.source for s in ordered for m in s.mounts if m.kind == "volume"})),
        ports=portmap,
        unavailable=tuple(Unavailable(service=name, reason=absent[name]) for name in sorted(absent)),
        migrations=tuple(migrations),
        certificates=tuple(r if r.hosts else r.model_copy(update={"hosts": hosts}) for r in requests),
        providers=providers,
    )
    route_owners = {item.name: plugin for plugin, item in contributions if isinstance(item, Route)}
    return Assembly(stack, found, owners, route_owners)


def raise_errors(found: list[Finding]) -> None:
    """Raise all errors among ``found`` as one ``UserError``."""
    errors = [f for f in found if f.level is Level.ERROR]
    if errors:
        word = "fault" if len(errors) == 1 else "faults"
        raise UserError(f"{len(errors)} {word} in this project", findings=errors, code=errors[0].code)


def _placed(finding: Finding, settings: Settings) -> Finding:
    """The finding with file and line for its place, where a file gives the variable it speaks of."""
    origin = settings.origin(finding.variable) if finding.variable else None
    return finding.model_copy(update={"where": str(origin)}) if origin is not None and origin.line else finding


def _sort(
    contributions: Iterable[Contribution], owners: dict[str, str], found: list[Finding]
) -> tuple[list[Service], list[Route], list[CertificateRequest]]:
    services: dict[str, Service] = {}
    kept: list[Route] = []
    requests: list[CertificateRequest] = []
    for plugin, item in contributions:
        if isinstance(item, Route):
            kept.append(item)
        elif isinstance(item, CertificateRequest):
            requests.append(item)
        elif item.name in services:
            found.append(
                Finding(
                    level=Level.ERROR,
                    message=f"the service {item.name} is contributed by both {owners[item.name]} and {plugin}",
                    where=item.name,
                    remedy=f"rename one of them, or nself plugin disable {plugin}",
                    code="service-twice",
                )
            )
        else:
            services[item.name] = item
            owners[item.name] = plugin
    return list(services.values()), kept, requests


def _unavailable(services: Iterable[Service], addressing: str, missing: Callable[[Service], str] | None) -> dict[str, str]:
    absent: dict[str, str] = {}
    for service in services:
        if addressing == "names":
            reason = "" if service.image or service.build else service.no_image or "it has neither an image nor a build"
        elif service.native is None:
            reason = service.no_native or "it has no native form"
        else:
            reason = missing(service) if missing else ""
        if reason:
            absent[service.name] = reason
    return absent
