"""The native runtime: the Stack as local processes on loopback, watched by supervisord."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import IO, TYPE_CHECKING

from builtin_plugins.runtimes.native import logs, programs, states, stopping, volumes
from builtin_plugins.runtimes.native.access import Access
from builtin_plugins.runtimes.native.daemon import Daemon, Program
from builtin_plugins.runtimes.native.instances import Instance, Spec
from builtin_plugins.runtimes.native.layout import Layout
from builtin_plugins.runtimes.native.starting import Starter, check, with_needs
from hookspecs import UserError

if TYPE_CHECKING:
    from hookspecs import LogLine, Migrator, Project, Resolver, Service, ServiceAccess, ServiceState, Stack, Streams
    from hookspecs.models.runtime import Progress


class NativeRuntime:
    """See ``hookspecs.Runtime``."""

    name = "native"

    def __init__(self, project: Project, stack: Stack, place: Path, resolver: Resolver) -> None:
        self._project = project
        self._stack = stack
        self._resolver = resolver
        self.layout = Layout(root=project.root, state=place, project=project.name)
        self._daemon = Daemon(self.layout)

    # -- starting and stopping

    def start(self, services: Sequence[str] | None, *, timeout: float, progress: Progress) -> list[ServiceState]:
        wanted = self._wanted(services)
        return self._start(wanted, frozenset(), timeout, progress)

    def restart(self, services: Sequence[str], *, timeout: float, progress: Progress) -> list[ServiceState]:
        named = [self._find(name) for name in services]
        return self._start(with_needs(self._stack, [s.name for s in named]), frozenset(s.name for s in named), timeout, progress)

    def stop(self, services: Sequence[str] | None, *, progress: Progress) -> None:
        if services is not None:
            stopping.stop(self._daemon, [self._find(name) for name in services], progress)
            return
        stopping.stop(self._daemon, list(self._stack.services), progress)
        self._daemon.shutdown()

    def _start(self, wanted: list[Service], force: frozenset[str], timeout: float, progress: Progress) -> list[ServiceState]:
        self._require_core()
        self.layout.make()
        self.layout.copy_configuration()
        able = {s.name: self._instances[s.name] for s in wanted if s.name in self._instances}
        check(self._project, self._stack, (instance for group in able.values() for instance in group))
        fresh = self._daemon.ensure([self._program(service, instance) for service, instance in self._all()])
        starter = Starter(self._project, self._stack, self._daemon, able, progress, timeout, force)
        outcomes = starter.run(self._daemon.wait if fresh else lambda: None)
        return [self._with_outcome(state, outcomes.get(state.name, "")) for state in self.states(probe=True)]

    @staticmethod
    def _with_outcome(state: ServiceState, failed: str) -> ServiceState:
        """A service that could not even be started has no process to tell why."""
        if not failed:
            return state
        if state.status in {"stopped", "failed"}:
            return state.model_copy(update={"status": "failed", "reason": failed})
        return state.model_copy(update={"health": "unhealthy", "reason": failed})

    def _require_core(self) -> None:
        """The core without its programs is no backend at all: say at once what is missing."""
        lacking = [
            f"{service.name}: {reason}"
            for service in self._stack.services
            if service.category == "core" and service.native is not None and (reason := programs.missing(service))
        ]
        if lacking:
            raise UserError(
                "the native runtime lacks programs that the core needs",
                where="; ".join(lacking),
                remedy="pip install 'nself[native]', or nself start --runtime compose",
                code="native-missing",
            )

    def _wanted(self, services: Sequence[str] | None) -> list[Service]:
        if services is None:
            return list(self._stack.services)
        named = [self._find(name).name for name in services]
        for name in named:
            reason = self._stack.why_unavailable(name)
            if reason is not None:
                raise UserError(f"{name} cannot run on the native runtime: {reason}", code="service-unavailable")
        return with_needs(self._stack, named)

    # -- looking

    def states(self, *, probe: bool = False, usage: bool = False) -> list[ServiceState]:
        return states.tell(self._stack, self._instances, self._daemon.rpc.states(), probe=probe)

    def logs(
        self, services: Sequence[str] | None, *, follow: bool, tail: int | None, since: datetime | None
    ) -> Iterator[LogLine]:
        named = None if services is None else {self._find(name).name for name in services}
        files = [(name, i.log_path) for name, group in self._instances.items() if named is None or name in named for i in group]
        return logs.read(files, follow=follow, tail=tail, since=since)

    def own_ports(self) -> set[int]:
        running = self._daemon.rpc.states()
        held = set()
        for service, instance in self._all():
            process = running.get(instance.name)
            if process and process.alive:
                found = (self._stack.ports.get(service.name, port.name, instance.number) for port in service.ports)
                held |= {port for port in found if port is not None}
        return held

    def holds_data(self) -> list[str]:
        return self.layout.volumes()

    # -- acting within

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
        spec_of = self._find(service)
        reason = self._stack.why_unavailable(spec_of.name)
        if reason is not None:
            raise UserError(f"{spec_of.name} cannot run on the native runtime: {reason}", code="service-unavailable")
        instance = self._instances[spec_of.name][0]
        self.layout.make()
        spec = Spec.read(instance.spec_path) or instance.spec()
        surroundings = {**spec.env, "TERM": os.environ.get("TERM", "dumb"), **env}
        program = shutil.which(argv[0], path=surroundings["PATH"])
        if program is None:
            raise UserError(
                f"{service} has no command {argv[0]!r}", remedy="it is looked up among its programs and on PATH", code="exec"
            )
        uid, gid = _identity(user) if user else (spec.uid, spec.gid)
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the command's, which gets it from the terminal too
        try:
            return subprocess.call(
                [program, *argv[1:]],
                env=surroundings,
                cwd=spec.cwd,
                stdin=streams and streams.stdin,
                stdout=streams and streams.stdout,
                stderr=streams and streams.stderr,
                user=uid,
                group=gid,
                extra_groups=[] if uid is not None else None,
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            )
        finally:
            signal.signal(signal.SIGINT, before)

    def migrator(self) -> Migrator:
        service = self._stack.provider("sql")
        if service is None or not service.migrator:
            raise UserError("the database does not run", remedy="nself start", code="not-started")
        sql = self.access(service.name).sql
        made: Migrator = programs.load(service.migrator)(sql, self._project, self._stack, self._resolver)
        return made

    def access(self, service: str) -> ServiceAccess:
        group = self._instances.get(self._find(service).name, [])
        state = self._daemon.rpc.states().get(group[0].name) if group else None
        spec = Spec.read(group[0].spec_path) if group else None
        if spec is None or state is None or not state.alive:
            raise UserError(f"{service} does not run", remedy=f"nself start {service}", code="not-started")
        return Access(group[0], spec.env)

    def read_volume(self, volume: str, into: IO[bytes]) -> None:
        volumes.read(self.layout.data / volume, into)

    def write_volume(self, volume: str, source: IO[bytes]) -> None:
        self.layout.make()
        owner = next(s for s in self._stack.services if any(m.kind == "volume" and m.source == volume for m in s.mounts))
        spec = self._instances[owner.name][0].spec()
        user = self.layout.user if spec.uid is not None else None
        volumes.write(self.layout.data / volume, source, user)

    def destroy(self, *, data: bool, progress: Progress) -> list[str]:
        self.stop(None, progress=progress)
        return self.layout.remove(data=data)

    # -- the instances

    @cached_property
    def _instances(self) -> dict[str, list[Instance]]:
        """Those that can run here, by service, in start order."""
        return {
            service.name: [Instance(service, number, self.layout, self._resolver) for number in range(1, service.replicas + 1)]
            for service in self._stack.services
            if self._stack.why_unavailable(service.name) is None and service.native is not None
        }

    def _all(self) -> Iterator[tuple[Service, Instance]]:
        for group in self._instances.values():
            for instance in group:
                yield instance.service, instance

    def _find(self, name: str) -> Service:
        found = self._stack.find(name)
        if found is None:
            known = ", ".join(service.name for service in self._stack.services)
            raise UserError(f"there is no service {name!r}", remedy=f"it is one of {known}", code="service-unknown", exit_code=2)
        return found

    @staticmethod
    def _program(service: Service, instance: Instance) -> Program:
        return Program(instance.name, service.one_shot, service.restart, instance.native.stop_signal, service.stop_grace)


def _identity(user: str) -> tuple[int, int]:
    if os.geteuid() != 0:
        raise UserError("only root may run a command as another user", code="exec")
    try:
        found = pwd.getpwuid(int(user)) if user.isdigit() else pwd.getpwnam(user)
    except KeyError:
        raise UserError(f"there is no user {user!r}", code="exec") from None
    return found.pw_uid, found.pw_gid
