"""Settling host ports: the machine is asked whether each is free, and a taken one moves unless the user chose it."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hookspecs.models.findings import Finding, Level

if TYPE_CHECKING:
    from hookspecs.models.service import Port
    from hookspecs.models.stack import PortMap, Stack

LAST = 65535


@dataclass(frozen=True)
class Moved:
    """A port that was not free. ``holder`` names the process, where that can be told."""

    service: str
    port: str
    wished: int
    given: int
    holder: str = ""
    forbidden: bool = False
    """Whether nobody holds it, but this user may not bind it."""


@dataclass(frozen=True)
class Settled:
    ports: PortMap
    moved: tuple[Moved, ...]
    errors: tuple[Finding, ...]


def why_taken(number: int, bind: str = "127.0.0.1") -> str:
    """Why a TCP port cannot be bound there: ``taken``, ``forbidden``, or ``""`` where it can."""
    family = socket.AF_INET6 if ":" in bind else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # Servers set this too: a port whose last connections are still closing counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((bind, number))
            # Linux allows the bind while someone listens on 0.0.0.0 with the same option; listening then fails.
            probe.listen(1)
        except PermissionError:
            return "forbidden"
        except OSError as error:
            return "forbidden" if error.errno == errno.EACCES else "taken"
    return ""


def holder_of(number: int) -> str:
    """The process that listens on a port, as ``name (pid 12)``; empty where this user may not see it."""
    import psutil

    try:
        for connection in psutil.net_connections(kind="tcp"):
            if (
                connection.status == psutil.CONN_LISTEN
                and connection.laddr
                and connection.laddr.port == number
                and connection.pid
            ):
                return f"{psutil.Process(connection.pid).name()} (pid {connection.pid})"
    except (psutil.Error, OSError):
        return ""
    return ""


def settle(
    stack: Stack,
    *,
    own: Collection[int],
    containers: bool,
    check: Callable[[int, str], str] = why_taken,
    holder: Callable[[int], str] = holder_of,
) -> Settled:
    """The stack's PortMap with every port that this machine has not free moved to the next that is.

    ``own`` are ports that this project's own running services hold: they are not taken. ``containers`` says that a daemon
    with its own rights binds them, so that ports below 1024 are not forbidden.
    """
    from hookspecs.models.stack import PortMap

    ports = dict(stack.ports.ports)
    used = set(ports.values())
    moved: list[Moved] = []
    errors: list[Finding] = []
    for key, number in sorted(ports.items()):
        name, port = _port_of(stack, key)
        bind = port.bind if port else "127.0.0.1"
        if number in own:
            continue
        why = check(number, bind)
        if not why or (why == "forbidden" and containers):
            continue
        who = holder(number) if why == "taken" else ""
        if why == "taken" and port is not None and port.explicit and port.host == number:
            free = _next(number, bind, used, check)
            used.add(free)  # two errors do not suggest the same port
            errors.append(_error(name, port, number, who, free))
            continue
        start = port.fallback if number < 1024 and port is not None and port.fallback else number + 1
        given = _next(start - 1, bind, used, check)
        used.add(given)
        ports[key] = given
        moved.append(Moved(name, port.name if port else "", number, given, who, why == "forbidden"))
    return Settled(PortMap(ports=ports), tuple(moved), tuple(errors))


def _port_of(stack: Stack, key: str) -> tuple[str, Port | None]:
    name, _, rest = key.partition("/")
    service = stack.find(name)
    wanted = rest.partition("#")[0]
    return name, next((p for p in service.ports if p.name == wanted), None) if service else None


def _next(number: int, bind: str, used: Collection[int], check: Callable[[int, str], str]) -> int:
    candidate = max(number + 1, 1024)
    while candidate in used or check(candidate, bind):
        candidate = candidate + 1 if candidate < LAST else 1024
    return candidate


def _error(service: str, port: Port, number: int, who: str, free: int) -> Finding:
    variable = port.variable or ""
    name = variable or f"the {port.name} port of {service}"
    return Finding(
        level=Level.ERROR,
        message=f"{name} asks for port {number}, which {who or 'another program'} holds",
        where=service,
        variable=variable,
        remedy=f"{_end(who, number)}, or {_instead(variable, free)}; {free} is free",
        code="port-taken",
    )


def _end(who: str, number: int) -> str:
    """The Docker Engine's own program holds a port for a container, and is not what to end."""
    return f"stop that container (docker ps --filter publish={number})" if who.startswith("docker-proxy ") else "end that program"


def _instead(variable: str, free: int) -> str:
    if variable.endswith("PORT"):
        return f"set {variable}={free}"
    return f"give another port in {variable}" if variable else "choose another port"
