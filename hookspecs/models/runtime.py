"""Runtimes: what makes a Plan run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Literal, NamedTuple, Protocol

from hookspecs.models.base import Model
from hookspecs.models.project import Project
from hookspecs.models.stack import Stack
from hookspecs.models.values import Value

Status = Literal["running", "starting", "stopped", "failed", "completed", "unavailable"]
Health = Literal["healthy", "unhealthy", "starting", "none"]


class Offer(Model):
    """A runtime on offer. ``load`` is ``"package.module:Class"``, called with ``(project, stack, place, resolver)``."""

    name: str
    available: bool
    reason: str = ""
    """Why it is not available, or what it found (``Docker Engine 28``)."""
    load: str
    addressing: Literal["names", "loopback"]
    prefix: str = ""
    """Where this runtime's rendered files go, relative to the project's root: ``""`` or a folder ending in ``/``."""
    missing: str = ""
    """``"package.module:function"``, called with a ``Service``: why it cannot run on this machine, ``""`` where it can."""
    no_limits: str = ""
    """Why services are not held to their ``limits``, empty where they are."""
    eject: str = ""
    """``"package.module:function"``, called with ``(project, stack, resolver, folder)``: write into an empty folder what runs the
    stack without nself, and return the names of what was made."""
    look: str = ""
    """``"package.module:function"``, called with the project's name and its services for ``nself status`` at a glance: it imports
    next to nothing, and returns rows of service, category, state, health, time up and ports, or ``None`` where the runtime's
    own ``states`` must be asked."""
    priority: int = 0
    """Which is chosen where the user chose none: the highest available."""


class ServiceState(Model):
    """One service as it stands now."""

    name: str
    category: str = ""
    status: Status
    health: Health = "none"
    reason: str = ""
    """Why it is unavailable, failed or unhealthy; the last log line where that is all there is."""
    instance: int = 1
    id: str = ""
    """Container id or process id."""
    image: str = ""
    """The image, or natively the program that runs."""
    ports: tuple[str, ...] = ()
    """``127.0.0.1:5432->5432`` each."""
    started_at: datetime | None = None
    restarts: int = 0
    memory: int | None = None
    """Bytes in use."""
    cpu: float | None = None
    """Percent of one core."""


class LogLine(Model):
    service: str
    text: str
    stream: Literal["stdout", "stderr"] = "stdout"
    time: datetime | None = None


class Streams(NamedTuple):
    """Where a command reads and writes instead of the terminal: open binary files."""

    stdin: IO[bytes]
    stdout: IO[bytes]
    stderr: IO[bytes]


#: Called with a service name, a state and a short detail as things happen.
Progress = Callable[[str, str, str], None]


class Runtime(Protocol):
    """Made with the project, its Stack (bound to this runtime), ``place`` (the ``.nself`` folder) and a ``Resolver``.

    Errors a user can mend are raised as ``hookspecs.UserError``.
    """

    name: str

    def start(self, services: Sequence[str] | None, *, timeout: float, progress: Progress) -> list[ServiceState]:
        """Start all services, or those named with what they need, in order of need; return once healthy or given up.

        What runs already with the same specification is left alone; what changed is restarted.
        """

    def stop(self, services: Sequence[str] | None, *, progress: Progress) -> None:
        """Stop all services, or those named, in reverse order. Data stays."""

    def restart(self, services: Sequence[str], *, timeout: float, progress: Progress) -> list[ServiceState]:
        """Restart the named services and wait until they are healthy again."""

    def states(self, *, probe: bool = False, usage: bool = False) -> list[ServiceState]:
        """Every service of the Stack as it stands.

        ``probe`` runs the health probes now; ``usage`` adds memory and processor where measuring them takes time.
        """

    def logs(
        self, services: Sequence[str] | None, *, follow: bool, tail: int | None, since: datetime | None
    ) -> Iterator[LogLine]:
        """Log lines, oldest first."""

    def exec(
        self,
        service: str,
        argv: Sequence[str],
        *,
        tty: bool,
        user: str | None,
        env: dict[str, str],
        streams: Streams | None = None,
    ) -> int:
        """Run a command in the surroundings of a running service and return its exit code.

        It has this terminal's streams, or those given. Values of ``env`` never travel as arguments.
        """

    def own_ports(self) -> set[int]:
        """Host ports that this project's running services hold now (they are not "taken")."""

    def holds_data(self) -> list[str]:
        """The data volumes that exist, by their names in the Stack, for a change of runtime and for ``destroy``."""

    def migrator(self) -> Migrator:
        """The migrator of the database this stack runs; ``UserError`` (``code="not-started"``) where it does not run."""

    def access(self, service: str) -> ServiceAccess:
        """The way into a running service, for ``Service.rekey``; ``UserError`` (``code="not-started"``) where it does not run."""

    def read_volume(self, volume: str, into: IO[bytes]) -> None:
        """Write the files of a data volume (its name in the Stack) as a tar. Nothing that uses it runs."""

    def write_volume(self, volume: str, source: IO[bytes]) -> None:
        """Replace the files of a data volume with those of a tar, owned by whom its service runs as. Nothing uses it."""

    def destroy(self, *, data: bool, progress: Progress) -> list[str]:
        """Remove what was made (processes, containers, networks; with ``data`` the volumes) and tell what went."""


