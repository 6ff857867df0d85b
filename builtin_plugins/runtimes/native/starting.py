"""Starting services in order of need: what does not depend on each other at the same time, each waited for by its probe."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING

from builtin_plugins.runtimes.native import programs, stopping
from builtin_plugins.runtimes.native.context import Context
from builtin_plugins.runtimes.native.daemon import Daemon
from builtin_plugins.runtimes.native.http import LoopbackHttp
from builtin_plugins.runtimes.native.instances import Instance, Spec
from builtin_plugins.runtimes.native.logs import cause
from builtin_plugins.runtimes.native.probes import Prober
from builtin_plugins.runtimes.native.rpc import ProcessState
from builtin_plugins.runtimes.native.sql import Psql
from hookspecs import Finding, Level, UserError

if TYPE_CHECKING:
    from hookspecs import Migrator, Project, Service, Stack, Tracker
    from hookspecs.models.runtime import Progress

_PAUSE = 0.025  # seconds between two looks at a service that comes up

Outcome = str
"""``""`` for healthy (or completed), else why not."""


@dataclass
class _Ready:
    """A spec to start with. ``running``: its old process runs yet, so ``prepare`` waits until that has been stopped."""

    spec: Spec
    running: bool


@dataclass
class Starter:
    """One ``start``: makes every wished service healthy or tells why it is not."""

    project: Project
    stack: Stack
    daemon: Daemon
    instances: dict[str, list[Instance]]
    """Service → its instances, in start order."""
    progress: Progress
    timeout: float
    force: frozenset[str] = frozenset()
    """Services to restart though nothing about them changed."""

    def __post_init__(self) -> None:
        self._until = time.monotonic() + self.timeout
        self._prober = Prober(self.stack)

    def run(self, supervisor_ready: Callable[[], None]) -> dict[str, Outcome]:
        """Start everything; ``supervisor_ready`` returns once processes can be started."""
        outcomes: dict[str, Outcome] = {}
        launched: set[str] = set()
        with ThreadPoolExecutor(max_workers=max(4, len(self.instances) + 1), thread_name_prefix="start") as pool:
            waiting = dict(self.instances)
            prepared = {name: pool.submit(self._prepare, name) for name in waiting}
            running: dict[Future[Outcome | None], str] = {}
            try:
                supervisor_ready()
            except BaseException:
                for pending in prepared.values():
                    pending.cancel()
                raise
            while waiting or running:
                for name in [name for name in waiting if self._may_start(name, outcomes, launched)]:
                    del waiting[name]
                    running[pool.submit(self._bring_up, name, prepared[name], outcomes)] = name
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    name = running.pop(future)
                    outcome = future.result()
                    if outcome is None:
                        launched.add(name)
                        running[pool.submit(self._see_through, name)] = name
                    else:
                        outcomes[name] = outcome
        return outcomes

    def _needs(self, name: str) -> list[tuple[str, bool, str]]:
        service = self.instances[name][0].service
        return [(n.service, n.required, n.condition) for n in service.needs if n.service in self.instances]

    def _may_start(self, name: str, outcomes: dict[str, Outcome], launched: set[str]) -> bool:
        return all(
            other in outcomes or (condition == "started" and other in launched) for other, _, condition in self._needs(name)
        )

    def _prepare(self, name: str) -> list[_Ready | None]:
        """Resolve each instance and prepare those that will be started; ``None`` for one that may stay as it is."""
        return [self._resolve(instance) for instance in self.instances[name]]

    def _resolve(self, instance: Instance) -> _Ready | None:
        service = instance.service
        spec = instance.spec()
        known = Spec.read(instance.spec_path)
        state = self.daemon.rpc.states().get(instance.name)
        if known and state and known.hash == spec.hash and service.name not in self.force:
            done = service.one_shot and state.state == "EXITED" and state.exit_code == 0 and known.config == spec.config
            if done or (state.alive and not service.one_shot and self._keeps(instance, known, spec)):
                return None
        # what runs is stopped first, and only when its turn comes
        late = state is not None and (state.alive or state.state == "BACKOFF")
        if not late:
            self._prepare_one(instance, spec)
        return _Ready(spec, late)

    def _prepare_one(self, instance: Instance, spec: Spec) -> None:
        service = instance.service
        for note in instance.notes:
            self.progress(service.name, "note", note)
        if instance.native.prepare:
            self.progress(service.name, "preparing", "")
            programs.load(instance.native.prepare)(Context(self.project, self.stack, instance, spec.env))
            instance.seal(spec)

    def _keeps(self, instance: Instance, known: Spec, spec: Spec) -> bool:
        """Whether a running process may stay. Changed configuration is read again on a signal, where there is one."""
        if known.config == spec.config:
            return True
        signal = instance.native.reload_signal
        if signal is None:
            return False
        known.config = spec.config
        known.save(instance.spec_path)
        self.daemon.rpc.signal(instance.name, signal)
        self.progress(instance.service.name, "reloaded", "its configuration changed")
        return True

    def _bring_up(self, name: str, prepared: Future[list[_Ready | None]], outcomes: dict[str, Outcome]) -> Outcome | None:
        """Launch a service's processes; ``None`` once they run, else why not."""
        failed = [other for other, required, _ in self._needs(name) if required and outcomes.get(other)]
        if failed:
            prepared.exception()
            return self._told(name, f"it needs {', '.join(failed)}, which did not come up")
        try:
            specs = prepared.result()
            for instance, ready in zip(self.instances[name], specs, strict=True):
                if ready is not None:
                    self._launch(instance, ready)
        except (UserError, OSError) as error:
            return self._told(name, _reason(error))
        return None

    def _see_through(self, name: str) -> Outcome:
        """Wait until a launched service is healthy, and migrate what it serves."""
        try:
            for instance in self.instances[name]:
                reason = self._await(instance)
                if reason:
                    return self._told(name, reason)
            self._migrate(self.instances[name][0])
            self._track(self.instances[name][0])
        except (UserError, OSError) as error:
            return self._told(name, _reason(error))
        self.progress(name, "completed" if self.instances[name][0].service.one_shot else "healthy", "")
        return ""

    def _told(self, name: str, reason: str) -> Outcome:
        self.progress(name, "failed", reason)
        return reason

    def _launch(self, instance: Instance, ready: _Ready) -> None:
        rpc, spec = self.daemon.rpc, ready.spec
        if ready.running:
            self.progress(instance.service.name, "restarting", "")
            stopping.stop_one(self.daemon, instance.name)
            self._prepare_one(instance, spec)
        taken = self._prober.taken(instance)
        if taken:
            numbers = ", ".join(str(port) for port in taken)
            raise UserError(f"another program has port {numbers}", remedy="nself doctor names it", code="port-taken")
        spec.save(instance.spec_path)
        self.progress(instance.service.name, "starting", "")
        rpc.start(instance.name)

    def _await(self, instance: Instance) -> Outcome:
        """Wait until the probe is content and the process lives; a one-shot, until it ended."""
        env: dict[str, str] | None = None
        reason = ""
        while True:
            if instance.service.one_shot:
                state = self.daemon.rpc.states().get(instance.name)
                if state and state.state == "EXITED":
                    return "" if state.exit_code == 0 else self._ended(instance, state)
                reason = "it has not ended"
            else:
                env = env or self._env_of(instance)
                reason = self._prober.check(instance, env=env)
                state = self.daemon.rpc.states().get(instance.name)
                if not reason and state and state.alive:
                    return ""
            if state is None or state.state in {"FATAL", "STOPPED"} or _stays_ended(instance, state):
                return self._ended(instance, state)
            if time.monotonic() > self._until:
                return f"not healthy after {self.timeout:.0f} s: {reason}"
            time.sleep(_PAUSE)

    def _ended(self, instance: Instance, state: ProcessState | None) -> Outcome:
        said = cause(instance.log_path, state.started if state else 0) or (state.error if state else "")
        code = f"ended with exit code {state.exit_code}" if state and state.exit_code >= 0 else "ended"
        return f"{code}: {said}" if said else code

    def _env_of(self, instance: Instance) -> dict[str, str]:
        spec = Spec.read(instance.spec_path)
        return spec.env if spec else {}

    def _migrate(self, instance: Instance) -> None:
        service = instance.service
        if not service.migrator or self.stack.providers.get("sql") != service.name:
            return
        migrator: Migrator = programs.load(service.migrator)(
            Psql(instance, self._env_of(instance)), self.project, self.stack, instance.resolver
        )
        for plugin, migration in migrator.apply():
            self.progress(service.name, "migrated", f"{plugin}: {migration}")

    def _track(self, instance: Instance) -> None:
        service = instance.service
        if not service.tracker or self.stack.providers.get("graphql") != service.name:
            return
        tracker: Tracker = programs.load(service.tracker)(
            LoopbackHttp(self.stack, service.name), self.project, self.stack, instance.resolver
        )
        for told in tracker.apply():
            self.progress(service.name, "told", told)


