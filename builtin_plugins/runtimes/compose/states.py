"""From what the engine says about containers to the state of each service."""

from __future__ import annotations

import http.client
import socket
import time
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from builtin_plugins.runtimes.compose import labels
from builtin_plugins.runtimes.compose.document import present
from builtin_plugins.runtimes.compose.engine import REFUSED, Engine, instance_of, moment
from builtin_plugins.runtimes.compose.healthcheck import asks_inside
from hookspecs import HttpProbe, Service, ServiceState, Stack, TcpProbe, UserError

#: Restarts after which a container that does not stay up counts as failed.
LOOPING = 4
_SAMPLE = 0.1
"""Seconds between the two readings of the processor's clock."""


def states(
    stack: Stack, engine: Engine, *, usage: bool = False, probe: bool = False, only: Container[str] | None = None
) -> list[ServiceState]:
    """Every service, in the Stack's order, one entry for each copy. ``probe`` runs the health checks now.

    ``only``: the services whose containers are looked at; the others look stopped.
    """
    listed = [c for c in engine.containers() if only is None or c["Labels"].get(labels.SERVICE) in only]
    with ThreadPoolExecutor(8) as pool:
        full = {c["Id"]: d for c, d in zip(listed, pool.map(lambda c: engine.inspect(c["Id"]), listed), strict=True) if d}
        by_service: dict[str, list[ServiceState]] = {}
        makers = [(c, full[c["Id"]]) for c in listed if c["Id"] in full]

        def make(pair: tuple[dict[str, Any], dict[str, Any]]) -> ServiceState:
            service = stack.find(pair[0]["Labels"].get(labels.SERVICE, ""))
            return state_of(service, pair[0], pair[1], _prober(engine, service, pair[1], now=probe))

        for (container, _), state in zip(makers, pool.map(make, makers), strict=True):
            by_service.setdefault(container["Labels"].get(labels.SERVICE, ""), []).append(state)
        if usage:
            running = [s.id for found in by_service.values() for s in found if s.status in {"running", "starting"}]
            measured = _usage(engine, running, pool)
            by_service = {
                name: [s.model_copy(update=measured.get(s.id, {})) for s in found] for name, found in by_service.items()
            }
    result: list[ServiceState] = []
    for service in stack.services:
        why = stack.why_unavailable(service.name)
        if why:
            result.append(ServiceState(name=service.name, category=service.category, status="unavailable", reason=why))
        else:
            result += by_service.get(service.name) or [_absent(service)]
    return result


def _absent(service: Service) -> ServiceState:
    return ServiceState(
        name=service.name,
        category=service.category,
        status="stopped",
        image=service.image.ref if service.image else "",
    )


Probe = Callable[[], bool] | None


def state_of(service: Service | None, container: Mapping[str, Any], full: Mapping[str, Any], probe: Probe) -> ServiceState:
    """The state of one container. ``probe`` asks for its health where its own check does not tell."""
    state = full["State"]
    one_shot = container["Labels"].get(labels.ONE_SHOT) == "true"
    policy = str((full["HostConfig"].get("RestartPolicy") or {}).get("Name", ""))
    status, reason = _status(state, one_shot, int(full.get("RestartCount", 0)), policy)
    health = _health(state, status, probe)
    if status == "running" and health == "starting":
        status = "starting"
    if health == "unhealthy":
        reason = _last_check(state) or "its health check fails"
    return ServiceState(
        name=container["Labels"].get(labels.SERVICE, ""),
        category=service.category if service else "",
        status=status,  # type: ignore[arg-type]
        health=health,  # type: ignore[arg-type]
        reason=reason,
        instance=instance_of(dict(container)),
        id=str(full["Id"])[:12],
        image=str(full["Config"].get("Image", "")),
        ports=tuple(_ports(full)),
        started_at=moment(state.get("StartedAt", "")) if state.get("Running") else None,
        restarts=int(full.get("RestartCount", 0)),
    )


def _status(state: Mapping[str, Any], one_shot: bool, restarts: int, policy: str) -> tuple[str, str]:
    code = int(state.get("ExitCode", 0))
    match state.get("Status"):
        case "running":
            return "running", ""
        case "restarting":
            why = "the kernel ended it for want of memory" if state.get("OOMKilled") else f"it ends with exit code {code}"
            return ("failed" if restarts >= LOOPING else "starting"), f"{why}, restarted {restarts} times"
        case "created" | "paused":
            paused = "it was paused by hand; nself start starts it again" if state.get("Paused") else ""
            return "stopped", str(state.get("Error") or paused)
        case _:
            if one_shot and code == 0:
                return "completed", ""
            # The engine starts such a one again, whatever its exit code, unless somebody stopped it.
            stopped = policy in {"always", "unless-stopped"} and not state.get("Error")
            if stopped or (not one_shot and code in {0, 137, 143} and not state.get("OOMKilled")):
                return "stopped", ""
            why = "the kernel ended it for want of memory" if state.get("OOMKilled") else f"exit code {code}"
            return "failed", str(state.get("Error") or why)


