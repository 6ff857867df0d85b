"""Storing webhooks: requests that come at the same time share one INSERT and one commit."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import asyncpg

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


class FullError(Exception):
    """More events wait to be stored than are kept in memory."""


class Store:
    """Stores events durably, each once. ``writers`` commits run at a time: while one is on its way, the next gathers."""

    def __init__(
        self, pool: asyncpg.Pool, *, writers: int = 2, most: int = 500, waiting: int = 5000, patience: float = 8
    ) -> None:
        self._pool = pool
        self._most, self._waiting, self._patience = most, waiting, patience
        self._free = writers
        self._rows: list[tuple[Row, asyncio.Future[None]]] = []
        self._flushes: set[asyncio.Task[None]] = set()

    def add(self, row: Row) -> asyncio.Future[None]:
        """Have an event stored; the future is done when it is committed, or was already there, and raises where it is not."""
        if len(self._rows) >= self._waiting:
            raise FullError
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
                await self._write(batch)
        finally:
            self._free += 1

    async def _write(self, batch: Sequence[tuple[Row, asyncio.Future[None]]]) -> None:
        try:
            await asyncio.wait_for(self._insert([row for row, _ in batch]), self._patience)
        except Exception as error:
            import asyncpg

            if len(batch) > 1 and isinstance(error, asyncpg.DataError | asyncpg.DeadlockDetectedError):
                for each in batch:  # one bad event fails alone
                    await self._write([each])
                return
            for _, done in batch:
                if not done.done():
                    done.set_exception(error)
            return
        for _, done in batch:
            if not done.done():
                done.set_result(None)

    async def _insert(self, rows: Sequence[Row]) -> None:
        columns = list(zip(*rows, strict=True))
        async with self._pool.acquire() as connection:
            await connection.execute(_INSERT, *columns)

    async def drain(self) -> None:
        """Return when nothing waits to be stored."""
        while self._flushes:
            await asyncio.wait(self._flushes)
