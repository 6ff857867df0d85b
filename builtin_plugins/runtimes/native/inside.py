"""What runs inside the supervisor: counts restarts, gives up those in vain, writes each service's log with the time of each line.

Loaded by supervisord as an RPC interface (``[rpcinterface:nself]``); its manual documents both that and the events.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path
from typing import Any

from supervisor import events  # type: ignore[import-untyped]
from supervisor.loggers import RotatingFileHandler  # type: ignore[import-untyped]
from supervisor.process import RestartUnconditionally  # type: ignore[import-untyped]
from supervisor.states import ProcessStates, getProcessStateDescription  # type: ignore[import-untyped]

LOG_BYTES = 10 * 1024 * 1024
LOG_BACKUPS = 3

#: Seconds a process must have run for its end to be an accident, which is healed at once. What ends sooner is started again
#: after a growing wait, and given up (FATAL) after the configuration's ``startretries``.
STEADY = 10

_LONGEST = 64 * 1024  # a line without an end is cut here, so that a service cannot fill the supervisor's memory


class Interface:
    """The methods under ``nself.`` of the supervisor's XML-RPC."""

    def __init__(self, supervisord: Any, logs: Path) -> None:
        self._supervisord = supervisord
        self._logs = logs
        self._restarts: dict[str, int] = {}
        self._short: dict[str, int] = {}  # runs in a row that ended soon
        self._files: dict[str, Any] = {}
        self._rest: dict[tuple[str, str], bytes] = {}
        events.subscribe(events.ProcessStateStartingEvent, self._starting)
        events.subscribe(events.ProcessLogEvent, self._log)
        events.subscribe(events.ProcessStateEvent, self._ended)
        events.subscribe(events.ProcessStateExitedEvent, self._end_rest)
        events.subscribe(events.ProcessStateExitedEvent, self._slow_down)

    def pid(self) -> int:
        """The supervisor's own process id."""
        return os.getpid()

    def states(self) -> list[dict[str, Any]]:
        """Every process as it stands, in one answer."""
        return [
            {
                "name": process.config.name,
                "state": getProcessStateDescription(process.get_state()),
                "pid": process.pid,
                "started": float(process.laststart or 0),
                "exit_code": -1 if process.exitstatus is None else process.exitstatus,
                "restarts": self._restarts.get(process.config.name, 0),
                "error": process.spawnerr or "",
            }
            for group in self._supervisord.process_groups.values()
            for process in group.processes.values()
        ]

    def _starting(self, event: Any) -> None:
        """A start out of STOPPED was asked for; out of any other state the supervisor heals."""
        name = event.process.config.name
        if event.from_state in (ProcessStates.EXITED, ProcessStates.BACKOFF):
            self._restarts[name] = self._restarts.get(name, 0) + 1
        else:
            self._restarts[name] = self._short[name] = 0

    def _end_rest(self, event: Any) -> None:
        """Kill what a process left that ended by itself: workers of a killed one hold its ports, and outlive every stop.

        Each process that the supervisor starts leads a process group.
        """
        if event.process.pid > 0:  # else it would be the supervisor's own group
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(event.process.pid, signal.SIGKILL)

    def _slow_down(self, event: Any) -> None:
        """Have a process that ended soon wait before its next start.

        The supervisor does so itself within ``startsecs``, but then forgets the exit code, and retries even what ended well.
        """
        process = event.process
        again = process.config.autorestart
        if not again or (again is not RestartUnconditionally and event.expected):
            return
        name = process.config.name
        self._short[name] = self._short.get(name, 0) + 1 if process.laststop - process.laststart < STEADY else 0
        if self._short[name]:
            process.backoff = self._short[name] - 1  # the change of state adds one
            process.change_state(ProcessStates.BACKOFF)

    def _log(self, event: Any) -> None:
        name = event.process.config.name
        stream = "E" if event.channel == "stderr" else "O"
        *lines, rest = (self._rest.get((name, stream), b"") + event.data).split(b"\n")
        if len(rest) > _LONGEST:
            lines.append(rest)
            rest = b""
        self._rest[(name, stream)] = rest
        self._write(name, stream, lines)

    def _ended(self, event: Any) -> None:
        """The last line of a process may have had no end of line."""
        if isinstance(event, (events.ProcessStateExitedEvent, events.ProcessStateStoppedEvent, events.ProcessStateBackoffEvent)):
            name = event.process.config.name
            for stream in "OE":
                rest = self._rest.pop((name, stream), b"")
                if rest:
                    self._write(name, stream, [rest])

    def _write(self, name: str, stream: str, lines: list[bytes]) -> None:
        if not lines:
            return
        now = time.time()
        head = f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(now))}.{int(now % 1 * 1e6):06d}Z {stream} ".encode()
        file = self._files.get(name)
        if file is None:
            file = RotatingFileHandler(str(self._logs / f"{name}.log"), "ab", LOG_BYTES, LOG_BACKUPS)
            file.setFormat("%(message)s")
            self._files[name] = file
        file.emit(_Line(b"".join(head + line.rstrip(b"\r") + b"\n" for line in lines)))


class _Line:
    """What the supervisor's log handlers ask of a record."""

    kw: dict[str, Any] = {}  # noqa: RUF012  never changed

    def __init__(self, content: bytes) -> None:
        self.msg = content


def make(supervisord: Any, logs: str) -> Interface:
    """The factory that the configuration names."""
    return Interface(supervisord, Path(logs).absolute())
