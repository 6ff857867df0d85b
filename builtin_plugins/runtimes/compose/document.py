"""A Stack as a Compose document: the part of the specification that Compose v1.29 and v2 both take, without ``version``.

The whole file (v1 calls it the Compose specification since 1.27) is checked against both by a test. What differs between the
two is left out: ``name`` (v1 refuses it; the project's name is given by ``-p``, and network and volumes carry theirs), and
``deploy.replicas`` (v1 ignores it; ``scale`` is honoured by both, and the copies answer to one name in turn).
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from builtin_plugins.runtimes.compose import envfile, labels
from builtin_plugins.runtimes.compose.healthcheck import asks_inside, healthcheck
from hookspecs import HostTarget, Join, Mount, Project, Service, Stack, UserError, Value
from hookspecs.resolve import plain

_MEGABYTE = 1024 * 1024


def present(stack: Stack) -> list[Service]:
    """The services that this runtime runs, in start order."""
    return [service for service in stack.services if not stack.why_unavailable(service.name)]


def compose_file(project: Project, stack: Stack) -> dict[str, Any]:
    """The whole document, deterministic: services in start order, everything else sorted."""
    names = {m.source for s in present(stack) for m in s.mounts if m.kind == "volume"}
    volumes = {name: _volume(stack, name) for name in sorted(names)}
    document: dict[str, Any] = {
        "services": {service.name: service_entry(project, stack, service) for service in present(stack)},
        "networks": {"default": {"name": network_name(project, stack), "labels": {labels.PROJECT: stack.project}}},
    }
    if volumes:
        document["volumes"] = volumes
    return document


def network_name(project: Project, stack: Stack) -> str:
    return str(project.settings.get("DOCKER_NETWORK") or f"{stack.project}_network")


def volume_name(stack: Stack, volume: str) -> str:
    """A data volume's name in the engine, whatever the Compose project is called."""
    return f"{stack.project}_{volume}"


def _volume(stack: Stack, name: str) -> dict[str, Any]:
    return {"name": volume_name(stack, name), "labels": {labels.PROJECT: stack.project, labels.VOLUME: name}}


def image_name(stack: Stack, service: Service) -> str:
    """The image a service runs; one that is built is named alike under both generations of Compose."""
    return service.image.ref if service.image is not None else f"{stack.project}-{service.name}"


def service_entry(project: Project, stack: Stack, service: Service) -> dict[str, Any]:
    """One service. Keys stand in the order a person reads them."""
    entry: dict[str, Any] = {}
    if service.build is not None:
        entry["build"] = _build(service)
    if service.image is not None or service.build is not None:
        entry["image"] = image_name(stack, service)
    if service.entrypoint is not None:
        entry["entrypoint"] = _arguments(stack, service, service.entrypoint, "entrypoint")
    if service.command is not None:
        entry["command"] = _arguments(stack, service, service.command, "command")
    plain_values = envfile.plain_values(stack, service)
    if plain_values:
        entry["environment"] = plain_values
    if envfile.secret_lines(stack, service):
        entry["env_file"] = [f"./{envfile.path_of(service.name)}"]
    entry |= _wiring(project, stack, service)
    check = healthcheck(service)
    if check is not None:
        entry["healthcheck"] = check
    entry |= _running(project, service) | _hardening(service)
    digest = hashlib.sha256(json.dumps(entry, sort_keys=True).encode()).hexdigest()[:16]
    entry["labels"] = {
        labels.PROJECT: stack.project,
        labels.SERVICE: service.name,
        labels.ENVIRONMENT: stack.environment,
        labels.SPEC: digest,
    }
    if service.one_shot:
        entry["labels"][labels.ONE_SHOT] = "true"
    return entry


def _build(service: Service) -> dict[str, Any]:
    assert service.build is not None  # noqa: S101  the caller looked
    build = service.build
    made: dict[str, Any] = {"context": _relative(build.context), "dockerfile": build.dockerfile}
    if build.target:
        made["target"] = build.target
    if build.args:
        made["args"] = dict(sorted(build.args.items()))
    return made


