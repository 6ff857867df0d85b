"""A small connection pool whose connections keep their own prepared statements.

A leased connection is handed back as it is (no reset round trip), because the engine never leaves
session state behind: transactions are closed and settings are `SET LOCAL`.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from ..errors import DatabaseDown

STATEMENTS_KEPT = 1000
DOWN = (OSError, asyncpg.InterfaceError, asyncpg.PostgresConnectionError, asyncpg.CannotConnectNowError, TimeoutError)


def _identity(value: Any) -> Any:
    return value


class Lease:
    """One connection and the statements prepared on it."""

    __slots__ = ("_made", "connection", "statements")

    def __init__(self, connection: asyncpg.Connection) -> None:
        self.connection = connection
        self.statements: OrderedDict[str, Any] = OrderedDict()
        self._made = 0

    async def prepare(self, sql: str) -> Any:
        """The prepared statement of this text, made on first use."""
        found = self.statements.get(sql)
        if found is not None:
            return found
        self._made += 1
        # With a name: where its own cache is off, asyncpg has PostgreSQL parse and plan a nameless statement for every run.
        statement = await self.connection.prepare(sql, name=f"nself_{self._made}")
        self.statements[sql] = statement
        if len(self.statements) > STATEMENTS_KEPT:
            self.statements.popitem(last=False)
        return statement

    async def row(self, sql: str, params: list[Any]) -> Any:
        """The first row of a prepared statement, or None."""
        statement = self.statements.get(sql)
        if statement is None:
            statement = await self.prepare(sql)
        return await statement.fetchrow(*params)

    async def value(self, sql: str, params: list[Any]) -> Any:
        """The first column of the first row of a prepared statement."""
        statement = self.statements.get(sql)
        if statement is None:
            statement = await self.prepare(sql)
        return await statement.fetchval(*params)


class Leased:
    """A lease for the length of a `with` block; a connection whose work was cancelled is not used again."""

    __slots__ = ("lease", "pool")

    def __init__(self, pool: Pool) -> None:
        self.pool = pool

    async def __aenter__(self) -> Lease:
        self.lease = await self.pool.acquire()
        return self.lease

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None and issubclass(kind, asyncio.CancelledError):
            self.lease.connection.terminate()
        self.pool.release(self.lease)


class Pool:
    """At most `size` connections, opened when needed; the most recently used is preferred."""

    def __init__(self, url: str, size: int = 20, timeout: float = 10, name: str = "nself-graphql") -> None:
        self.url = url
        self.size = size
        self.timeout = timeout
        self.name = name
        self._free: list[Lease] = []
        self._waiting: deque[asyncio.Future[Lease | None]] = deque()
        self._open = 0
        self._closed = False

    @property
    def opened(self) -> int:
        """How many connections are open now."""
        return self._open

    async def acquire(self) -> Lease:
        """Lease a connection; raises DatabaseDown when none can be had."""
        while self._free:
            lease = self._free.pop()
            if not lease.connection.is_closed():
                return lease
            self._open -= 1
        if self._open >= self.size:
            future: asyncio.Future[Lease | None] = asyncio.get_running_loop().create_future()
            self._waiting.append(future)
            try:
                lease_or_slot = await asyncio.wait_for(future, self.timeout)
            except TimeoutError:
                raise DatabaseDown("no connection became free in time") from None
            if lease_or_slot is not None:
                return lease_or_slot
            return await self._connect()
        self._open += 1
        return await self._connect()

    async def _connect(self) -> Lease:
        """Open a connection in a slot that is already counted; the slot is given back on failure."""
        try:
            connection = await asyncpg.connect(
                self.url,
                timeout=self.timeout,
                statement_cache_size=0,
                server_settings={"application_name": self.name, "jit": "off"},
            )
            await connection.set_type_codec("json", schema="pg_catalog", encoder=_identity, decoder=_identity, format="binary")
        except (*DOWN, asyncpg.PostgresError) as error:
            self._give_slot()
            raise DatabaseDown(f"connection error: {type(error).__name__}") from error
        except BaseException:
            self._give_slot()
            raise
        return Lease(connection)

    def _give_slot(self) -> None:
        while self._waiting:
            future = self._waiting.popleft()
            if not future.done():
                future.set_result(None)
                return
        self._open -= 1

    def release(self, lease: Lease) -> None:
        """Take a connection back; a broken one is dropped and its place freed."""
        if lease.connection.is_closed():
            self._give_slot()
            return
        if self._closed:
            self._open -= 1
            lease.connection.terminate()
            return
        while self._waiting:
            future = self._waiting.popleft()
            if not future.done():
                future.set_result(lease)
                return
        self._free.append(lease)

    def lease(self) -> Leased:
        """Lease for the length of a `with` block."""
        return Leased(self)

    @asynccontextmanager
    async def transaction(self, isolation: str | None = None) -> AsyncIterator[Lease]:
        """Lease with a transaction: committed at the end, rolled back on any error."""
        async with self.lease() as lease, lease.connection.transaction(isolation=isolation):
            yield lease

    async def close(self) -> None:
        """Close what is free now; leased connections close when they are given back."""
        self._closed = True
        while self._free:
            lease = self._free.pop()
            self._open -= 1
            try:
                await lease.connection.close(timeout=2)
            except DOWN:
                lease.connection.terminate()
