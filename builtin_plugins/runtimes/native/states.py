"""How every service stands, told within milliseconds."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from builtin_plugins.runtimes.native.instances import Instance, Spec
from builtin_plugins.runtimes.native.logs import cause
from builtin_plugins.runtimes.native.probes import Prober
from builtin_plugins.runtimes.native.processes import usage
from builtin_plugins.runtimes.native.rpc import ProcessState
from hookspecs import ServiceState

if TYPE_CHECKING:
    from hookspecs import Service, Stack
    from hookspecs.models.runtime import Health, Status

_STATUS: dict[str, Status] = {
    "STOPPED": "stopped",
    "STARTING": "running",
    "RUNNING": "running",
    "BACKOFF": "failed",
    "STOPPING": "running",
    "EXITED": "failed",
    "FATAL": "failed",
}


def tell(
    stack: Stack, instances: dict[str, list[Instance]], processes: dict[str, ProcessState], *, probe: bool
) -> list[ServiceState]:
    """One state for each instance, in start order. Without ``probe`` health is whether the port accepts connections."""
    prober = Prober(stack)
    alive = [i for group in instances.values() for i in group if (p := processes.get(i.name)) and p.alive]

    def check(instance: Instance) -> str:
        spec = Spec.read(instance.spec_path) if probe else None
        return prober.check(instance, quick=not probe, env=spec.env if spec else None)

    with ThreadPoolExecutor(max_workers=8) as pool:
        used = pool.submit(usage, [processes[i.name].pid for i in alive])
        reasons = dict(zip((i.name for i in alive), pool.map(check, alive), strict=True))
    found = []
    for service in stack.services:
        reason = stack.why_unavailable(service.name)
        if reason is not None:
            found.append(ServiceState(name=service.name, category=service.category, status="unavailable", reason=reason))
            continue
        for instance in instances[service.name]:
            process = processes.get(instance.name)
            state = _one(stack, instance, process, reasons.get(instance.name))
            part = used.result().get(process.pid) if process and process.alive else None
            found.append(state.model_copy(update={"memory": part.memory, "cpu": part.cpu}) if part else state)
    return found


def _one(stack: Stack, instance: Instance, process: ProcessState | None, unhealthy: str | None) -> ServiceState:
    service = instance.service
    status: Status = _STATUS.get(process.state, "stopped") if process else "stopped"
    health: Health = "none"
    reason = ""
    if (
        process
        and process.state == "EXITED"
        and process.exit_code == 0
        and (service.one_shot or service.restart != "unless-stopped")
    ):
        status = "completed"
    elif status == "failed" and process:
        reason = cause(instance.log_path, process.started) or process.error or f"exit code {process.exit_code}"
    elif process and process.alive and not service.one_shot:
        has_probe = instance.native.probe or service.probe
        reason = unhealthy or ""
        if unhealthy:
            fresh = has_probe and _age(process) < has_probe.start_period
            health = "starting" if fresh else "unhealthy"
            status = "starting" if fresh else "running"
        else:
            health = "healthy" if has_probe else "none"
    return ServiceState(
        name=service.name,
        category=service.category,
        status=status,
        health=health,
        reason=reason,
        instance=instance.number,
        id=str(process.pid) if process and process.alive else "",
        image=_runs(instance),
        ports=_ports(stack, service, instance.number),
        started_at=datetime.fromtimestamp(process.started, UTC) if process and process.alive and process.started else None,
        restarts=process.restarts if process else 0,
    )


def _age(process: ProcessState) -> float:
    return datetime.now(UTC).timestamp() - process.started


def _runs(instance: Instance) -> str:
    name = instance.native.programs[0].name if instance.native.programs else ""
    return f"{instance.native.stands_for} ({name})" if instance.native.stands_for else name


def _ports(stack: Stack, service: Service, number: int) -> tuple[str, ...]:
    found = [(stack.ports.get(service.name, port.name, number), port.container) for port in service.ports]
    return tuple(f"127.0.0.1:{host}->{container}" for host, container in found if host is not None)
