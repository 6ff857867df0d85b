"""Structured JSON logs, one line each, of the types Hasura's have."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import Any

import orjson

LEVELS = {"debug": 0, "info": 1, "warn": 2, "error": 3}


class Logger:
    """Writes `{"type", "level", "timestamp", "detail"}` lines; types not enabled are skipped."""

    def __init__(self, types: tuple[str, ...], level: str = "info", stream: Any = None) -> None:
        self._types = frozenset(types)
        self._level = LEVELS.get(level, 1)
        self._stream = stream if stream is not None else sys.stdout.buffer

    def wants(self, kind: str) -> bool:
        """True when a line of this type would be written; lets a hot path skip building it."""
        return kind in self._types

    def write(self, kind: str, detail: Any, level: str = "info") -> None:
        """Write one line, unless its type or level is switched off. Errors of any type are always written."""
        rank = LEVELS.get(level, 1)
        if rank < self._level or (kind not in self._types and rank < LEVELS["error"]):
            return
        stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "+0000"
        line = {"type": kind, "timestamp": stamp, "level": level, "detail": detail}
        self._stream.write(orjson.dumps(line, default=str, option=orjson.OPT_APPEND_NEWLINE))
        self._stream.flush()
