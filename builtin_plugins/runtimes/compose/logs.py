"""Log lines of containers, merged by time."""

from __future__ import annotations

import heapq
import queue
import threading
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from builtin_plugins.runtimes.compose import labels
from builtin_plugins.runtimes.compose.engine import Engine, moment
from hookspecs import LogLine

_STREAMS = ("stdout", "stderr")


def lines(
    engine: Engine, containers: Sequence[dict[str, Any]], *, follow: bool, tail: int | None, since: datetime | None
) -> Iterator[LogLine]:
    """The lines of all containers, oldest first; with ``follow`` then what comes, as it comes."""
    past: list[list[LogLine]] = []
    for container in containers:
        mine = sorted((line for stream in _STREAMS for line in _read(engine, container, stream, tail, since)), key=_time)
        past.append(mine if tail is None else mine[-tail:] if tail else [])
    yield from heapq.merge(*past, key=_time)
    if follow:
        yield from _follow(engine, containers)


def _time(line: LogLine) -> float:
    return line.time.timestamp() if line.time else 0.0


def _read(engine: Engine, container: dict[str, Any], stream: str, tail: int | None, since: datetime | None) -> Iterable[LogLine]:
    options: dict[str, Any] = {"stdout": stream == "stdout", "stderr": stream == "stderr", "timestamps": True, "stream": False}
    if since is not None:
        options["since"] = since.timestamp()
    raw: bytes = engine.stream(lambda api: api.logs(container["Id"], tail="all" if tail is None else tail, **options))
    service = container["Labels"].get(labels.SERVICE, "")
    return [_line(service, stream, text) for text in raw.decode(errors="replace").splitlines()]


def _line(service: str, stream: str, text: str) -> LogLine:
    stamp, _, rest = text.partition(" ")
    try:
        at = moment(stamp)
    except ValueError:
        at, rest = None, text
    return LogLine(service=service, text=rest.rstrip("\r"), stream="stderr" if stream == "stderr" else "stdout", time=at)


def _follow(engine: Engine, containers: Sequence[dict[str, Any]]) -> Iterator[LogLine]:
    """One reader for each container and stream; ends when all containers end."""
    came: queue.Queue[LogLine | None] = queue.Queue(maxsize=10_000)
    readers = [(container, stream) for container in containers for stream in _STREAMS]

    def read(container: dict[str, Any], stream: str) -> None:
        service = container["Labels"].get(labels.SERVICE, "")
        options: dict[str, Any] = {"stdout": stream == "stdout", "stderr": stream == "stderr"}
        rest = b""
        try:
            for chunk in engine.streaming.logs(container["Id"], stream=True, follow=True, tail=0, timestamps=True, **options):
                *whole, rest = (rest + chunk).split(b"\n")
                for text in whole:
                    came.put(_line(service, stream, text.decode(errors="replace")))
        except OSError:  # the engine or the container went away: this reader is done
            rest = b""
        finally:
            came.put(None)

    for container, stream in readers:
        threading.Thread(target=read, args=(container, stream), daemon=True).start()
    open_readers = len(readers)
    while open_readers:
        line = came.get()
        if line is None:
            open_readers -= 1
        else:
            yield line
