"""Checks of a project: settings, secrets, generated files, ports, services."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from hookspecs.errors import UserError
from hookspecs.models.findings import Finding, Level
from nself_core.lifecycle import ports
from nself_core.lifecycle.doctor import Diagnosis

if TYPE_CHECKING:
    from nself_core.workspace import Workspace


def unopened(error: UserError) -> Iterator[Diagnosis]:
    """Why the project cannot be opened, each fault of its own."""
    for finding in error.faults():
        yield Diagnosis("settings", finding)


def checks(workspace: Workspace) -> Iterator[Diagnosis]:
    for finding in workspace.findings:
        yield Diagnosis("settings", finding)
    yield from permissions(workspace.root, workspace.state)
    yield from generated(workspace)
    yield from images(workspace)
    try:
        name = workspace.runtime_name()
    except UserError:
        return
    if not workspace.offer(name).available:
        return
    yield from host_ports(workspace, name)
    yield from before_a_start(workspace, name)
    yield from running(workspace, name)


def permissions(root: Path, state: Path) -> Iterator[Diagnosis]:
    """Files with secrets that others on this machine may read, and folders nself must write in and cannot."""
    secret = [root / ".env.secrets", *root.glob(".environments/*/.env.secrets"), *state.glob("compose/env/*.env")]
    secret += list(state.glob("certs/*/privkey.pem"))
    for path in secret:
        if path.is_file() and stat.S_IMODE(path.stat().st_mode) & 0o077:
            mode = stat.S_IMODE(path.stat().st_mode)
            finding = Finding(
                level=Level.ERROR,
                message=f"holds secrets, and its mode {mode:o} lets others read it",
                where=str(path.relative_to(root)),
                remedy=f"chmod 600 {path.relative_to(root)}",
                code="secret-readable",
            )
            yield Diagnosis("permissions", finding, "make it readable by you alone", partial(path.chmod, 0o600))
    for folder in (root, state):
        if folder.is_dir() and not os.access(folder, os.W_OK):
            finding = Finding(level=Level.ERROR, message="nself may not write here", where=str(folder), code="read-only")
            yield Diagnosis("permissions", finding)


def generated(workspace: Workspace) -> Iterator[Diagnosis]:
    """Generated files that are missing, out of date or edited."""
    from nself_core.build import preview

    if not (workspace.state / "build.json").exists():
        finding = Finding(level=Level.NOTE, message="nothing was built yet", remedy="nself start builds first", code="not-built")
        yield Diagnosis("files", finding)
        return
    changes = preview(workspace).changes
    for path in changes.edited:
        remedy = "move the change into the settings, then nself build --force, which saves a copy"
        finding = Finding(
            level=Level.WARNING, message="was edited since the last build", where=path, remedy=remedy, code="edited"
        )
        yield Diagnosis("files", finding)
    stale = sorted({item.path for item in (*changes.writes, *changes.mode)} - set(changes.edited)) + changes.delete
    if stale:
        listed = ", ".join(stale[:5]) + (f" and {len(stale) - 5} more" if len(stale) > 5 else "")
        finding = Finding(level=Level.WARNING, message=f"out of date: {listed}", remedy="nself build", code="stale")
        mend = None if changes.edited else partial(_build, workspace)
        yield Diagnosis("files", finding, "build again", mend)


def _build(workspace: Workspace) -> None:
    with workspace.lock("doctor"):
        workspace.build()


def images(workspace: Workspace) -> Iterator[Diagnosis]:
    """Image pins that no test ever pulled and started."""
    named = [o.name for o in workspace.offers() if o.addressing == "names"]
    services = workspace.stack(named[0]).services if named else ()
    unchecked = sorted(s.name for s in services if s.image is not None and not s.image.checked)
    if unchecked:
        message = f"{len(unchecked)} image versions were never started by nself's own tests: {', '.join(unchecked)}"
        yield Diagnosis("images", Finding(level=Level.NOTE, message=message, code="image-unchecked"))


def host_ports(workspace: Workspace, runtime: str) -> Iterator[Diagnosis]:
    """Ports that a start would have to move, or cannot have."""
    stack = workspace.stack(runtime)
    settled = ports.settle(stack, own=workspace.runtime(runtime).own_ports(), containers=stack.addressing == "names")
    for finding in settled.errors:
        yield Diagnosis("ports", finding)
    for move in settled.moved:
        holder = f", which {move.holder} holds" if move.holder else ""
        message = f"cannot have port {move.wished}{holder}; {move.given} is free"
        finding = Finding(level=Level.WARNING, message=message, where=f"{move.service} ({move.port})", code="port-taken")
        mend = partial(_remember, workspace, runtime, settled)
        yield Diagnosis("ports", finding, f"take {move.given} at the next start", mend)


def _remember(workspace: Workspace, runtime: str, settled: ports.Settled) -> None:
    with workspace.lock("doctor"):
        workspace.remember_ports(runtime, settled.ports)


def before_a_start(workspace: Workspace, runtime: str) -> Iterator[Diagnosis]:
    """What plugins find before a start."""
    found = workspace.plugins.pre_deploy(workspace.project(runtime), "local", workspace.stack(runtime))
    yield from (Diagnosis("start", finding) for _, finding in found)


def running(workspace: Workspace, runtime: str) -> Iterator[Diagnosis]:
    """Services that failed, are unhealthy, or restart again and again."""
    if workspace.recorded_runtime() is None:
        return
    for state in workspace.runtime(runtime).states():
        bad = state.status == "failed" or state.health == "unhealthy"
        if bad or state.restarts > 3:
            word = "failed" if state.status == "failed" else "is unhealthy" if bad else f"was restarted {state.restarts} times"
            message = f"{word}{f': {state.reason}' if state.reason else ''}"
            level = Level.ERROR if bad else Level.WARNING
            remedy = f"nself logs {state.name}; nself restart {state.name}"
            yield Diagnosis("services", Finding(level=level, message=message, where=state.name, remedy=remedy, code="service"))