def _health(state: Mapping[str, Any], status: str, probe: Probe) -> str:
    if status != "running":
        return "none"
    if probe is not None:
        return "healthy" if probe() else "unhealthy"
    return {"healthy": "healthy", "unhealthy": "unhealthy", "starting": "starting"}.get(
        str(state.get("Health", {}).get("Status", "none")), "none"
    )


def _last_check(state: Mapping[str, Any]) -> str:
    log = state.get("Health", {}).get("Log") or []
    lines = str(log[-1].get("Output", "")).strip().splitlines() if log else []
    if lines:
        return lines[-1][:200]
    return f"its health check ends with exit code {log[-1].get('ExitCode')} and says nothing" if log else ""


def _ports(full: Mapping[str, Any]) -> Iterable[str]:
    for inside, bindings in sorted((full["NetworkSettings"].get("Ports") or {}).items()):
        for binding in bindings or ():
            yield f"{binding['HostIp']}:{binding['HostPort']}->{inside.removesuffix('/tcp')}"


# -- probes that nself runs itself


def _prober(engine: Engine, service: Service | None, full: Mapping[str, Any], *, now: bool) -> Probe:
    if service is None or service.probe is None or full["State"].get("Status") != "running":
        return None
    if not asks_inside(service):
        return lambda: _ask_from_outside(engine, service, full)
    if not now:
        return None
    test = (full["Config"].get("Healthcheck") or {}).get("Test") or []
    if test[:1] != ["CMD"]:
        return None
    return lambda: _asks_itself(engine, str(full["Id"]), test[1:])


def _asks_itself(engine: Engine, container: str, test: Sequence[str]) -> bool:
    try:
        return engine.run_inside(container, test) == 0
    except UserError as error:
        if error.code != REFUSED:
            raise
        return False  # it ended, or went away, since the engine was asked for it


def _ask_from_outside(engine: Engine, service: Service, full: Mapping[str, Any]) -> bool:
    """Ask the published port, or on this machine's own engine the container's address."""
    probe = service.probe
    if not isinstance(probe, HttpProbe | TcpProbe):
        return False
    port = service.port(probe.port).container
    published = (full["NetworkSettings"].get("Ports") or {}).get(f"{port}/tcp") or []
    addresses = [("127.0.0.1", int(binding["HostPort"])) for binding in published[:1]]
    networks = full["NetworkSettings"].get("Networks") or {}
    addresses += [(str(n["IPAddress"]), port) for n in networks.values() if n.get("IPAddress") and engine.where.local]
    path = probe.path if isinstance(probe, HttpProbe) else None
    return any(_answers(host, number, path, probe.timeout) for host, number in addresses)


def _answers(host: str, port: int, path: str | None, timeout: float) -> bool:
    try:
        if path is None:
            with socket.create_connection((host, port), timeout=timeout):
                return True
        connection = http.client.HTTPConnection(host, port, timeout=timeout)
        try:
            connection.request("GET", path)
            return connection.getresponse().status < 400
        finally:
            connection.close()
    except (OSError, http.client.HTTPException):
        return False


# -- memory and processor


def _usage(engine: Engine, containers: list[str], pool: ThreadPoolExecutor) -> dict[str, dict[str, Any]]:
    """Memory in use (without the page cache) and processor use between two readings, by container."""

    def read(container: str) -> dict[str, Any]:
        found: dict[str, Any] = engine.ask("GET", f"/containers/{container}/stats", **{"stream": False, "one-shot": True})
        return found

    first = dict(zip(containers, pool.map(read, containers), strict=True))
    time.sleep(_SAMPLE)
    second = dict(zip(containers, pool.map(read, containers), strict=True))
    return {name: {"memory": _memory(second[name]), "cpu": _cpu(first[name], second[name])} for name in containers}


def _memory(stats: Mapping[str, Any]) -> int | None:
    memory = stats.get("memory_stats") or {}
    if "usage" not in memory:
        return None
    detail = memory.get("stats") or {}
    return max(0, int(memory["usage"]) - int(detail.get("inactive_file", detail.get("total_inactive_file", 0))))


def _cpu(first: Mapping[str, Any], second: Mapping[str, Any]) -> float | None:
    try:
        before, after = (s["cpu_stats"]["cpu_usage"]["total_usage"] for s in (first, second))
        whole_before, whole_after = (s["cpu_stats"]["system_cpu_usage"] for s in (first, second))
        cores = int(second["cpu_stats"].get("online_cpus") or 1)
    except (KeyError, TypeError):
        return None
    whole = whole_after - whole_before
    return round((after - before) / whole * cores * 100, 1) if whole > 0 else 0.0


def names(stack: Stack) -> list[str]:
    """The services this runtime runs."""
    return [service.name for service in present(stack)]