class NativeContext(Protocol):
    """What a ``Native.check`` or ``Native.prepare`` function is given."""

    project: Project
    stack: Stack
    service: str
    env: dict[str, str]
    """The resolved environment of the process, secrets included: never log it."""

    def place(self, of: str, name: str = "") -> Path:
        """The absolute path of a ``Place``; folders are made, owned by the user the service runs as."""

    def program(self, name: str) -> str:
        """The absolute path of a ``NativeProgram``."""

    def run(self, argv: Sequence[str], *, env: dict[str, str] | None = None, stdin: str | None = None) -> str:
        """Run a command as the user the service runs as, return its output; a failure is a ``UserError`` with its last lines."""

    def write(self, path: Path, content: str) -> None:
        """Write a file 0600 for the user the service runs as, atomically: configuration with secrets, below a ``place``."""


class SqlAccess(Protocol):
    """How a runtime reaches a database that it runs, for ``Service.migrator``."""

    def run(self, sql: str, *, database: str = "", user: str = "", password: str = "") -> str:
        """Run SQL text with ``psql``, stopping at the first error, and return what it prints: unaligned rows, no headings.

        ``database`` empty means the project's own; ``user`` empty its owner. psql understands its own commands in the text (a
        backslash can start a program): text of others must stand in a literal. A failure is a ``UserError`` with psql's
        message; secrets never travel as arguments.
        """


class ServiceAccess(Protocol):
    """How a runtime reaches into a service that it runs."""

    sql: SqlAccess
    """For a service that provides ``sql``."""

    def run(self, argv: Sequence[str], *, stdin: str = "") -> str:
        """Run a command in the service's surroundings, and return what it prints. A failure is a ``UserError`` with its last
        lines. Secrets go on ``stdin``, never into ``argv``."""


@dataclass(frozen=True)
class Rekeying:
    """What a function named in ``Service.rekey`` is given."""

    project: Project
    stack: Stack
    service: str
    secret: str
    """Name of the setting."""
    old: str
    new: str
    access: ServiceAccess


class HttpAccess(Protocol):
    """How a runtime reaches the HTTP port of a service that it runs, published or not, for ``Service.tracker``."""

    def post(self, path: str, body: str, headers: Mapping[str, str]) -> tuple[int, str]:
        """Post, and return status and body; ``UserError`` where nothing answers. Nothing of it travels as an argument."""


class Tracker(Protocol):
    """What ``Service.tracker`` names; made with an ``HttpAccess``, the ``Project``, its ``Stack`` and a ``Resolver``."""

    def apply(self) -> list[str]:
        """Bring the plugins' tables in GraphQL in line with what the migrations say, and tell what changed.

        Harmless when repeated; what somebody changed by hand stays. ``UserError`` where it is not taken.
        """


class MigrationState(Model):
    """One migration as the database knows it."""

    plugin: str
    id: str
    state: Literal["applied", "pending", "changed", "orphaned"]
    """``changed``: its text is not what was applied. ``orphaned``: applied, and the plugin that is there no longer has it."""
    applied_at: str = ""
    """ISO 8601, empty where it is pending."""
    reversible: bool = False


class Migrator(Protocol):
    """What ``Service.migrator`` names; made with a ``SqlAccess``, the ``Project``, its ``Stack`` and a ``Resolver``."""

    def apply(self) -> list[tuple[str, str]]:
        """Apply what is new, in order; ``(plugin, id)`` of each. One that fails leaves nothing of itself (``UserError``)."""

    def status(self) -> list[MigrationState]:
        """Every migration, by plugin and in order."""

    def undo(self, plugin: str, *, down_to: str | None = None) -> list[str]:
        """Undo a plugin's latest migration, or all after ``down_to`` (``""``: all there are); the ids undone, latest first.

        ``UserError`` where one of them cannot be undone: nothing is undone then.
        """

    def drop(self, plugin: str) -> list[str]:
        """Remove a plugin's tables with their content, its databases, its role and its lines in the ledger; tell what went.

        The plugin need no longer be installed. Harmless when repeated.
        """


class DataAccess(Protocol):
    """How a service's dump and restore functions (``Backup``) reach it where it runs, whatever the runtime."""

    environment: Mapping[str, str]
    """The service's resolved environment, secrets included: never log it."""

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: IO[bytes] | None = None,
        stdout: IO[bytes] | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        """Run a command in the service's surroundings. One that fails is a ``UserError`` with the end of what it said."""


class Resolver(Protocol):
    """Turns values into strings for one Stack; the runtimes and the writer hold one. What it returns may hold secrets."""

    def value(
        self,
        service: str,
        value: Value,
        instance: int = 1,
        *,
        place: Callable[[str, str], Path] | None = None,
        program: Callable[[str], str] | None = None,
    ) -> str | None:
        """The string a value stands for at that service's instance; ``None`` where it is left out.

        ``place`` and ``program`` answer ``Place`` and ``Program`` values, which only the native runtime has.
        """

    def environment(
        self,
        service: str,
        instance: int = 1,
        *,
        place: Callable[[str, str], Path] | None = None,
        program: Callable[[str], str] | None = None,
    ) -> dict[str, str]:
        """The environment of one instance; under loopback addressing with the native overlay laid over it."""
