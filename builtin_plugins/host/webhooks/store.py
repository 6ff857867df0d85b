"""Storing webhooks: requests that come at the same time share one INSERT and one commit."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import asyncpg

_log = logging.getLogger("nself.host.webhooks")

#: How the work of a source is named in the queue.
PREFIX = "webhook:"

_INSERT = """
    INSERT INTO nself_host.jobs (plugin, name, once, event, payload)
    SELECT plugin, name, once, event::jsonb, payload
    FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bytea[]) AS t (plugin, name, once, event, payload)
    ON CONFLICT (plugin, name, once) WHERE once IS NOT NULL DO NOTHING
"""


class Row(NamedTuple):
    """An event to be stored; ``name`` is `PREFIX` and the source, ``event`` JSON of type, content type and headers."""

    plugin: str
    name: str
    once: str
    event: str
    body: bytes


class NotStoredError(Exception):
    """The event is not known to be on disk: the database does not answer, or too much waits for it."""


_Waiting = list[tuple[Row, "asyncio.Future[None]"]]


class Store:
    """Stores events durably, each once. ``writers`` commits run at a time: while one is on its way, the next gathers.

    A commit takes ``most`` events; so many bytes as ``room`` may wait. ``patience``: seconds for a commit.
    """

    def __init__(
        self, pool: asyncpg.Pool, *, writers: int = 2, most: int = 500, room: int = 64 << 20, patience: float = 8
    ) -> None:
        self._pool = pool
        self._most, self._room, self._patience = most, room, patience
        self._free = writers
        self._rows: _Waiting = []
        self._flushes: set[asyncio.Task[None]] = set()

    def add(self, row: Row) -> asyncio.Future[None]:
        """Have an event stored; the future is done when it is committed, or was already there. Else it, or this, raises
        `NotStoredError`.
        """
        size = len(row.body) + len(row.event)
        if size > self._room:
            raise NotStoredError
        self._room -= size
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._rows.append((row, done))
        if self._free:
            self._free -= 1
            flush = asyncio.create_task(self._flush())
            self._flushes.add(flush)
            flush.add_done_callback(self._flushes.discard)
        return done

    async def _flush(self) -> None:
        try:
            while self._rows:
                batch, self._rows = self._rows[: self._most], self._rows[self._most :]
                try:
                    await self._write(batch)
                finally:
                    self._room += sum(len(row.body) + len(row.event) for row, _ in batch)
        finally:
            self._free += 1

    async def _write(self, batch: _Waiting) -> None:
        try:
            async with asyncio.timeout(self._patience):
                await self._insert([row for row, _ in batch])
        except Exception as error:
            import asyncpg

            if len(batch) > 1 and isinstance(error, asyncpg.DataError | asyncpg.DeadlockDetectedError):
                for each in batch:  # one bad event fails alone
                    await self._write([each])
                return
            _log.error("%s webhooks could not be stored: %s", len(batch), error or type(error).__name__)
            for _, done in batch:
                if not done.done():
                    done.set_exception(NotStoredError())
            return
        for _, done in batch:
            if not done.done():
                done.set_result(None)

    async def _insert(self, rows: Sequence[Row]) -> None:
        columns = list(zip(*rows, strict=True))
        async with self._pool.acquire() as connection:
            await connection.execute(_INSERT, *columns)