def _arguments(stack: Stack, service: Service, values: tuple[Value, ...], field: str) -> list[str]:
    resolved = [plain(stack, service.name, value) for value in values]
    if any(isinstance(value, Join) for value in resolved):
        raise UserError(
            f"the {field} of {service.name} holds a secret, which every process list would show",
            where=service.name,
            remedy="the plugin must pass it as an environment variable",
            code="secret-in-command",
        )
    return [value for value in resolved if isinstance(value, str)]


def _wiring(project: Project, stack: Stack, service: Service) -> dict[str, Any]:
    made: dict[str, Any] = {}
    needs = _depends_on(stack, service)
    if needs:
        made["depends_on"] = needs
    published = [
        f"{port.bind}:{number}:{port.container}"
        for port in service.ports
        if (number := stack.ports.get(service.name, port.name)) is not None
    ]
    if published:
        made["ports"] = published
    mounts = [_mount(mount) for mount in service.mounts if mount.kind != "tmpfs"]
    if mounts:
        made["volumes"] = mounts
    tmpfs = [*service.security.tmpfs, *(mount.target for mount in service.mounts if mount.kind == "tmpfs")]
    if tmpfs:
        made["tmpfs"] = sorted(set(tmpfs))
    if service.aliases:
        made["networks"] = {"default": {"aliases": sorted(service.aliases)}}
    if any(port.edge for port in service.ports) and any(isinstance(route.target, HostTarget) for route in stack.routes):
        made["extra_hosts"] = ["host.docker.internal:host-gateway"]
    return made


def _depends_on(stack: Stack, service: Service) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for need in service.needs:
        other = stack.find(need.service) if need.service else stack.provider(need.capability or "")
        if other is None or other.name == service.name or stack.why_unavailable(other.name):
            continue
        made[other.name] = {"condition": _condition(other, need.condition)}
    return dict(sorted(made.items()))


def _condition(other: Service, wanted: str) -> str:
    if other.one_shot and wanted != "started":
        return "service_completed_successfully"
    if wanted == "healthy" and asks_inside(other):
        return "service_healthy"
    return "service_completed_successfully" if wanted == "completed" else "service_started"


def _mount(mount: Mount) -> Any:
    if mount.kind == "anonymous":
        return mount.target
    # The long form: a missing folder is then an error and not silently made by root, and a colon in a path does no harm.
    source = _relative(mount.source) if mount.kind == "bind" else mount.source
    made: dict[str, Any] = {"type": mount.kind, "source": source, "target": mount.target}
    return made | {"read_only": True} if mount.read_only else made


def _relative(path: str) -> str:
    return path if path.startswith(("/", "./")) else f"./{path}"


def _running(project: Project, service: Service) -> dict[str, Any]:
    settings = project.settings
    grace = settings.get("DOCKER_STOP_GRACE_PERIOD") or service.stop_grace
    made: dict[str, Any] = {"restart": "no" if service.one_shot else service.restart, "stop_grace_period": f"{grace}s"}
    if service.replicas > 1:
        made["scale"] = service.replicas
    limits = service.limits
    if limits.memory is not None:
        made["mem_limit"] = f"{limits.memory // _MEGABYTE}m" if limits.memory % _MEGABYTE == 0 else limits.memory
    if limits.cpus is not None:
        made["cpus"] = limits.cpus
    if limits.pids is not None:
        made["pids_limit"] = limits.pids
    made["logging"] = {
        "driver": "json-file",
        "options": {
            "max-size": str(settings.get("DOCKER_LOG_MAX_SIZE", "10m")),
            "max-file": str(settings.get("DOCKER_LOG_MAX_FILE", 3)),
        },
    }
    return made


def _hardening(service: Service) -> dict[str, Any]:
    security = service.security
    made: dict[str, Any] = {}
    if security.user is not None:
        made["user"] = security.user
    if security.cap_drop:
        made["cap_drop"] = sorted(security.cap_drop)
    if security.cap_add:
        made["cap_add"] = sorted(security.cap_add)
    if security.no_new_privileges:
        made["security_opt"] = ["no-new-privileges:true"]
    if security.read_only:
        made["read_only"] = True
    return made
