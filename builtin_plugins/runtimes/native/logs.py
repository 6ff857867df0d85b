"""The services' logs: one file each, every line with its time and stream, older parts beside it."""

from __future__ import annotations

import heapq
import os
import re
import time
from collections import deque
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from hookspecs import LogLine

_PAUSE = 0.1  # seconds between two looks while following

#: A Go panic, a line of its glog at level F, PostgreSQL's FATAL and PANIC, nginx's emerg, a level of structured logs.
_FATAL = re.compile(
    r"^panic: |^F\d{4} |^fatal\b|\b(?:FATAL|PANIC):|\[(?:emerg|alert|crit)\]|level\"?[=:] ?\"?(?:fatal|panic)", re.IGNORECASE
)

#: An error by its class (Python, JavaScript, Java) or by the word. Not indented: that is a line of a stack.
_ERROR = re.compile(r"^(?=\S).*(?:(?:Error|Exception)\b|\b(?:error|ERROR)\b)")


def read(files: Sequence[tuple[str, Path]], *, follow: bool, tail: int | None, since: datetime | None) -> Iterator[LogLine]:
    """Lines of several logs merged by time, oldest first; ``files`` pairs service and path. ``tail`` counts for each service."""
    # Where following goes on is fixed before anything is read, so that no line is lost or told twice.
    marks = {path: _mark(path) for _, path in files}
    chosen = [_last(_lines(service, path, marks[path], since), tail) for service, path in files]
    yield from heapq.merge(*chosen, key=lambda line: line.time or datetime.min.replace(tzinfo=UTC))
    if follow:
        yield from _follow(files, marks, since)


def last_line(path: Path) -> str:
    """The last line of a log, empty where there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - 8192))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    return lines[-1][30:] if lines else ""


def cause(path: Path, since: float = 0) -> str:
    """The line of a log that tells best why its process ended, of those since a time (seconds since the epoch).

    It is the first of a panic or a fatal error, else the last that names an error, else the last line of all.
    """
    lines = [line for line in map(partial(_parse, ""), _end(path)) if line.time is None or line.time.timestamp() >= since]
    texts = [line.text for line in lines if line.text.strip()]
    return next(filter(_FATAL.search, texts), "") or next(filter(_ERROR.search, reversed(texts)), "") or last_line(path)


def _end(path: Path, size: int = 64 * 1024) -> list[bytes]:
    """The last lines of a file, as many as these bytes hold."""
    try:
        with path.open("rb") as file:
            start = max(0, os.fstat(file.fileno()).st_size - size)
            file.seek(start)
            lines = file.read().splitlines()
    except OSError:
        return []
    return lines[1:] if start else lines


def _mark(path: Path) -> tuple[int, int]:
    """Inode and size now."""
    try:
        found = path.stat()
    except OSError:
        return (0, 0)
    return (found.st_ino, found.st_size)


def _lines(service: str, path: Path, mark: tuple[int, int], since: datetime | None) -> Iterator[LogLine]:
    older = sorted(path.parent.glob(f"{path.name}.*"), key=lambda p: -int(p.suffix[1:]) if p.suffix[1:].isdigit() else 0)
    for part in [*(p for p in older if p.suffix[1:].isdigit()), path]:
        try:
            with part.open("rb") as file:
                left = mark[1] if os.fstat(file.fileno()).st_ino == mark[0] else None
                for raw in file:
                    if left is not None:
                        left -= len(raw)
                        if left < 0:
                            break
                    line = _parse(service, raw)
                    if since is None or (line.time and line.time >= since):
                        yield line
        except FileNotFoundError:
            continue


def _last(lines: Iterator[LogLine], tail: int | None) -> Iterator[LogLine]:
    return lines if tail is None else iter(deque(lines, maxlen=tail))


def _parse(service: str, raw: bytes) -> LogLine:
    """``2026-01-31T12:00:00.000000Z O text``; a line of another form is taken as it is."""
    text = raw.decode("utf-8", "replace").rstrip("\n")
    try:
        at = datetime.strptime(text[:27], "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
    except ValueError:
        return LogLine(service=service, text=text)
    return LogLine(service=service, text=text[30:], stream="stderr" if text[28:29] == "E" else "stdout", time=at)


def _follow(files: Sequence[tuple[str, Path]], marks: dict[Path, tuple[int, int]], since: datetime | None) -> Iterator[LogLine]:
    rest = dict.fromkeys(marks, b"")
    while True:
        fresh: list[LogLine] = []
        for service, path in files:
            for raw in _grown(path, marks, rest):
                line = _parse(service, raw)
                if since is None or (line.time and line.time >= since):
                    fresh.append(line)
        yield from sorted(fresh, key=lambda line: line.time or datetime.min.replace(tzinfo=UTC))
        if not fresh:
            time.sleep(_PAUSE)


def _grown(path: Path, marks: dict[Path, tuple[int, int]], rest: dict[Path, bytes]) -> list[bytes]:
    """Whole lines added since the last look; after a rotation the rest of the old part first."""
    inode, offset = marks[path]
    found: list[bytes] = []
    for part in (path.with_name(f"{path.name}.1"), path):
        try:
            with part.open("rb") as file:
                here = os.fstat(file.fileno()).st_ino
                if part == path:
                    start = offset if here == inode else 0
                elif here == inode:
                    start = offset
                else:
                    continue
                file.seek(start)
                content = file.read()
                if part == path:
                    marks[path] = (here, start + len(content))
        except OSError:
            continue
        *lines, tail = (rest[path] + content).split(b"\n")
        rest[path] = tail
        found += lines
    return found
