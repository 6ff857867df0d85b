"""The Compose runtime: Compose makes and changes containers; everything else is asked of the engine, by label."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from builtin_plugins.runtimes.compose import images, labels, logs, volumes
from builtin_plugins.runtimes.compose.access import ContainerAccess
from builtin_plugins.runtimes.compose.changes import Seen
from builtin_plugins.runtimes.compose.command import ComposeCommand
from builtin_plugins.runtimes.compose.document import image_name, present
from builtin_plugins.runtimes.compose.engine import REFUSED, Engine
from builtin_plugins.runtimes.compose.http import ContainerHttp
from builtin_plugins.runtimes.compose.shell import exec_argv
from builtin_plugins.runtimes.compose.sql import ContainerSql
from builtin_plugins.runtimes.compose.states import states as read_states
from hookspecs import LogLine, Project, Resolver, Service, ServiceState, Stack, Streams, UserError

if TYPE_CHECKING:
    from hookspecs import Migrator, ServiceAccess, Tracker
    from hookspecs.models.runtime import Progress

_POLL = 0.3
#: States in which a container has its ports.
_HOLDING = {"running", "paused", "restarting"}


class Compose:
    """See ``hookspecs.Runtime``."""

    name = "compose"

    def __init__(self, project: Project, stack: Stack, place: Path, values: Resolver) -> None:
        self.project = project
        self.stack = stack
        self.place = place
        self.values = values
        self.engine = Engine(stack.project)
        self._seen = Seen(project.root, place)
        self._parallel = int(project.settings.get("NSELF_PARALLEL_LIMIT", 5))
        self._compose = ComposeCommand(project.root, stack.project, self.engine, parallel=self._parallel)

    # -- starting

    def start(self, services: Sequence[str] | None, *, timeout: float, progress: Progress) -> list[ServiceState]:
        self._refuse_another_folder()
        chosen = self._closure(services)
        self._build(chosen, progress)
        images.pull_missing(self.engine, chosen, progress, parallel=self._parallel)
        deadline = time.monotonic() + timeout
        self._put_right(chosen)
        known = {c["Id"] for c in self.engine.containers()}
        self._migrate(chosen, deadline, progress)
        names = [] if services is None else [service.name for service in chosen]
        orphans = ["--remove-orphans"] if services is None else []
        self._up(["up", "-d", *orphans, *names], chosen, deadline, progress)
        self._restart_changed(chosen, known, progress)
        found = self._wait(chosen, deadline, progress)
        self._track(chosen, found, progress)
        return found

    def restart(self, services: Sequence[str], *, timeout: float, progress: Progress) -> list[ServiceState]:
        chosen = [s for s in present(self.stack) if s.name in services]
        self._build(chosen, progress)
        images.pull_missing(self.engine, chosen, progress, parallel=self._parallel)
        deadline = time.monotonic() + timeout
        self._put_right(chosen)
        names = [service.name for service in chosen]
        self._up(["up", "-d", "--no-deps", "--force-recreate", *names], chosen, deadline, progress)
        self._seen.remember(mounts=chosen)
        return self._wait(chosen, deadline, progress)

    def _closure(self, services: Sequence[str] | None) -> list[Service]:
        """The services and what they need, in start order."""
        available = {service.name: service for service in present(self.stack)}
        if services is None:
            return list(available.values())
        wanted: set[str] = set()
        todo = [name for name in services if name in available]
        while todo:
            name = todo.pop()
            if name not in wanted:
                wanted.add(name)
                todo += [n.service for n in available[name].needs if n.service in available]
        return [service for name, service in available.items() if name in wanted]

    def _build(self, chosen: Sequence[Service], progress: Progress) -> None:
        """Build the images whose sources changed, or that are not there."""
        todo = [s for s in chosen if s.build is not None and not self._is_built(s)]
        if not todo:
            return
        limit = time.monotonic() + float(self.project.settings.get("NSELF_DOCKER_BUILD_TIMEOUT", 900))
        names = [service.name for service in todo]
        for name in names:
            progress(name, "building", "")
        self._compose.run("build", *names, deadline=lambda: time.monotonic() > limit, meanwhile=lambda: None)
        if time.monotonic() > limit:
            raise UserError(
                f"building {', '.join(names)} took too long", remedy="raise NSELF_DOCKER_BUILD_TIMEOUT", code="build-timeout"
            )
        self._seen.remember(build=todo)

    def _is_built(self, service: Service) -> bool:
        return self._seen.built_from(service) and self.engine.has_image(image_name(self.stack, service))

    def _put_right(self, chosen: Sequence[Service]) -> None:
        """What Compose does not do by itself with the containers there are: it would leave a paused one so, it fails at one whose
        network was removed meanwhile (``docker network prune``), and it gives a new one the anonymous volumes of the old, and so
        the dependencies of the image before.
        """
        services = {service.name: service for service in chosen}
        networks = {network["Id"] for network in self.engine.ask("GET", "/networks")}
        for container in self.engine.containers():
            service = services.get(container["Labels"].get(labels.SERVICE, ""))
            if service is None:
                continue
            if container["State"] == "paused":
                # not just let go on: the engine found it unhealthy meanwhile, and would say so until it looks again
                self.engine.restart(container["Id"], grace=service.stop_grace)
            held = {n["NetworkID"] for n in container["NetworkSettings"]["Networks"].values() if n["NetworkID"]}
            lost = container["State"] != "running" and not held <= networks
            if lost or self._keeps_of_another_image(service, container):
                self.engine.ask("DELETE", f"/containers/{container['Id']}", v=True, force=True)

    def _keeps_of_another_image(self, service: Service, container: dict[str, Any]) -> bool:
        if not any(mount.kind == "anonymous" for mount in service.mounts):
            return False
        image = self.engine.image_id(image_name(self.stack, service))
        return bool(image) and image != container["ImageID"]

    def _up(self, arguments: Sequence[str], chosen: Sequence[Service], deadline: float, progress: Progress) -> None:
        self._compose.run(
            *arguments,
            deadline=lambda: time.monotonic() > deadline,
            meanwhile=lambda: self._report(self._read(chosen), progress),
        )

    def _migrate(self, chosen: Sequence[Service], deadline: float, progress: Progress) -> None:
        """Bring up the database, and have its migrator apply what is new before anything that needs its tables.

        What needs nothing starts along with it: it need not wait for the migrations.
        """
        for service in chosen:
            if not service.migrator or not (self.stack.migrations or self.project.installed):
                continue
            free = [s.name for s in chosen if not s.needs and not s.one_shot]
            self._up(["up", "-d", *dict.fromkeys([service.name, *free])], [service], deadline, progress)
            if not self._answers(service, deadline, progress):
                return
            for plugin, migration in self._migrator(service).apply():
                progress(service.name, "healthy", f"applied {plugin} {migration}")

    def _track(self, chosen: Sequence[Service], found: Sequence[ServiceState], progress: Progress) -> None:
        """Have the GraphQL service's tracker bring the plugins' tables in line, once it is healthy."""
        healthy = {state.name for state in found if state.health == "healthy"}
        for service in chosen:
            if service.tracker and service.name in healthy and self.stack.providers.get("graphql") == service.name:
                module, _, name = service.tracker.partition(":")
                access = ContainerHttp(self.engine, service)
                tracker: Tracker = getattr(import_module(module), name)(access, self.project, self.stack, self.values)
                for told in tracker.apply():
                    progress(service.name, "healthy", told)

    def _migrator(self, service: Service) -> Migrator:
        module, _, name = service.migrator.partition(":")
        access = ContainerSql(self.engine, service, self.values)
        made: Migrator = getattr(import_module(module), name)(access, self.project, self.stack, self.values)
        return made

    def migrator(self) -> Migrator:
        service = self.stack.provider("sql")
        if service is None or not service.migrator or not self.engine.of_service(service.name, running=True):
            raise UserError("the database does not run", remedy="nself start", code="not-started")
        return self._migrator(service)

    def access(self, service: str) -> ServiceAccess:
        found = self.stack.find(service)
        if found is None or not self.engine.of_service(found.name, running=True):
            raise UserError(f"{service} does not run", remedy=f"nself start {service}", code="not-started")
        return ContainerAccess(self.engine, found, self.values)

    def _read(self, chosen: Iterable[Service], *, probe: bool = False) -> list[ServiceState]:
        names = {service.name for service in chosen}
        return [s for s in read_states(self.stack, self.engine, probe=probe, only=names) if s.name in names]

    def _report(self, found: Iterable[ServiceState], progress: Progress) -> None:
        for state in found:
            shown = state.name if state.instance == 1 else f"{state.name} #{state.instance}"
            word = state.health if state.status == "running" and state.health != "none" else state.status
            progress(shown, "waiting" if word == "stopped" else word, state.reason if word in {"failed", "unhealthy"} else "")

    def _answers(self, service: Service, deadline: float, progress: Progress) -> bool:
        """Wait until each copy of a service passes its health check, asked now: the engine asks at intervals of seconds only."""
        while True:
            found = self._read([service])
            asked = self._read([service], probe=True) if self._unsettled(found) else found
            self._report(asked if all(s.health == "healthy" for s in asked) else found, progress)
            if asked and all(state.health == "healthy" for state in asked):
                return True
            if self._given_up(found, deadline):
                return False
            time.sleep(_POLL)

    def _wait(self, chosen: Sequence[Service], deadline: float, progress: Progress) -> list[ServiceState]:
        """Until each is healthy, done, or given up."""
        while True:
            found = self._read(chosen)
            self._report(found, progress)
            if self._given_up(found, deadline):
                return found
            time.sleep(_POLL)

    def _unsettled(self, found: Sequence[ServiceState]) -> list[ServiceState]:
        return [s for s in found if s.status == "starting" or s.health in {"starting", "unhealthy"} or _yet_to_end(self, s)]

    def _given_up(self, found: Sequence[ServiceState], deadline: float) -> bool:
        """Whether there is nothing left to wait for: all is settled, time is up, or the engine gave up what is not healthy."""
        waiting = self._unsettled(found)
        # a check of its own that failed as often as it may
        failed = all(state.health == "unhealthy" and self._own_check(state) for state in waiting)
        return failed or time.monotonic() > deadline

    def _own_check(self, state: ServiceState) -> bool:
        service = self.stack.find(state.name)
        return service is None or service.probe is None or getattr(service.probe, "tool", "") != "outside"

    def _refuse_another_folder(self) -> None:
        """Two projects of one name would take each other's containers and data."""
        for container in self.engine.containers():
            folder = container["Labels"].get(labels.WORKING_DIR)
            if folder and Path(folder).resolve() != self.project.root.resolve() and Path(folder).exists():
                raise UserError(
                    f"a project named {self.stack.project} runs from another folder already",
                    where=folder,
                    remedy="give one of them another PROJECT_NAME, or nself destroy there",
                    code="project-twice",
                )

    def _restart_changed(self, chosen: Sequence[Service], known: set[str], progress: Progress) -> None:
        """Restart what ran before this start and whose mounted configuration changed since."""
        for service in chosen:
            if self._seen.mounted(service):
                continue
            for container in self.engine.of_service(service.name, running=True):
                if container["Id"] in known:
                    progress(service.name, "restarting", "its configuration changed")
                    self.engine.restart(container["Id"], grace=service.stop_grace)
        self._seen.remember(mounts=chosen)

    # -- the rest asks the engine alone

    def stop(self, services: Sequence[str] | None, *, progress: Progress) -> None:
        order = [s.name for s in self.stack.services]
        running = [c for c in self.engine.containers() if c["State"] in {"running", "restarting", "paused"}]
        mine = [c for c in running if services is None or c["Labels"].get(labels.SERVICE) in services]
        layers: dict[int, list[dict[str, Any]]] = {}
        depth = _depths(self.stack)
        for container in mine:
            layers.setdefault(depth.get(container["Labels"].get(labels.SERVICE, ""), len(order)), []).append(container)
        with ThreadPoolExecutor(8) as pool:
            for level in sorted(layers, reverse=True):
                list(pool.map(lambda c: self._stop(c, progress), layers[level]))

    def _stop(self, container: dict[str, Any], progress: Progress) -> None:
        name = container["Labels"].get(labels.SERVICE, "")
        service = self.stack.find(name)
        own = service.stop_grace if service else self.engine.own_grace(container["Id"])
        grace = int(self.project.settings.get("DOCKER_STOP_GRACE_PERIOD") or own)
        progress(name, "stopping", "")
        self.engine.stop(container["Id"], grace=grace)
        progress(name, "stopped", "")

    def states(self, *, probe: bool = False, usage: bool = False) -> list[ServiceState]:
        return read_states(self.stack, self.engine, usage=usage, probe=probe)

    def logs(
        self, services: Sequence[str] | None, *, follow: bool, tail: int | None, since: datetime | None
    ) -> Iterator[LogLine]:
        wanted = [c for c in self.engine.containers() if services is None or c["Labels"].get(labels.SERVICE) in services]
        return logs.lines(self.engine, wanted, follow=follow, tail=tail, since=since)

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
        command, environment = exec_argv(self.engine, service, argv, tty=tty, user=user, env=env)
        given = streams._asdict() if streams else {}
        return subprocess.run(command, env=environment, check=False, **given).returncode

    def own_ports(self) -> set[int]:
        if self.engine.where.local and not Path(self.engine.where.url.removeprefix("unix://")).exists():
            return set()
        listed = self.engine.containers()
        return {int(p["PublicPort"]) for c in listed if c["State"] in _HOLDING for p in c["Ports"] if p.get("PublicPort")}

    def holds_data(self) -> list[str]:
        return sorted(self.engine.volumes())

    def read_volume(self, volume: str, into: IO[bytes]) -> None:
        volumes.read(self.engine, self.stack, volume, into)

    def write_volume(self, volume: str, source: IO[bytes]) -> None:
        def make(service: str) -> None:
            chosen = self._closure([service])
            images.pull_missing(self.engine, chosen, lambda *_: None, parallel=self._parallel)
            never = lambda: False  # noqa: E731
            self._compose.run("up", "--no-start", "--no-deps", service, deadline=never, meanwhile=lambda: None)

        volumes.write(self.engine, self.stack, volume, source, make)

    def destroy(self, *, data: bool, progress: Progress) -> list[str]:
        self.stop(None, progress=progress)
        gone = []
        for container in self.engine.containers():
            name = str(container["Names"][0]).removeprefix("/")
            self.engine.ask("DELETE", f"/containers/{container['Id']}", v=True, force=True)
            progress(container["Labels"].get(labels.SERVICE, name), "removed", "")
            gone.append(f"container {name}")
        for name in sorted(self.engine.volumes().values()) if data else ():
            self.engine.ask("DELETE", f"/volumes/{name}")
            gone.append(f"volume {name}")
        gone += [f"image {name}" for name in self._built() if self._removed(f"/images/{name}")]
        for name in self.engine.networks():  # last: it may be that somebody else's container holds one
            self._remove_network(name)
            gone.append(f"network {name}")
        return gone

    def _remove_network(self, name: str) -> None:
        if self._removed(f"/networks/{name}"):
            return
        others = sorted(c["Name"] for c in (self.engine.ask("GET", f"/networks/{name}")["Containers"] or {}).values())
        raise UserError(
            f"everything else is removed, but the network {name} is in use by {', '.join(others) or 'somebody else'}",
            remedy=f"docker network disconnect {name} {others[0] if others else 'CONTAINER'}, then nself destroy",
            code="network-in-use",
        )

    def _built(self) -> list[str]:
        return [image_name(self.stack, service) for service in self.stack.services if service.build is not None]

    def _removed(self, path: str) -> bool:
        """Whether it could be removed; it stays where it is not there, or somebody else uses it."""
        try:
            self.engine.ask("DELETE", path)
        except UserError as error:
            if error.code != REFUSED:
                raise
            return False
        return True


def _yet_to_end(runtime: Compose, state: ServiceState) -> bool:
    service = runtime.stack.find(state.name)
    return service is not None and service.one_shot and state.status == "running"


def _depths(stack: Stack) -> dict[str, int]:
    """How many needs deep each service stands: what stands deepest is stopped first."""
    depth: dict[str, int] = {}
    for service in stack.services:  # in start order, so what is needed was seen before
        depth[service.name] = 1 + max((depth.get(n.service or "", 0) for n in service.needs), default=0)
    return depth
