"""Checks of this machine: runtimes, disk, memory, clock."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from hookspecs.models.findings import Finding, Level
from nself_core.lifecycle.doctor import Diagnosis

if TYPE_CHECKING:
    from nself_core.workspace import Workspace

_GIGABYTE = 1024**3
_LITTLE, _TOO_LITTLE = 5 * _GIGABYTE, 1 * _GIGABYTE
#: No clock that is right is before this program was written.
_EARLIEST = datetime(2025, 1, 1, tzinfo=UTC)


def checks(workspace: Workspace | None) -> Iterator[Diagnosis]:
    """What a project needs of the machine. Without a project only disk and clock can be judged."""
    yield from disk(workspace.root if workspace else Path.cwd())
    yield from clock(workspace.root if workspace else Path.cwd())
    if workspace is not None:
        yield from runtimes(workspace)


def disk(place: Path, free: int | None = None) -> Iterator[Diagnosis]:
    """Little room is a warning; too little for a database to work is an error."""
    left = shutil.disk_usage(place).free if free is None else free
    if left < _LITTLE:
        level = Level.ERROR if left < _TOO_LITTLE else Level.WARNING
        message = f"only {left / _GIGABYTE:.1f} GB are free where the project is"
        yield _found("disk", level, message, "free space: old images, logs and backups take most", "disk-full")


def clock(place: Path, now: float | None = None) -> Iterator[Diagnosis]:
    """A wrong clock ends sessions at once and makes certificates invalid. No time server is asked: files tell enough."""
    moment = time.time() if now is None else now
    if moment < _EARLIEST.timestamp():
        message = f"the clock says {datetime.fromtimestamp(moment, UTC):%Y-%m-%d}, which is in the past"
        yield _found("clock", Level.ERROR, message, "set it, or turn on time synchronisation", "clock")
        return
    newest = max((p.stat().st_mtime for p in place.glob(".env*") if p.is_file()), default=0.0)
    if newest > moment + 300:
        message = "the clock is behind the project's own files, so sessions and certificates may be refused"
        yield _found("clock", Level.WARNING, message, "turn on time synchronisation", "clock")


def runtimes(workspace: Workspace) -> Iterator[Diagnosis]:
    """Which runtimes can run here; none, or the chosen one not, is an error."""
    offers = workspace.offers()
    recorded = workspace.recorded_runtime()
    for offer in offers:
        if not offer.available:
            needed = offer.name == recorded or not any(o.available for o in offers)
            level = Level.ERROR if needed else Level.NOTE
            yield _found("runtimes", level, f"the {offer.name} runtime cannot run here: {offer.reason}", "", "runtime")
    name = recorded or next((o.name for o in offers if o.available), None)
    if name is None:
        return
    for gone in workspace.stack(name).unavailable:
        message = f"{gone.service} cannot run on the {name} runtime: {gone.reason}"
        yield _found("programs", Level.NOTE, message, "", "unavailable")


def _found(check: str, level: Level, message: str, remedy: str, code: str) -> Diagnosis:
    return Diagnosis(check, Finding(level=level, message=message, remedy=remedy, code=code))
