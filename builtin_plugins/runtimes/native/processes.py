"""Looking at processes of this machine: what belongs to a project, what it uses, and ending what is left over."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from builtin_plugins.runtimes.native.layout import Layout

if TYPE_CHECKING:
    import psutil

#: Set for every process the runtime starts, to the project's base folder; children inherit it.
MARK = "NSELF_NATIVE"


@dataclass(frozen=True)
class Usage:
    """Memory in bytes, and CPU in percent of one core over the life of the processes."""

    memory: int
    cpu: float


def strays(layout: Layout) -> list[psutil.Process]:
    """Processes of the project that run. Known by their mark, or (some overwrite it) by a working folder inside the data."""
    import psutil

    mark, data = str(layout.base), f"{layout.data}{os.sep}"
    found = []
    for process in psutil.process_iter():
        if process.pid == os.getpid():
            continue
        with contextlib.suppress(psutil.Error, OSError):
            ours = process.environ().get(MARK) == mark
            if ours or (process.cwd().startswith(data) and f"{os.sep}programs{os.sep}" in process.exe()):
                found.append(process)
    return found


def end(processes: Iterable[psutil.Process], grace: float) -> None:
    """Ask processes to end; kill those that have not after ``grace`` seconds."""
    import psutil

    left = list(processes)
    for process in left:
        with contextlib.suppress(psutil.Error):
            process.terminate()
    _, left = psutil.wait_procs(left, timeout=grace)
    for process in left:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(left, timeout=5)


def descendants(pid: int) -> list[psutil.Process]:
    """The processes below one, itself left out."""
    import psutil

    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.Error:
        return []


def usage(roots: Iterable[int]) -> dict[int, Usage]:
    """What each of these processes uses together with those below it. Shared memory is counted once."""
    import psutil

    roots = set(roots)
    children: dict[int, list[int]] = {}
    for pid in psutil.pids():
        with contextlib.suppress(psutil.Error):
            children.setdefault(psutil.Process(pid).ppid(), []).append(pid)
    return {root: used for root in roots if (used := _used(root, children)) is not None}


def _used(root: int, children: dict[int, list[int]]) -> Usage | None:
    import psutil

    own = shared = 0
    cpu = 0.0
    waiting, seen = [root], 0
    oldest = time.time()
    while waiting:
        pid = waiting.pop()
        waiting += children.get(pid, [])
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(pid)
            with process.oneshot():
                memory, times = process.memory_info(), process.cpu_times()
                part = getattr(memory, "shared", 0)
                own += memory.rss - part
                shared = max(shared, part)
                cpu += times.user + times.system
                oldest = min(oldest, process.create_time())
            seen += 1
    age = max(time.time() - oldest, 0.01)
    return Usage(own + shared, round(100 * cpu / age, 1)) if seen else None
