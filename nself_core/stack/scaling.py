"""Settings that every service has alike: ``<SERVICE>_REPLICAS``, ``_MEMORY_LIMIT``, ``_CPU_LIMIT`` and ``_IMAGE``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from hookspecs.models.findings import Finding, Level
from hookspecs.models.service import Image, Service
from hookspecs.models.settings import Origin, SettingValue

#: Smallest memory limit an engine accepts, in bytes (Docker: 6 MiB).
LEAST_MEMORY = 6 * 1024 * 1024
#: More copies than any machine runs: each is a host port, an address of the proxy and, natively, a process.
MOST_REPLICAS = 1000


def variable_prefix(service: str) -> str:
    """``node-exporter`` → ``NODE_EXPORTER``."""
    return service.upper().replace("-", "_")


def apply(services: Iterable[Service], generic: Mapping[str, SettingValue], found: list[Finding]) -> list[Service]:
    """The services with their replicas, limits and images as set."""
    return [_apply(service, generic, found) for service in services]


def _apply(service: Service, generic: Mapping[str, SettingValue], found: list[Finding]) -> Service:
    prefix = variable_prefix(service.name)
    changes: dict[str, Any] = {}
    origins: dict[str, Origin] = {}

    def take(suffix: str, field: str) -> Any:
        entry = generic.get(f"{prefix}_{suffix}")
        if entry is None or entry.value is None:
            return None
        origins[field] = Origin(source=f"{entry.name} ({entry.origin})")
        return entry.value

    replicas = take("REPLICAS", "replicas")
    if replicas is not None:
        _check_replicas(service, int(replicas), generic[f"{prefix}_REPLICAS"], found)
        changes["replicas"] = min(max(1, int(replicas)), MOST_REPLICAS)
    limits: dict[str, Any] = {}
    memory = take("MEMORY_LIMIT", "limits")
    if memory is not None:
        limits["memory"] = memory
    cpus = take("CPU_LIMIT", "limits")
    if cpus is not None:
        limits["cpus"] = cpus
    if limits:
        changes["limits"] = service.limits.model_copy(update=limits)
    image = take("IMAGE", "image")
    if image is not None:
        changes |= {"image": Image(ref=str(image)), "build": None}
    _check_limits(service, limits, generic, found)
    if not changes:
        return service
    return service.model_copy(update={**changes, "provenance": {**service.provenance, **origins}})


def _check_replicas(service: Service, wanted: int, entry: SettingValue, found: list[Finding]) -> None:
    where = str(entry.origin)
    if wanted < 1:
        _error(found, where, entry.name, f"{entry.name} must be at least 1", "to leave a service out, switch it off")
    elif wanted > MOST_REPLICAS:
        _error(found, where, entry.name, f"{entry.name}={wanted} is more than {MOST_REPLICAS}", "give fewer")
    elif wanted > 1 and not service.scalable:
        _error(found, where, entry.name, f"{service.name} cannot run more than once", f"remove {entry.name}")
    elif "replicas" in service.provenance and service.replicas != wanted:
        other = service.provenance["replicas"]
        _error(
            found, where, entry.name, f"{entry.name}={wanted} differs from {service.replicas} of {other}", "keep one of the two"
        )


def _check_limits(service: Service, limits: Mapping[str, Any], generic: Mapping[str, SettingValue], found: list[Finding]) -> None:
    prefix = variable_prefix(service.name)
    memory, cpus = limits.get("memory"), limits.get("cpus")
    if memory is not None and memory < LEAST_MEMORY:
        entry = generic[f"{prefix}_MEMORY_LIMIT"]
        _error(found, str(entry.origin), entry.name, f"{entry.name} is {memory} bytes", "give at least 6m")
    if cpus is not None and cpus <= 0:
        entry = generic[f"{prefix}_CPU_LIMIT"]
        _error(found, str(entry.origin), entry.name, f"{entry.name} must be above 0", "0.5 is half a core")


def _error(found: list[Finding], where: str, variable: str, message: str, remedy: str) -> None:
    found.append(Finding(level=Level.ERROR, message=message, where=where, variable=variable, remedy=remedy, code="scaling"))