def check(project: Project, stack: Stack, instances: Iterable[Instance]) -> None:
    """Ask every service whether it could start at all. ``UserError`` of all that refuse; nothing was started or stopped then."""
    refused: list[UserError] = []
    for instance in instances:
        if instance.native.check:
            try:
                programs.load(instance.native.check)(Context(project, stack, instance, instance.spec().env))
            except UserError as error:
                refused.append(error)
    if len(refused) == 1:
        raise refused[0]
    if refused:
        raise UserError(
            "nothing was started: " + "; ".join(error.message for error in refused),
            findings=[
                Finding(level=Level.ERROR, message=error.message, where=error.where, remedy=error.remedy, code=error.code)
                for error in refused
            ],
            code="native-check",
        )


def _stays_ended(instance: Instance, state: ProcessState) -> bool:
    """Whether a process that ended is not started again by the supervisor."""
    restart = instance.service.restart
    return state.state == "EXITED" and (restart == "no" or (restart == "on-failure" and state.exit_code == 0))


def _reason(error: UserError | OSError) -> str:
    """The error on one line."""
    if isinstance(error, OSError):
        return f"{error.filename or ''} {error.strerror or error}".strip()
    where = error.where.replace("\n", " | ")
    parts = [f"{error.message}: {where}" if where else error.message, f"→ {error.remedy}" if error.remedy else ""]
    return " ".join(part for part in parts if part)


def with_needs(stack: Stack, names: list[str]) -> list[Service]:
    """The named services and, transitively, what they need, in start order."""
    wanted: set[str] = set()
    waiting = list(names)
    while waiting:
        service = stack.find(waiting.pop())
        if service and service.name not in wanted:
            wanted.add(service.name)
            waiting += [need.service for need in service.needs if need.service]
    return [service for service in stack.services if service.name in wanted]
