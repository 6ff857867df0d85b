"""Live queries, multiplexed: subscribers of one operation share a poller, equal parameters share a result.

A poller runs one statement per batch of parameter sets; what has not changed is not sent again. A newcomer whose parameters
are known is given the last result, others are asked for together. A client that reads slowly holds up nobody: of a live query
it is sent the newest result when it can take one, and its stream waits.
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
    from ..process import Process

Send = Callable[[bytes], Awaitable[None]]
CURSOR = "\x00cursor"
GATHER_SECONDS = 0.02
"""How long newcomers are gathered before they are asked for."""


class Subscriber:
    """One subscription of one client."""

    def __init__(self, plan: Plan, variables: dict[str, Any], session: dict[str, str], send: Send, fail: Any) -> None:
        self.plan = plan
        self.variables = variables
        self.session = dict(session)
        self.send = send
        self.fail = fail
        self.poller: Poller | None = None
        self.last: bytes | None = None
        self.waiting: bytes | None = None
        self.task: asyncio.Task[None] | None = None
        self.new = True
        if plan.stream is not None:
            self.session[CURSOR] = None  # type: ignore[assignment]

    @property
    def sending(self) -> bool:
        """Whether the client is still taking what was sent last."""
        return self.task is not None

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
        self.alias = orjson.dumps(plan.parts[0].alias)
        self.members: set[Subscriber] = set()
        self.latest: dict[tuple[Any, ...], bytes] = {}
        self.wake = asyncio.Event()
        self.task = asyncio.create_task(self._run())

    def join(self, member: Subscriber) -> None:
        """Take a subscriber in; the last result of its parameters, where there is one, is sent at once."""
        member.poller = self
        self.members.add(member)
        known = self.latest.get(member.params()) if self.plan.stream is None else None
        if known is None:
            self.wake.set()
        else:
            self._offer(member, known)

    def leave(self, member: Subscriber) -> None:
        """Let a subscriber go; the last one ends the poller."""
        self.members.discard(member)
        if member.task is not None and member.task is not asyncio.current_task():
            member.task.cancel()
        if not self.members:
            self.wake.set()

    async def _run(self) -> None:
        config = self.hub.app.config
        delay = (config.stream_refetch_ms if self.plan.stream is not None else config.live_refetch_ms) / 1000
        now = asyncio.get_running_loop().time
        due = 0.0
        while self.members:
            everyone = now() >= due
            if everyone:
                due = now() + delay
            await self._round([member for member in self.members if everyone or member.new], everyone)
            self.wake.clear()
            try:
                async with asyncio.timeout_at(due):
                    await self.wake.wait()
                    await asyncio.sleep(GATHER_SECONDS)
            except TimeoutError:
                continue
        self.hub.pollers.pop(self.key, None)

    async def _round(self, members: list[Subscriber], everyone: bool) -> None:
        """Ask once for each set of parameters among these members."""
        config = self.hub.app.config
        batch = config.stream_batch if self.plan.stream is not None else config.live_batch
        cohorts: dict[tuple[Any, ...], list[Subscriber]] = {}
        for member in members:
            member.new = False
            if self.plan.stream is not None and member.sending:
                continue
            try:
                cohorts.setdefault(member.params(), []).append(member)
            except EngineError as error:
                await self.drop(member, error)
        if everyone:
            self.latest = {params: text for params, text in self.latest.items() if params in cohorts}
        items = list(cohorts.items())
        for start in range(0, len(items), batch):
            await self._poll(items[start : start + batch])

    async def _poll(self, cohorts: list[tuple[tuple[Any, ...], list[Subscriber]]]) -> None:
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
        except Exception as error:
            self.hub.app.logger.write("websocket-log", {"event": "unexpected", "error": repr(error)}, "error")
            for _, members in cohorts:
                for member in members:
                    await self.drop(member, EngineError("unexpected", "internal error", "$", 500))
            return
        for row in rows:
            params, members = cohorts[row["i"]]
            if self.plan.stream is not None:
                self._advance(members, row["c0"], row["cursor"])
                continue
            text = self.latest[params] = b'{"data":{' + self.alias + b":" + (row["c0"] or b"null") + b"}}"
            for member in members:
                self._offer(member, text)

    def _advance(self, members: list[Subscriber], body: bytes | None, cursor: str | None) -> None:
        """Send what is new of a stream, and move its members' cursor on."""
        if cursor is None:
            return
        text = b'{"data":{' + self.alias + b":" + (body or b"[]") + b"}}"
        for member in members:
            member.session[CURSOR] = cursor
            self._start(member, text)

    def _offer(self, member: Subscriber, text: bytes) -> None:
        """Send a result that differs from the member's last; while it is still taking that one, only the newest is kept."""
        if member.last == text:
            return
        member.last = text
        if member.sending:
            member.waiting = text
        else:
            self._start(member, text)

    def _start(self, member: Subscriber, text: bytes) -> None:
        member.task = asyncio.create_task(self._send(member, text))

    async def _send(self, member: Subscriber, text: bytes) -> None:
        following: bytes | None = text
        try:
            while following is not None:
                await member.send(following)
                following, member.waiting = member.waiting, None
        except Exception:
            self.leave(member)
        finally:
            member.task = None

    async def drop(self, member: Subscriber, error: EngineError) -> None:
        """End a subscription with an error."""
        self.leave(member)
        try:
            await member.fail(error)
        except Exception as problem:
            self.hub.app.logger.write("websocket-log", {"event": "send failed", "error": str(problem)}, "warn")


class Hub:
    """All pollers of one process."""

    def __init__(self, app: Process) -> None:
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
        poller.join(member)

    def remove(self, member: Subscriber) -> None:
        """Leave."""
        if member.poller is not None:
            member.poller.leave(member)

    async def stop(self) -> None:
        """End all pollers."""
        for poller in list(self.pollers.values()):
            poller.task.cancel()
        self.pollers.clear()
