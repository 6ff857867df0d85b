"""What runs, by one question to this machine's own engine: for ``nself status`` at a glance, before anything else is imported.

It answers only where all is plain: a local engine, containers that run or were stopped. Whatever needs an explanation (a crash, a
failing check, another address of the engine) it leaves to the runtime itself, by returning ``None``.
"""

from __future__ import annotations

import json
import os
import re
import socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_USUAL = "unix:///var/run/docker.sock"
_UP = re.compile(r"Up (?:Less than )?(?:About )?(an?|\d+) (second|minute|hour|day|week|month|year)")
#: The engine's words for how long → a unit of ours and how many of it they are.
_UNITS = {"second": ("s", 1), "minute": ("m", 1), "hour": ("h", 1), "day": ("d", 1), "week": ("d", 7), "month": ("d", 30),
          "year": ("d", 365)}  # fmt: skip
#: Exit codes of a container that was stopped: by itself, by the kill, by the stop signal.
_STOPPED = {"0", "137", "143"}


def look(project: str, services: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, ...]] | None:
    """Rows of service, category, state, health, time up and ports, in the order given.

    ``services``: by name, with ``category``, and ``outside`` (port, path) where nself itself must ask for the health.
    """
    host = os.environ.get("DOCKER_HOST") or _USUAL
    if not host.startswith("unix://") or os.environ.get("DOCKER_CONTEXT") or (host == _USUAL and _has_context()):
        return None
    label = f"nself.project={project}"
    filters = json.dumps({"label": [label]}).replace(" ", "").replace('"', "%22").replace("{", "%7B").replace("}", "%7D")
    body = _get(host.removeprefix("unix://"), f"/containers/json?all=1&filters={filters}", "docker")
    if body is None:
        return None
    by_service: dict[str, list[dict[str, Any]]] = {}
    for container in json.loads(body):
        by_service.setdefault(container["Labels"].get("nself.service", ""), []).append(container)
    rows: list[tuple[str, ...]] = []
    for name, service in services.items():
        found = sorted(by_service.get(name, ()), key=_number)
        for container in found:
            row = _row(name, service, container)
            if row is None:
                return None
            rows.append(row)
        if not found:
            rows.append((name, service["category"], "stopped", "-", "-", "-"))
    return rows


def _row(name: str, service: Mapping[str, Any], container: dict[str, Any]) -> tuple[str, ...] | None:
    number, status = _number(container), str(container["Status"])
    shown = name if number == 1 else f"{name} #{number}"
    if container["State"] == "exited":
        code = status.partition("(")[2].partition(")")[0]
        one_shot = container["Labels"].get("nself.one-shot") == "true"
        if code not in _STOPPED or (one_shot and code != "0"):
            return None
        return (shown, service["category"], "completed" if one_shot else "stopped", "-", "-", "-")
    up = _UP.match(status)
    if container["State"] != "running" or up is None or "(unhealthy)" in status:
        return None
    state, health = "running", "healthy" if "(healthy)" in status else "-"
    if "health: starting" in status:
        state, health = "starting", "starting"
    if service.get("outside") and not _asked(service["outside"], container):
        return None
    if service.get("outside"):
        health = "healthy"
    unit, times = _UNITS[up[2]]
    count = int(up[1]) if up[1].isdigit() else 0 if "Less than" in status else 1
    return (shown, service["category"], state, health, f"{count * times}{unit}", _ports(container))


def _ports(container: dict[str, Any]) -> str:
    """In the order of the engine's own text of a port (``443/tcp`` before ``80/tcp``), as the long way has it."""
    published = [p for p in container["Ports"] if "IP" in p]
    published.sort(key=lambda p: f"{p['PrivatePort']}/{p['Type']}")
    return " ".join(f"{p['IP']}:{p['PublicPort']}->{p['PrivatePort']}" for p in published) or "-"


def _number(container: dict[str, Any]) -> int:
    return int(container["Labels"].get("com.docker.compose.container-number", "1"))


def _asked(outside: Mapping[str, Any], container: dict[str, Any]) -> bool:
    """Whether a service whose image cannot tell its own health answers."""
    for network in container["NetworkSettings"]["Networks"].values():
        if network.get("IPAddress"):
            return _get((network["IPAddress"], outside["port"]), outside["path"], "localhost") is not None
    return False


def _get(address: Any, path: str | None, host: str) -> bytes | None:
    """The body of an HTTP answer below 400, ``None`` else; without a path, whether a connection is accepted."""
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as connection:
            connection.settimeout(5)
            connection.connect(address)
            if path is None:
                return b""
            connection.sendall(f"GET {path} HTTP/1.0\r\nHost: {host}\r\n\r\n".encode())
            answer = b"".join(iter(lambda: connection.recv(1 << 16), b""))
    except OSError:
        return None
    head, _, body = answer.partition(b"\r\n\r\n")
    return body if head[9:10] in (b"2", b"3") else None


def _has_context() -> bool:
    folder = os.environ.get("DOCKER_CONFIG") or os.path.expanduser("~/.docker")
    try:
        with open(f"{folder}/config.json", encoding="utf-8") as file:
            return json.load(file).get("currentContext") not in {None, "", "default"}
    except FileNotFoundError:
        return False
    except (OSError, ValueError, AttributeError):
        return True
