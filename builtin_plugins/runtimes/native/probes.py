"""Asking a process on loopback whether it is healthy."""

from __future__ import annotations

import http.client
import socket
import subprocess
from typing import TYPE_CHECKING

from builtin_plugins.runtimes.native.instances import Instance

if TYPE_CHECKING:
    from hookspecs import HttpProbe, Stack


class Prober:
    """The probes of one Stack."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack

    def check(self, instance: Instance, *, quick: bool = False, env: dict[str, str] | None = None) -> str:
        """Why the instance is not healthy, empty where it is.

        ``quick`` asks for no more than whether the port accepts a connection, which takes less than a millisecond.
        """
        probe = instance.native.probe or instance.service.probe
        first = instance.service.ports[0].name if instance.service.ports else None
        if probe is None:
            return ""
        if probe.kind == "exec":
            refused = self._tcp(instance, first, probe.timeout) if first else ""
            if refused or quick or probe.native is None:
                return refused
            return self._exec(instance, [instance.text(value) or "" for value in probe.native], probe.timeout, env)
        if probe.kind == "http" and not quick:
            return self._http(instance, probe)
        return self._tcp(instance, probe.port, probe.timeout)

    def taken(self, instance: Instance) -> list[int]:
        """The instance's ports that answer before it was started: its probe would ask a stranger."""
        numbers = (self._port(instance, port.name) for port in instance.service.ports)
        return [number for number in numbers if number is not None and _answers(number)]

    def _port(self, instance: Instance, name: str) -> int | None:
        return self._stack.ports.get(instance.service.name, name, instance.number)

    def _tcp(self, instance: Instance, name: str, timeout: float) -> str:
        port = self._port(instance, name)
        if port is None:
            return f"it has no port {name}"
        try:
            with socket.create_connection(("127.0.0.1", port), timeout):
                return ""
        except OSError as error:
            return f"port {port}: {error.strerror or error}"

    def _http(self, instance: Instance, probe: HttpProbe) -> str:
        port = self._port(instance, probe.port)
        if port is None:
            return f"it has no port {probe.port}"
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=probe.timeout)
        try:
            connection.request("GET", probe.path, headers={"Connection": "close"})
            status = connection.getresponse().status
        except (OSError, http.client.HTTPException) as error:
            return f"port {port}: {getattr(error, 'strerror', None) or error or type(error).__name__}"
        finally:
            connection.close()
        return "" if status < 400 else f"GET {probe.path} on port {port} answers {status}"

    @staticmethod
    def _exec(instance: Instance, argv: list[str], timeout: float, env: dict[str, str] | None) -> str:
        user = instance.user
        try:
            done = subprocess.run(
                argv,
                env=env,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=timeout,
                cwd="/",
                user=user.uid if user else None,
                group=user.gid if user else None,
                extra_groups=[] if user else None,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return f"{argv[0].rpartition('/')[2]}: {error.strerror if isinstance(error, OSError) else 'no answer'}"
        if done.returncode == 0:
            return ""
        said = (done.stderr or done.stdout).decode(errors="replace").strip().splitlines()
        return said[-1] if said else f"{argv[0].rpartition('/')[2]} answers {done.returncode}"


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 0.2):
            return True
    except OSError:
        return False
