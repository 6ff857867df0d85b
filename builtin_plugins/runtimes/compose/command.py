"""Running Compose: its arguments as data, and its failures as errors a person can act on."""

from __future__ import annotations

import re
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from builtin_plugins.runtimes.compose import binaries
from builtin_plugins.runtimes.compose.engine import Engine
from builtin_plugins.runtimes.compose.files import FILE
from hookspecs import UserError

_POLL = 0.5


class ComposeCommand:
    """Compose for one project folder, whose name is given: the folder's name and COMPOSE_PROJECT_NAME never count."""

    def __init__(self, root: Path, project: str, engine: Engine, *, parallel: int = 5) -> None:
        self.root = root
        self.project = project
        self.engine = engine
        self.parallel = parallel

    def argv(self, *arguments: str) -> list[str]:
        """The whole command line. The user's own ``.env`` is kept from Compose, which would replace variables from it."""
        found = binaries.find()
        if found is None:
            raise UserError(
                "there is no Docker Compose: neither the v2 plugin nor docker-compose",
                remedy="install the docker-compose-plugin package (or docker-compose), or: nself start --runtime native",
                code="compose-missing",
            )
        empty = self.root / ".nself" / "compose" / "empty.env"
        empty.parent.mkdir(parents=True, exist_ok=True)
        empty.touch(mode=0o600)
        place = ["--project-directory", str(self.root), "--env-file", str(empty)]
        return [found.path, "-p", self.project, "-f", str(self.root / FILE), *place, *arguments]

    def run(self, *arguments: str, deadline: Callable[[], bool], meanwhile: Callable[[], None]) -> str:
        """Run it; ``meanwhile`` is called every half second. Returns what it printed; past ``deadline`` it is ended.

        A failure is raised, but for a container that did not get healthy: its state tells that better.
        """
        environment = self.engine.environment() | {"COMPOSE_PARALLEL_LIMIT": str(self.parallel), "COMPOSE_ANSI": "never"}
        with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as written:
            process = subprocess.Popen(
                self.argv(*arguments), cwd=self.root, env=environment, stdin=subprocess.DEVNULL, stdout=written, stderr=written
            )
            with _ended_along(process):
                code = _await(process, deadline, meanwhile)
            written.seek(0)
            text = written.read()
        if code and not _UNHEALTHY.search(text):
            raise explain(text)
        return text


def _await(process: subprocess.Popen[bytes], deadline: Callable[[], bool], meanwhile: Callable[[], None]) -> int:
    """Its exit code; 0 where it took too long and was ended."""
    try:
        while True:
            try:
                return process.wait(timeout=_POLL)
            except subprocess.TimeoutExpired:
                meanwhile()
            if deadline():
                return 0
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(timeout=30)


@contextmanager
def _ended_along(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Where nself is ended, Compose is too: it would go on starting what the next command stops."""

    def end(number: int, _: object) -> None:
        process.terminate()
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    usual = [number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) == signal.SIG_DFL]
    for number in usual:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number in usual:
            signal.signal(number, signal.SIG_DFL)


_UNHEALTHY = re.compile(r"is unhealthy|dependency failed to start|exited \(\d+\)|didn.t complete successfully", re.IGNORECASE)

#: What Compose and the engine say, what it means and what to do.
_MEANINGS = (
    (r"(?:Bind for )?(\S*:\d+)[^\n]*(?:port is already allocated|address already in use)", "port-taken",
     "the host port {0} is taken", "nself start moves ports by itself; end the program that took this one, and start again"),
    (r"(?:pull access denied|denied: requested access|unauthorized:|authentication required)[^\n]*", "pull-denied",
     "the registry refuses to give an image", "docker login, or name another image with <SERVICE>_IMAGE"),
    (r"(?:manifest (?:for \S+ not found|unknown)|No such image:? ?\S*|not found: manifest unknown)", "image-missing",
     "an image does not exist", "mend the version, or name another image with <SERVICE>_IMAGE"),
    (r"no space left on device", "disk-full", "the disk is full", "docker system prune, or free space"),
    (r"Minimum memory limit[^\n]*", "memory-limit", "a service is allowed less memory than a container takes",
     "give it 6MB or more: <SERVICE>_MEMORY_LIMIT, or CS_<N>_MEMORY"),
    (r"Range of CPUs is from[^\n]*", "cpu-limit", "a service is allowed more processors than this machine has",
     "lower its <SERVICE>_CPU_LIMIT or CS_<N>_CPU"),
    (r"network (\S+) was found but has incorrect label", "network-taken", "the network {0} is somebody else's",
     "name another one in DOCKER_NETWORK, or remove it with docker network rm"),
    (r"non-overlapping IPv4 address pool", "no-network", "the engine has no free network address left", "docker network prune"),
    (r"(?:Cannot connect to the Docker daemon|error during connect|Is the docker daemon running)", "docker-down",
     "the Docker Engine stopped answering", "start it again, then nself start"),
    (r"bind source path does not exist: (\S+)", "mount-missing", "{0} is mounted, and does not exist", "nself build, or make it"),
)  # fmt: skip


def explain(text: str) -> UserError:
    """Compose's output as one error: the known causes by name, the rest by its last lines."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    last = "; ".join(dict.fromkeys(lines[-3:]))
    for pattern, code, message, remedy in _MEANINGS:
        match = re.search(pattern, text, re.IGNORECASE)
        if match:
            told = next((line for line in lines if match.group(0).strip()[:40] in line), match.group(0))
            return UserError(f"{message.format(*match.groups())}: {told[:300]}", remedy=remedy, code=code)
    return UserError(f"Docker Compose failed: {last[:600] or 'it says nothing'}", remedy="nself doctor", code="compose-failed")
