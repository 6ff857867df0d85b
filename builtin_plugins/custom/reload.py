"""Run a command again when its source changes: ``python -m builtin_plugins.custom.reload --folder F -- command``.

The native form of interpreted services runs under this in dev. It is the same for every stack, passes signals on, ends with
the command's own exit code so that the supervisor sees a crash, and on Linux takes the command with it when it is killed.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

#: Seconds between two looks at the folder.
PAUSE = 0.7
#: Folders that hold what tools write, not source.
SKIPPED = {"node_modules", "dist", "build", "coverage", "__pycache__", "venv"}
#: Seconds the command has to end itself.
GRACE = 10
#: A command that fails this soon after an edit failed because of it: the next edit is waited for.
SOON = 5


def snapshot(folder: Path) -> dict[str, tuple[int, int]]:
    """Every source file below a folder with its time of change and size."""
    return {str(path): seen for path, seen in _files(folder)}


def _files(folder: Path) -> Iterator[tuple[Path, tuple[int, int]]]:
    for at, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name not in SKIPPED and not name.startswith(".")]
        for name in files:
            path = Path(at) / name
            try:
                state = path.stat()
            except OSError:
                continue  # gone between the listing and the look
            yield path, (state.st_mtime_ns, state.st_size)


def die_with_parent() -> None:
    """Ask Linux to kill this process when its parent is gone, however that ended (prctl(2), PR_SET_PDEATHSIG)."""
    if sys.platform.startswith("linux"):
        import ctypes

        ctypes.CDLL(None).prctl(1, signal.SIGKILL)


class Reloader:
    """One command and its folder."""

    def __init__(self, folder: Path, command: Sequence[str], before: Sequence[str] = ()) -> None:
        self.folder = folder
        self.command = list(command)
        self.before = list(before)
        self.asked = threading.Event()

    def run(self) -> int:
        """Until the command ends by itself or a signal asks; the command's exit code, 0 after a signal."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.asked.set())
        seen = snapshot(self.folder)
        child = self._start()
        edited = float("-inf")
        while not self.asked.wait(PAUSE):
            code = child.poll()
            waiting = code is not None and code > 0 and time.monotonic() - edited < SOON
            if code is not None and not waiting:
                return code if code >= 0 else 128 - code
            if waiting:
                edited = float("inf")
            now = snapshot(self.folder)
            if now != seen:
                child = self._again(child, seen, now)
                seen, edited = snapshot(self.folder), time.monotonic()
        self._stop(child)
        return 0

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(self.command, preexec_fn=die_with_parent)  # noqa: PLW1509  no other thread runs yet

    def _again(
        self, child: subprocess.Popen[bytes], old: dict[str, tuple[int, int]], new: dict[str, tuple[int, int]]
    ) -> subprocess.Popen[bytes]:
        changed = sorted(path for path in old.keys() | new.keys() if old.get(path) != new.get(path))
        say(f"{os.path.relpath(changed[0], self.folder)} changed: starting again")
        if self.before and subprocess.run(self.before, check=False).returncode != 0:
            say("the build failed: the running program stays")
            return child
        self._stop(child)
        return self._start()

    def _stop(self, child: subprocess.Popen[bytes]) -> None:
        child.terminate()
        try:
            child.wait(GRACE)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def say(text: str) -> None:
    """One line for the service's log."""
    print(f"reload: {text}", file=sys.stderr, flush=True)  # noqa: T201  this is a program of its own


def main(argv: Sequence[str] | None = None) -> int:
    """The program."""
    parser = argparse.ArgumentParser(prog="reload", description="run a command again when its source changes")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--before", action="append", default=[], help="one argument of the command to run before each restart")
    parser.add_argument("command", nargs="+")
    given = parser.parse_args(argv)
    return Reloader(given.folder, given.command, given.before).run()


if __name__ == "__main__":
    sys.exit(main())
