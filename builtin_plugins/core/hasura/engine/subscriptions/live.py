"""Live queries, multiplexed: subscribers of one operation share a poller, equal parameters share a result.

A poller runs one statement per batch of parameter sets; what has not changed is not sent again.
"""

# ruff: noqa: S608 - wraps a compiled statement, whose identifiers are quoted and values parameters

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import asyncpg
import orjson

from ..compiler.plan import MARK, Plan
from ..compiler.values import dumps
from ..db.pool import DOWN
from ..errors import DatabaseDown, EngineError, from_postgres

if TYPE_CHECKING:
    from ..http.app import App

Send = Callable[[bytes], Awaitable[None]]
CURSOR = "\x00cursor"


class Subscriber:
    """One subscription of one client."""

    def __init__(self, plan: Plan, variables: dict[str, Any], session: dict[str, str], send: Send, fail: Any) -> None:
        self.plan = plan
        self.variables = variables
        self.session = dict(session)
        self.send = send
        self.fail = fail
        self.last: bytes | None = None
        self.sending = False
        if plan.stream is not None:
            self.session[CURSOR] = None  # type: ignore[assignment]

    def params(self) -> tuple[Any, ...]:
        """The parameters of this subscriber's next poll."""
        assert self.plan.statement is not None  # noqa: S101 - subscriptions always have one
        return tuple(self.plan.statement.values(self.variables, self.session))


class Poller:
    """All subscribers of one statement."""

    def __init__(self, hub: Hub, key: Any, plan: Plan) -> None:
        self.hub = hub
        self.key = key
        self.plan = plan
        assert plan.statement is not None  # noqa: S101 - subscriptions always have one
        body = MARK.sub(r"(_sub.v[\1])", plan.statement.raw)
        columns = "_q.c0 -> 'rows' AS c0, _q.c0 ->> 'cursor' AS cursor" if plan.stream is not None else "_q.c0"
        self.sql = (
            f"SELECT _sub.i, {columns} FROM json_to_recordset(($1::text)::json) AS _sub(i int, v text[]) "
            f"LEFT JOIN LATERAL ({body}) AS _q ON TRUE"
        )
        self.members: set[Subscriber] = set()
        self.wake = asyncio.Event()
        self.task = asyncio.create_task(self._run())
        self.polls = 0

    async def _run(self) -> None:
        config = self.hub.app.config
        delay = (config.stream_refetch_ms if self.plan.stream is not None else config.live_refetch_ms) / 1000
        batch = config.stream_batch if self.plan.stream is not None else config.live_batch
        while self.members:
            cohorts: dict[tuple[Any, ...], list[Subscriber]] = {}
            for member in list(self.members):
                try:
                    cohorts.setdefault(member.params(), []).append(member)
                except EngineError as error:
                    await self.drop(member, error)
            items = list(cohorts.items())
            for start in range(0, len(items), batch):
                await self._poll(items[start : start + batch])
            self.wake.clear()
            try:
                await asyncio.wait_for(self.wake.wait(), delay)
            except TimeoutError:
                continue
        self.hub.pollers.pop(self.key, None)

    async def _poll(self, cohorts: list[tuple[tuple[Any, ...], list[Subscriber]]]) -> None:
        self.polls += 1
        sets = dumps([{"i": number, "v": list(params)} for number, (params, _) in enumerate(cohorts)])
        try:
            async with self.hub.app.engine.pool.lease() as lease:
                statement = await lease.prepare(self.sql)
                rows = await statement.fetch(sets)
        except asyncpg.PostgresError as error:
            mapped = from_postgres(error)
            if isinstance(mapped, DatabaseDown):
                return
            for _, members in cohorts:
                for member in members:
                    await self.drop(member, mapped)
            return
        except (DatabaseDown, *DOWN):
            return
        for row in rows:
            cursor = row["cursor"] if self.plan.stream is not None else None
            await self._deliver(cohorts[row["i"]][1], row["c0"], cursor)

    async def _deliver(self, members: list[Subscriber], body: bytes | None, cursor: str | None) -> None:
        alias = orjson.dumps(self.plan.parts[0].alias)
        if self.plan.stream is not None:
            if cursor is None:
                return
            text = b'{"data":{' + alias + b":" + (body or b"[]") + b"}}"
            for member in members:
                member.session[CURSOR] = cursor
                await self._send(member, text)
            return
        text = b'{"data":{' + alias + b":" + (body or b"null") + b"}}"
        for member in members:
            if member.last != text:
                member.last = text
                await self._send(member, text)

    async def _send(self, member: Subscriber, text: bytes) -> None:
        try:
            await member.send(text)
        except Exception:
            self.members.discard(member)

    async def drop(self, member: Subscriber, error: EngineError) -> None:
        """End a subscription with an error."""
        self.members.discard(member)
        try:
            await member.fail(error)
        except Exception as problem:
            self.hub.app.logger.write("websocket-log", {"event": "send failed", "error": str(problem)}, "warn")


class Hub:
    """All pollers of one process."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.pollers: dict[Any, Poller] = {}

    def add(self, member: Subscriber) -> None:
        """Join the poller of this statement, or start it."""
        plan = member.plan
        assert plan.statement is not None  # noqa: S101 - subscriptions always have one
        key = (plan.statement.raw, plan.parts[0].alias, plan.stream is not None)
        poller = self.pollers.get(key)
        if poller is None or poller.task.done():
            poller = self.pollers[key] = Poller(self, key, plan)
        poller.members.add(member)
        poller.wake.set()

    def remove(self, member: Subscriber) -> None:
        """Leave."""
        for poller in self.pollers.values():
            if member in poller.members:
                poller.members.discard(member)
                poller.wake.set()

    async def stop(self) -> None:
        """End all pollers."""
        for poller in list(self.pollers.values()):
            poller.task.cancel()
        self.pollers.clear()
