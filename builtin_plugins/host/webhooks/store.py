"""Storing webhooks: requests that come at the same time share one INSERT and one commit."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

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


#: What is called once for an event, and whether it is on disk now.
Told = Callable[[bool], None]
_Waiting = list[tuple[Row, Told]]


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

    def add(self, row: Row, told: Told) -> None:
        """Have an event stored; ``told`` is called with ``True`` when it is committed, or was already there, else with
        ``False``. `NotStoredError` where too much waits; then nothing is called.

        A callback, as a future and its turn of the loop would cost as much as verifying the event does.
        """
        size = len(row.body) + len(row.event)
        if size > self._room:
            raise NotStoredError
        self._room -= size
        self._rows.append((row, told))
        if self._free:
            self._free -= 1
            flush = asyncio.create_task(self._flush())
            self._flushes.add(flush)
            flush.add_done_callback(self._flushes.discard)

    async def store(self, row: Row) -> None:
        """Return when an event is stored; `NotStoredError` where it is not."""
        done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self.add(row, lambda stored: None if done.done() else done.set_result(stored))
        if not await done:
            raise NotStoredError

    async def _flush(self) -> None:
        """Write what waits, and what comes meanwhile: a connection is kept as long as it lasts."""
        try:
            while self._rows:
                try:
                    async with asyncio.timeout(self._patience):
                        connection = await self._pool.acquire()
                except Exception as error:
                    self._tell(self._taken(), error)
                    continue
                try:
                    while self._rows and await self._write(connection, self._taken()):
                        pass
                finally:
                    await self._pool.release(connection)
        finally:
            self._free += 1

    def _taken(self) -> _Waiting:
        batch, self._rows = self._rows[: self._most], self._rows[self._most :]
        return batch

    async def _write(self, connection: Any, batch: _Waiting) -> bool:
        """Whether it went well."""
        import asyncpg

        try:
            async with asyncio.timeout(self._patience):
                await connection.execute(_INSERT, *zip(*[row for row, _ in batch], strict=True))
        except Exception as error:
            if len(batch) > 1 and isinstance(error, asyncpg.DataError | asyncpg.DeadlockDetectedError):
                return all([await self._write(connection, [each]) for each in batch])  # one bad event fails alone
            self._tell(batch, error)
            return False
        self._tell(batch)
        return True

    def _tell(self, batch: _Waiting, error: Exception | None = None) -> None:
        if error is not None:
            _log.error("%s webhooks could not be stored: %s", len(batch), error or type(error).__name__)
        for row, told in batch:
            self._room += len(row.body) + len(row.event)
            told(error is None)
