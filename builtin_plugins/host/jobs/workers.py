"""Workers: they claim due work, run it under a lease, and record how it ended."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from hookspecs.models.host import Job

from .claims import Claims, End
from .model import Claimed, HopelessError, LaterError, Task, task
from .queue import CHANNEL
from .schedules import Schedules

if TYPE_CHECKING:
    import asyncpg

    from .metrics import Meter

_log = logging.getLogger("nself.host.jobs")

#: Runs that end within so many seconds of each other are recorded in one commit, and their places filled by one claim.
_GATHER = 0.002


def utc_now() -> datetime:
    """The time in UTC."""
    return datetime.now(UTC)


class Workers:
    """Runs the work of the plugins given, ``concurrency`` pieces at a time and at most ``per_plugin`` of one plugin.

    Each run is held by a lease of ``lease`` seconds that is prolonged while the process lives; when it was killed, another takes
    over. So every piece of work is run at least once, and possibly more often: handlers make their effects idempotent.
    ``clock`` tells schedules the time; all else goes by the database's.
    """

    def __init__(
        self,
        pool: asyncpg.Pool,
        handlers: Mapping[tuple[str, str], Job | Task],
        *,
        clock: Callable[[], datetime] = utc_now,
        concurrency: int = 40,
        per_plugin: int = 20,
        lease: float = 15,
        poll: float = 1,
        grace: float = 20,
        keep_days: float = 2,
        keep_webhooks_days: float = 30,
        meter: Meter | None = None,
    ) -> None:
        self._pool = pool
        self._tasks: dict[tuple[str, str], Task] = {}
        self._concurrency, self._per_plugin = concurrency, per_plugin
        self._poll, self._grace, self._keep = poll, grace, (keep_days, keep_webhooks_days)
        self._claims = Claims(pool, lease)
        self._schedules = Schedules(pool, clock)
        self._meter = meter
        self._running: dict[int, tuple[Claimed, asyncio.Task[None]]] = {}
        self._ends: list[End] = []
        self._wake, self._ended, self._stopping = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._listener: asyncpg.pool.PoolConnectionProxy[asyncpg.Record] | None = None
        self.serve(handlers)

    def serve(self, handlers: Mapping[tuple[str, str], Job | Task]) -> None:
        """Take these on as well, in place of earlier ones of the same name. ``ValueError`` for a schedule that is none."""
        for name, handler in handlers.items():
            entry = task(handler) if isinstance(handler, Job) else handler
            if entry.schedule is not None:
                self._schedules.add(*name, entry.schedule)
            self._tasks[name] = entry
        self._wake.set()

    def withdraw(self, plugin: str) -> None:
        """Claim nothing more of a plugin; what runs goes on, what waits keeps waiting."""
        for name in [name for name in self._tasks if name[0] == plugin]:
            del self._tasks[name]
        self._schedules.drop(plugin)

    def wake(self) -> None:
        """Look at once what is due: something was queued."""
        self._wake.set()

    def stop(self) -> None:
        """Claim nothing more; `run` returns when what runs has ended or, after ``grace`` seconds, has been given back."""
        self._stopping.set()
        self._wake.set()

    async def run(self) -> None:
        """Work until `stop` is called. It outlives failures of the database. Cancelled, it gives back what runs at once."""
        upkeep = [asyncio.create_task(self._record()), asyncio.create_task(self._look_after()), asyncio.create_task(self._tick())]
        try:
            while not self._stopping.is_set():
                self._wake.clear()
                if await self._claim():
                    continue
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), self._poll)
                await asyncio.sleep(_GATHER)
            if self._running:
                await asyncio.wait([run for _, run in self._running.values()], timeout=self._grace)
        finally:
            self._stopping.set()
            await self._give_back()
            self._ended.set()
            for each in upkeep[1:]:
                each.cancel()
            await asyncio.wait(upkeep[:1], timeout=10)
            upkeep[0].cancel()
            await asyncio.gather(*upkeep, return_exceptions=True)
            await self._deafen()

    async def _claim(self) -> bool:
        """Fill free places; whether there may be more that is due."""
        free = self._concurrency - len(self._running)
        busy = Counter(claimed.plugin for claimed, _ in self._running.values())
        room = {plugin: min(self._per_plugin - busy[plugin], free) for plugin in {plugin for plugin, _ in self._tasks}}
        room = {plugin: places for plugin, places in room.items() if places > 0}
        if free <= 0 or not room:
            return False
        try:
            taken = await self._claims.claim({name: entry.retries for name, entry in self._tasks.items()}, room, free)
        except Exception as error:
            if not self._stopping.is_set():
                _log.warning("the queue cannot be read: %s", error or type(error).__name__)
                await asyncio.sleep(self._poll)
            return False
        for claimed in taken:
            run = asyncio.create_task(self._run(claimed, self._tasks.get((claimed.plugin, claimed.name))))
            self._running[claimed.id] = (claimed, run)
        return len(taken) == free

    async def _run(self, claimed: Claimed, entry: Task | None) -> None:
        began = time.monotonic()
        end = End(claimed.id, claimed.attempt, "done")
        try:
            if entry is None:  # withdrawn between claim and start
                end = replace(end, state="queued", unused=1)
            else:
                async with asyncio.timeout(entry.timeout):
                    await entry.run(claimed)
        except asyncio.CancelledError as error:
            mine = asyncio.current_task()
            if mine is not None and mine.cancelling():  # ours: the worker stops, or has lost the lease
                end = replace(end, state="queued", unused=1)
            else:
                end = self._failed(claimed, entry, error)
        except (Exception, SystemExit) as error:
            end = self._failed(claimed, entry, error)
        finally:
            del self._running[claimed.id]
            self._ends.append(end)
            self._ended.set()
            self._wake.set()
            if self._meter is not None:
                self._meter.ended(claimed.plugin, claimed.name, end, time.monotonic() - began)

    @staticmethod
    def _failed(claimed: Claimed, entry: Task | None, error: BaseException) -> End:
        text = f"{type(error).__name__}: {error}".removesuffix(": ")
        if entry is not None and isinstance(error, TimeoutError):
            text = f"{text} (a run may take {entry.timeout:g} s)"
        text = _storable(text)
        last = entry is None or claimed.attempt > entry.retries or isinstance(error, HopelessError)
        expected = isinstance(error, HopelessError | LaterError)
        _log.log(
            logging.ERROR if last else logging.WARNING, "%s/%s %s, attempt %s%s: %s", claimed.plugin, claimed.name, claimed.id,
            claimed.attempt, ", the last" if last else "", text, exc_info=None if expected else error,
        )  # fmt: skip
        if last or entry is None:
            return End(claimed.id, claimed.attempt, "dead", error=text)
        delay = error.delay if isinstance(error, LaterError) else entry.backoff(claimed.attempt)
        return End(claimed.id, claimed.attempt, "queued", delay=delay, error=text)

    async def _record(self) -> None:
        """Write down what has ended, all of it with one commit; again and again until the database takes it."""
        while True:
            await self._ended.wait()
            self._ended.clear()
            await asyncio.sleep(_GATHER)
            ends, self._ends = self._ends, []
            try:
                if ends:
                    await self._claims.end(ends)
            except Exception as error:
                _log.warning("%s finished runs cannot be recorded: %s", len(ends), error or type(error).__name__)
                self._ends = ends + self._ends
                if self._stopping.is_set() and not self._running:
                    return  # their leases run out, and others run them again
                self._ended.set()
                await asyncio.sleep(self._poll)
            if self._stopping.is_set() and not self._running and not self._ends:
                return

    async def _look_after(self) -> None:
        """Prolong leases, take over what lost workers held, listen, clean up."""
        cleaned = 0.0
        while True:
            try:
                await self._listen()
                await self._prolong()
                if "queued" in await self._claims.take_over():
                    self._wake.set()
                if time.monotonic() - cleaned > 60:
                    cleaned = time.monotonic()
                    await self._claims.purge(*self._keep)
            except Exception as error:
                _log.warning("leases cannot be prolonged: %s", error or type(error).__name__)
            await asyncio.sleep(self._claims.lease / 3)

    async def _prolong(self) -> None:
        asked = {number: run for number, (_, run) in self._running.items()}
        if not asked:
            return
        held = await self._claims.extend(asked)
        for number, run in asked.items():
            if number not in held and number in self._running:
                _log.warning("job %s was taken over by another worker, since this one gave no sign of life in time", number)
                run.cancel()

    async def _listen(self) -> None:
        if self._listener is not None and self._listener.is_closed():
            await self._deafen()
        if self._listener is None:
            self._listener = await self._pool.acquire()
            await self._listener.add_listener(CHANNEL, self._notified)

    async def _deafen(self) -> None:
        """Give the listening connection back to the pool, which has few."""
        listener, self._listener = self._listener, None
        if listener is not None:
            with contextlib.suppress(Exception):  # it may be gone with its server
                await listener.remove_listener(CHANNEL, self._notified)
            await self._pool.release(listener)

    def _notified(self, *_: object) -> None:
        self._wake.set()

    async def _tick(self) -> None:
        while True:
            try:
                if await self._schedules.queue_due():
                    self._wake.set()
            except Exception as error:
                _log.warning("schedules cannot be read: %s", error or type(error).__name__)
            await asyncio.sleep(self._poll)

    async def _give_back(self) -> None:
        runs = [run for _, run in self._running.values()]
        for run in runs:
            run.cancel()
        if runs:  # one that does not let itself be cancelled is not waited for: its lease runs out
            await asyncio.wait(runs, timeout=5)


def handlers(plugin: str, jobs: Iterable[Job]) -> dict[tuple[str, str], Job | Task]:
    """A plugin's jobs in the form `Workers` takes. ``ValueError`` where two have one name."""
    found: dict[tuple[str, str], Any] = {}
    for job in jobs:
        if (plugin, job.name) in found:
            raise ValueError(f"{plugin} has two jobs named {job.name}")
        found[plugin, job.name] = job
    return found


def _storable(text: str) -> str:
    """A message as the database takes it: one that it refused would keep every other run from being recorded."""
    return text[:4000].replace("\0", "").encode("utf-8", "replace").decode()
