"""Speaking with the supervisor: XML-RPC over its socket file."""

from __future__ import annotations

import http.client
import socket
import xmlrpc.client
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: Fault numbers of the supervisor's XML-RPC interface (its manual, "XML-RPC API").
ALREADY_STARTED, NOT_RUNNING, ALREADY_ADDED, BAD_NAME = 60, 70, 90, 10


@dataclass(frozen=True)
class ProcessState:
    """One process as the supervisor sees it."""

    name: str
    state: str
    """STOPPED STARTING RUNNING BACKOFF STOPPING EXITED FATAL, as its manual explains them."""
    pid: int
    started: float
    """Seconds since the epoch, 0 for never."""
    exit_code: int
    restarts: int
    error: str

    @property
    def alive(self) -> bool:
        return self.state in {"STARTING", "RUNNING", "STOPPING"} and self.pid > 0


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class Supervisor:
    """The calls we make. Each opens its own connection, so threads may share one object."""

    def __init__(self, path: Path, timeout: float = 10.0) -> None:
        self._path = path
        self._timeout = timeout

    def call(self, method: str, *arguments: Any) -> Any:
        """Call; ``OSError`` where nobody listens, ``xmlrpc.client.Fault`` where it refuses."""
        connection = _Connection(self._path, self._timeout)
        try:
            connection.request("POST", "/RPC2", xmlrpc.client.dumps(arguments, method), {"Content-Type": "text/xml"})
            response = connection.getresponse()
            body = response.read()
        except http.client.HTTPException as error:
            raise ConnectionError(f"the supervisor broke off: {error}") from error
        finally:
            connection.close()
        if response.status != 200:
            raise ConnectionError(f"the supervisor answered {response.status}")
        (result,), _ = xmlrpc.client.loads(body)
        return result

    def tolerant(self, method: str, *arguments: Any, but: tuple[int, ...]) -> None:
        """Call, and take these faults for done."""
        try:
            self.call(method, *arguments)
        except xmlrpc.client.Fault as fault:
            if fault.faultCode not in but:
                raise

    def alive(self) -> bool:
        """Whether a supervisor listens."""
        try:
            self.call("nself.pid")
        except OSError:
            return False
        return True

    def pid(self) -> int:
        return int(self.call("nself.pid"))

    def states(self) -> dict[str, ProcessState]:
        """Every process by name; empty where no supervisor listens."""
        try:
            rows = self.call("nself.states")
        except OSError:
            return {}
        return {row["name"]: ProcessState(**row) for row in rows}

    def start(self, name: str) -> None:
        self.tolerant("supervisor.startProcess", name, False, but=(ALREADY_STARTED,))

    def stop(self, name: str) -> None:
        self.tolerant("supervisor.stopProcess", name, False, but=(NOT_RUNNING, BAD_NAME))

    def signal(self, name: str, signal: str) -> None:
        self.tolerant("supervisor.signalProcess", name, signal, but=(NOT_RUNNING,))

    def reload(self) -> tuple[list[str], list[str], list[str]]:
        """Read the configuration again; return what it added, changed and removed, none of it acted upon yet."""
        ((added, changed, removed),) = self.call("supervisor.reloadConfig")
        return added, changed, removed

    def add(self, name: str) -> None:
        self.tolerant("supervisor.addProcessGroup", name, but=(ALREADY_ADDED,))

    def remove(self, name: str) -> None:
        self.tolerant("supervisor.removeProcessGroup", name, but=(BAD_NAME,))

    def shutdown(self) -> None:
        self.call("supervisor.shutdown")
