"""Replacing secrets without breaking what runs: who keeps a copy is told first, then the files, then what refers to it restarts.

The new values stand in a journal (0600, below ``.nself``) before anything is changed, so that a rotation that was cut off is
finished with the same values by the next one, or by the next start.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING

from nself_core.settings.provision import store
from nself_core.workspace import read_json

if TYPE_CHECKING:
    from hookspecs.models.runtime import Progress, Runtime, ServiceState
    from nself_core.workspace import Workspace

JOURNAL = "rotation.json"


@dataclass
class Rotated:
    """What a rotation did."""

    names: list[str]
    told: list[str] = field(default_factory=list)
    """Services that keep a copy and took the new value."""
    restarted: list[str] = field(default_factory=list)
    states: list[ServiceState] = field(default_factory=list)
    """How everything that ran before stands now."""


def pending(workspace: Workspace) -> dict[str, str]:
    """The new values of a rotation of this environment that was cut off."""
    found = read_json(workspace.state / JOURNAL).get(workspace.environment.name, {})
    return {str(name): str(value) for name, value in found.items()}


def rotate(workspace: Workspace, values: Mapping[str, str], *, timeout: float, progress: Progress) -> Rotated:
    """Put new values in force. The caller holds the project's lock; what ``pending`` gave is finished in passing."""
    from nself_core.settings.provision import keep_out_of_git

    keep_out_of_git(workspace.root)  # fails where nothing can be written, before anything is changed
    values = {**pending(workspace), **values}
    done = Rotated(sorted(values))
    name = workspace.recorded_runtime()
    runtime = workspace.runtime(name) if name else None
    before = {(s.name, s.instance): s.id for s in _running(runtime)} if runtime else {}
    names = {name for name, _ in before}
    _write(workspace, values)
    if runtime:
        done.told += _tell(workspace, runtime, values, names, progress)
    store(workspace.root, workspace.environment.name, values)
    workspace.refresh()
    if runtime and name:
        workspace.build()
        runtime = workspace.runtime(name)
        _tell_stopped(workspace, runtime, values, done, timeout, progress)
        if before:
            states = runtime.start(sorted(names), timeout=timeout, progress=progress)
            done.states = [s for s in states if (s.name, s.instance) in before]
            done.restarted = sorted({s.name for s in done.states if s.id != before[s.name, s.instance]})
    _write(workspace, {})
    return done


def _running(runtime: Runtime) -> list[ServiceState]:
    return [state for state in runtime.states() if state.status in {"running", "starting"}]


def _tell(
    workspace: Workspace, runtime: Runtime, values: Mapping[str, str], among: set[str], progress: Progress
) -> Iterator[str]:
    """Have each service among some take the new values it keeps a copy of; their names."""
    from hookspecs.models.runtime import Rekeying

    stack = workspace.stack(runtime.name)
    for service in stack.services:
        for secret in sorted(service.rekey.keys() & values.keys()):
            if service.name in among:
                module, _, function = service.rekey[secret].partition(":")
                progress(service.name, "rekeying", secret)
                old = workspace.secret_values().get(secret, "")
                project = workspace.project(runtime.name)
                access = runtime.access(service.name)
                change = Rekeying(project, stack, service.name, secret, old, values[secret], access)
                getattr(import_module(module), function)(change)
                yield service.name


def _tell_stopped(
    workspace: Workspace, runtime: Runtime, values: Mapping[str, str], done: Rotated, timeout: float, progress: Progress
) -> None:
    """Services that keep a copy and do not run are started for it, and stopped again."""
    if not runtime.holds_data():
        return
    stack = workspace.stack(runtime.name)
    keepers = {s.name for s in stack.services if s.rekey.keys() & values.keys() and stack.why_unavailable(s.name) is None}
    running = {s.name for s in _running(runtime)}
    late = sorted(keepers - set(done.told) - running)
    if late:
        runtime.start(late, timeout=timeout, progress=progress)
        done.told += list(_tell(workspace, runtime, values, set(late), progress))
        runtime.stop(late if running else None, progress=progress)


def _write(workspace: Workspace, values: Mapping[str, str]) -> None:
    """Remember the new values of this environment, or with none forget them."""
    document = read_json(workspace.state / JOURNAL)
    document.pop(workspace.environment.name, None)
    if values:
        document[workspace.environment.name] = dict(values)
    if document:
        workspace.write_state(JOURNAL, document)
    else:
        (workspace.state / JOURNAL).unlink(missing_ok=True)
