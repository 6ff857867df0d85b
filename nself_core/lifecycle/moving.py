"""Moving a project's data from one runtime to another: dumped where it is, restored where it goes, by each service's own tool.

Volumes whose files any runtime's program reads alike are copied instead.

A whole set of dumps is written down in ``.nself/switch.json``: a move that was cut off after it goes on with restoring. The
source's data is only read, and stays where it is.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from hookspecs.errors import UserError
from hookspecs.models.findings import Finding, Level
from hookspecs.models.runtime import Streams
from nself_core.lifecycle import starting
from nself_core.workspace import read_json

if TYPE_CHECKING:
    from hookspecs.models.runtime import Progress, Runtime
    from hookspecs.models.service import Service
    from hookspecs.models.stack import Stack
    from nself_core.workspace import Workspace

STATE = "switch.json"
FOLDER = "switch"
_ERROR_SHOWN = 600


class Access:
    """``hookspecs.DataAccess`` over a runtime's ``exec``."""

    def __init__(self, runtime: Runtime, service: str, environment: Mapping[str, str]) -> None:
        self.environment = environment
        self._runtime = runtime
        self._service = service

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: IO[bytes] | None = None,
        stdout: IO[bytes] | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        """See ``hookspecs.DataAccess``."""
        with tempfile.TemporaryFile() as said, Path("/dev/null").open("r+b") as nothing:
            streams = Streams(stdin=stdin or nothing, stdout=stdout or nothing, stderr=said)
            code = self._runtime.exec(self._service, argv, tty=False, user=None, env=dict(env or {}), streams=streams)
            if code:
                said.seek(0)
                told = said.read().decode(errors="replace").strip()
                raise UserError(
                    f"{argv[0]} failed in {self._service}: {told[-_ERROR_SHOWN:] or f'exit code {code}'}",
                    where=self._service,
                    code="data-tool",
                )


def movable(stack: Stack, held: Iterable[str], other: Stack) -> tuple[list[Service], list[Finding]]:
    """The services whose data can be moved, and a finding for each volume with data that cannot."""
    found: dict[str, Service] = {}
    left: list[Finding] = []
    for volume in held:
        owner = next((s for s in stack.services if any(m.kind == "volume" and m.source == volume for m in s.mounts)), None)
        why = _why_not(owner, volume, stack, other)
        if owner is None or why:
            left.append(
                Finding(level=Level.ERROR, message=why, where=volume, remedy="--leave goes without it", code="data-stays")
            )
        else:
            found[owner.name] = owner
    return list(found.values()), left


def _why_not(service: Service | None, volume: str, stack: Stack, other: Stack) -> str:
    if service is None:
        return "it is of a service that is switched off now"
    twin = other.find(service.name)
    if twin is None or other.why_unavailable(service.name):
        reason = other.why_unavailable(service.name)
        return f"{service.name} cannot run on the {other.runtime} runtime{f': {reason}' if reason else ''}"
    if stack.why_unavailable(service.name):
        return f"{service.name} cannot run on the {stack.runtime} runtime, so it cannot be asked for it"
    if _has_tool(service) or all(_copied(one, volume) for one in (service, twin)):
        return ""
    return f"{service.name} has no dump that another runtime could read"


def _has_tool(service: Service) -> bool:
    return service.backup is not None and bool(service.backup.dump and service.backup.restore)


def _copied(service: Service, volume: str) -> bool:
    backup = service.backup
    return backup is not None and backup.portable and volume in backup.volumes


def pending(workspace: Workspace) -> dict[str, Any]:
    """A move that was cut off in this environment; empty where there is none."""
    return dict(read_json(workspace.state / STATE).get(workspace.environment.name, {}))


def forget(workspace: Workspace) -> None:
    """Drop what a move left behind: it is done, or the source was started again and the dump is no longer true."""
    import shutil

    document = read_json(workspace.state / STATE)
    if workspace.environment.name in document:
        del document[workspace.environment.name]
        workspace.write_state(STATE, document)
    shutil.rmtree(_folder(workspace), ignore_errors=True)


def move(
    workspace: Workspace, source: str, target: str, services: Sequence[Service], *, asked: str | None, report: Progress
) -> None:
    """Dump on ``source``, restore on ``target``. The caller holds the project's lock, and records the runtime afterwards."""
    names = [service.name for service in services]
    known = pending(workspace)
    if (known.get("from"), known.get("to"), known.get("services")) != (source, target, names):
        forget(workspace)
        _take_out(workspace, source, services, asked=asked, report=report)
        _remember(workspace, {"from": source, "to": target, "services": names})
    _put_in(workspace, target, services, asked=asked, report=report)


def _take_out(workspace: Workspace, source: str, services: Sequence[Service], *, asked: str | None, report: Progress) -> None:
    """Stop everything, so that nobody writes any more, and dump each service alone."""
    idle = workspace.runtime(source)
    idle.stop(None, progress=report)
    for service, volume in _volumes(services):
        with _written(workspace, service, f"{volume}.tar", report) as part, part.open("wb") as out:
            idle.read_volume(volume, out)
    asked_for = [service for service in services if _has_tool(service)]
    if not asked_for:
        return
    runtime = _started(workspace, source, asked_for, asked=asked, report=report)
    for service in asked_for:
        with _written(workspace, service, f"{service.name}.dump", report) as part:
            _tool(service, "dump")(_access(workspace, runtime, source, service), part)
    runtime.stop(None, progress=report)


def _volumes(services: Sequence[Service]) -> Iterator[tuple[Service, str]]:
    for service in services:
        if not _has_tool(service) and service.backup is not None:
            yield from ((service, volume) for volume in service.backup.volumes)


@contextmanager
def _written(workspace: Workspace, service: Service, name: str, report: Progress) -> Iterator[Path]:
    """A private file to write, which takes its name once it is whole."""
    path = _folder(workspace) / name
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.touch(mode=0o600)
    report(service.name, "dumping", "")
    try:
        yield part
    except OSError as error:
        part.unlink(missing_ok=True)
        raise UserError(
            f"the data of {service.name} cannot be written: {error.strerror}",
            where=str(path.parent),
            remedy="free space",
            code="dump",
        ) from error
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    part.replace(path)
    report(service.name, "dumped", f"{path.stat().st_size / 1e6:.1f} MB")


def _put_in(workspace: Workspace, target: str, services: Sequence[Service], *, asked: str | None, report: Progress) -> None:
    idle = starting.prepare(workspace, target, asked=asked)
    for service, volume in _volumes(services):
        report(service.name, "restoring", "")
        with (_folder(workspace) / f"{volume}.tar").open("rb") as source:
            idle.write_volume(volume, source)
        report(service.name, "restored", "")
    asked_for = [service for service in services if _has_tool(service)]
    if not asked_for:
        return
    runtime = _started(workspace, target, asked_for, asked=asked, report=report)
    for service in asked_for:
        report(service.name, "restoring", "")
        _tool(service, "restore")(_access(workspace, runtime, target, service), _folder(workspace) / f"{service.name}.dump")
        report(service.name, "restored", "")
    runtime.stop(None, progress=report)


def _started(workspace: Workspace, name: str, services: Sequence[Service], *, asked: str | None, report: Progress) -> Runtime:
    """The runtime with these services up, and what they need; ``UserError`` where one does not get healthy."""
    runtime = starting.prepare(workspace, name, asked=asked)
    states = runtime.start([s.name for s in services], timeout=starting.patience(workspace, None), progress=report)
    bad = starting.failures([s for s in states if s.status != "unavailable"])
    mine = [s for s in bad if s.name in {service.name for service in services}]
    if mine:
        starting.tell_failures(runtime, mine)
        names = ", ".join(s.name for s in mine)
        raise UserError(
            f"{names} did not come up on the {name} runtime, so its data was not moved",
            remedy="mend that, and say nself runtime switch again; the data on the other side is as it was",
            code="switch-start",
        )
    return runtime


def _access(workspace: Workspace, runtime: Runtime, name: str, service: Service) -> Access:
    return Access(runtime, service.name, workspace.resolver(workspace.stack(name)).environment(service.name))


def _tool(service: Service, part: str) -> Callable[[Access, Path], None]:
    assert service.backup is not None  # noqa: S101  movable() looked
    module, _, name = str(getattr(service.backup, part)).partition(":")
    found: Callable[[Access, Path], None] = getattr(import_module(module), name)
    return found


def _folder(workspace: Workspace) -> Path:
    return workspace.state / FOLDER / workspace.environment.name


def _remember(workspace: Workspace, state: dict[str, Any]) -> None:
    workspace.write_state(STATE, read_json(workspace.state / STATE) | {workspace.environment.name: state})
