"""The queue and its workers: order, retries, keys, schedules, leases, shutdown."""

from __future__ import annotations

import asyncio
import contextlib
import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import prometheus_client
import pytest

from builtin_plugins.host.jobs import Claimed, HopelessError, LaterError, Queue, Task, Workers, claims, handlers, migrations
from builtin_plugins.host.jobs.metrics import Meter
from builtin_plugins.host.jobs.model import PAYLOAD_LIMIT, growing
from builtin_plugins.host.jobs.records import Records
from builtin_plugins.host.jobs.schedules import next_run
from hookspecs.models.host import Job


@contextlib.asynccontextmanager
async def working(workers: Workers) -> AsyncIterator[Workers]:
    """Workers that run during the block, and are then stopped as on SIGTERM."""
    run = asyncio.create_task(workers.run())
    try:
        yield workers
    finally:
        workers.stop()
        await asyncio.wait_for(run, 30)


async def until(condition: Callable[[], Awaitable[Any]], seconds: float = 30) -> Any:
    """The condition's value as soon as it is true."""
    async with asyncio.timeout(seconds):
        while not (found := await condition()):
            await asyncio.sleep(0.02)
        return found


async def state(pool: asyncpg.Pool, number: str) -> asyncpg.Record:
    return await pool.fetchrow("SELECT * FROM nself_host.jobs WHERE id = $1", int(number))


def in_state(pool: asyncpg.Pool, number: str, wanted: str) -> Callable[[], Awaitable[bool]]:
    async def check() -> bool:
        return bool((await state(pool, number))["state"] == wanted)

    return check


async def test_a_job_runs_with_its_payload(pool: asyncpg.Pool) -> None:
    seen: list[Mapping[str, Any]] = []

    async def run(payload: Mapping[str, Any]) -> None:
        seen.append(payload)

    payload = {"text": "ünï", "big": 2**70, "list": [1, {"a": None}]}
    async with working(Workers(pool, handlers("p", [Job(name="work", run=run)]), poll=30)):
        await asyncio.sleep(0.3)  # it waits now: the notification wakes it long before it would look by itself
        number = await Queue(pool).enqueue("p", "work", payload)
        await until(in_state(pool, number, "done"), 15)
    assert seen == [payload]


async def test_urgent_jobs_run_first_then_the_oldest(pool: asyncpg.Pool) -> None:
    seen: list[int] = []

    async def run(payload: Mapping[str, Any]) -> None:
        seen.append(payload["n"])

    queue = Queue(pool)
    for n, priority in enumerate([0, 5, -1, 5, 0]):
        await queue.enqueue("p", "work", {"n": n}, priority=priority)
    async with working(Workers(pool, handlers("p", [Job(name="work", run=run)]), concurrency=1)):
        await until(lambda: _async(len(seen) == 5))
    assert seen == [1, 3, 0, 4, 2]


async def _async(value: Any) -> Any:
    return value


async def test_a_raise_retries_with_growing_delay_then_it_is_dead(pool: asyncpg.Pool) -> None:
    attempts: list[int] = []

    async def run(claimed: Claimed) -> None:
        attempts.append(claimed.attempt)
        raise RuntimeError("no luck\0 today")

    tasks = {("p", "work"): Task(run=run, retries=2, backoff=lambda attempt: attempt / 10)}
    number = await Queue(pool).enqueue("p", "work", {})
    async with working(Workers(pool, tasks, poll=0.05)):
        await until(in_state(pool, number, "dead"))
    row = await state(pool, number)
    assert attempts == [1, 2, 3]
    assert row["error"] == "RuntimeError: no luck today"
    assert [r.id for r in await Records(pool).newest(state="dead")] == [int(number)]
    delays = [growing(n) for n in (1, 2, 3, 9, 99)]
    assert delays == sorted(delays)
    assert delays[-1] < 7 * 3600
    # an operator's retry gives it all its tries again
    assert await Records(pool).retry(numbers=[int(number)]) == [int(number)]
    async with working(Workers(pool, tasks, poll=0.05)):
        await until(in_state(pool, number, "dead"))
    assert attempts == [1, 2, 3, 1, 2, 3]


async def test_an_error_text_that_cannot_be_stored_as_it_is_keeps_no_other_run_from_being_recorded(pool: asyncpg.Pool) -> None:
    """Runs are recorded together: PostgreSQL would refuse them all."""

    async def run(claimed: Claimed) -> None:
        if claimed.name == "odd":
            raise HopelessError("no luck\0 today \udcff")

    tasks = {("p", "odd"): Task(run=run), ("p", "good"): Task(run=run)}
    queue = Queue(pool)
    odd, good = await queue.enqueue("p", "odd", {}), await queue.enqueue("p", "good", {})
    async with working(Workers(pool, tasks, poll=0.05)):
        await until(in_state(pool, odd, "dead"))
        await until(in_state(pool, good, "done"))
    assert (await state(pool, odd))["error"] == "HopelessError: no luck today ?"


@pytest.mark.parametrize(
    ("fault", "wanted"),
    [(HopelessError("gone"), "dead"), (LaterError(3600, "slow down"), "queued"), (asyncio.CancelledError(), "queued"),
     (SystemExit(3), "queued"), (TimeoutError(), "queued")],
)  # fmt: skip
async def test_every_way_to_fail_keeps_the_job(pool: asyncpg.Pool, fault: BaseException, wanted: str) -> None:
    async def run(claimed: Claimed) -> None:
        raise fault

    number = await Queue(pool).enqueue("p", "work", {})
    async with working(Workers(pool, {("p", "work"): Task(run=run, retries=1, backoff=lambda _: 3600)})):
        await until(lambda: _ended(pool, number))
    row = await state(pool, number)
    assert (row["state"], row["attempts"]) == (wanted, 1)
    assert (row["run_at"] - row["created_at"] > timedelta(minutes=50)) == (wanted == "queued")


async def _ended(pool: asyncpg.Pool, number: str) -> bool:
    row = await state(pool, number)
    return bool(row["attempts"] and row["state"] != "running")


async def test_a_run_over_its_time_is_given_up(pool: asyncpg.Pool) -> None:
    async def run(payload: Mapping[str, Any]) -> None:
        await asyncio.sleep(60)

    number = await Queue(pool).enqueue("p", "work", {})
    async with working(Workers(pool, handlers("p", [Job(name="work", run=run, retries=0, timeout=1)]))):
        await until(in_state(pool, number, "dead"))
    assert "1 s" in (await state(pool, number))["error"]


async def test_a_key_waits_once_and_is_free_again_when_it_runs(pool: asyncpg.Pool) -> None:
    begun, go = asyncio.Event(), asyncio.Event()

    async def run(payload: Mapping[str, Any]) -> None:
        begun.set()
        await go.wait()

    queue = Queue(pool)
    first = await queue.enqueue("p", "work", {}, key="k", delay=3600)
    assert await queue.enqueue("p", "work", {}, key="k", priority=3) == first  # and sooner
    assert await queue.enqueue("p", "work", {}, key="other", delay=3600) != first
    assert await queue.enqueue("p", "else", {}, key="k", delay=3600) != first
    assert await queue.enqueue("q", "work", {}, key="k", delay=3600) != first
    async with working(Workers(pool, handlers("p", [Job(name="work", run=run)]))):
        await asyncio.wait_for(begun.wait(), 30)
        second = await queue.enqueue("p", "work", {}, key="k", delay=3600)
        assert second != first
        go.set()
        await until(in_state(pool, first, "done"))
    assert (await state(pool, first))["priority"] == 3


async def test_many_that_queue_one_key_at_once_queue_one(pool: asyncpg.Pool) -> None:
    queue = Queue(pool)
    found = await asyncio.gather(*[queue.enqueue("p", "work", {}, key="k") for _ in range(50)])
    assert len(set(found)) == 1


async def test_in_a_transaction_a_job_is_queued_only_if_that_commits(pool: asyncpg.Pool) -> None:
    with contextlib.suppress(ZeroDivisionError):
        async with pool.acquire() as connection, connection.transaction():
            await Queue(pool).enqueue("p", "work", {}, connection=connection)
            raise ZeroDivisionError
    assert await Records(pool).newest() == []


async def test_a_payload_must_be_json_of_bounded_size(pool: asyncpg.Pool) -> None:
    queue = Queue(pool)
    for payload in ({"x": "y" * PAYLOAD_LIMIT}, {"x": object()}, {"x": float("nan")}):
        with pytest.raises(ValueError, match="payload"):
            await queue.enqueue("p", "work", payload)
    await queue.enqueue("p", "work", {"x": "y" * (PAYLOAD_LIMIT - 10)})


async def test_another_worker_takes_over_what_a_lost_one_held_and_a_poisonous_job_dies(pool: asyncpg.Pool) -> None:
    """A job that kills its worker each time must not do so for ever: a lost run counts as an attempt."""
    queue = Queue(pool)
    number = await queue.enqueue("p", "work", {})

    async def hang(claimed: Claimed) -> None:
        await asyncio.sleep(3600)

    for attempt in (1, 2, 3):
        workers = Workers(pool, {("p", "work"): Task(run=hang, retries=2)}, lease=0.6, poll=0.05)
        run = asyncio.create_task(workers.run())
        await until(lambda attempt=attempt: _attempts(pool, number, attempt))
        # as if it had been killed: nothing is given back, no lease prolonged
        workers._claims.end = _nothing  # type: ignore[method-assign,assignment]
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)
    async with working(Workers(pool, {}, lease=0.6)):
        await until(in_state(pool, number, "dead"))
    row = await state(pool, number)
    assert row["attempts"] == 3
    assert "lost" in row["error"]


async def _nothing(*_: Any) -> None: ...


async def _attempts(pool: asyncpg.Pool, number: str, wanted: int) -> bool:
    return bool((await state(pool, number))["attempts"] == wanted)


async def test_a_long_job_keeps_its_lease_and_who_lost_it_records_nothing(pool: asyncpg.Pool) -> None:
    go = asyncio.Event()
    runs = 0

    async def run(claimed: Claimed) -> None:
        nonlocal runs
        runs += 1
        await go.wait()

    number = await Queue(pool).enqueue("p", "work", {})
    tasks = {("p", "work"): Task(run=run)}
    async with working(Workers(pool, tasks, lease=0.6, poll=0.05)), working(Workers(pool, tasks, lease=0.6, poll=0.05)):
        await asyncio.sleep(2)
        assert (await state(pool, number))["attempts"] == runs == 1
        await pool.execute("UPDATE nself_host.jobs SET worker = gen_random_uuid(), attempts = 7 WHERE id = $1", int(number))
        go.set()
        await asyncio.sleep(0.3)
        row = await state(pool, number)
        assert (row["state"], row["attempts"]) == ("running", 7)
        await pool.execute("UPDATE nself_host.jobs SET state = 'done' WHERE id = $1", int(number))


async def test_stopped_workers_finish_what_they_can_and_give_back_the_rest(pool: asyncpg.Pool) -> None:
    begun = asyncio.Event()

    async def quick(payload: Mapping[str, Any]) -> None:
        await asyncio.sleep(0.4)

    async def endless(payload: Mapping[str, Any]) -> None:
        begun.set()
        await asyncio.sleep(3600)

    queue = Queue(pool)
    one, two = await queue.enqueue("p", "quick", {}), await queue.enqueue("p", "endless", {})
    tasks = handlers("p", [Job(name="quick", run=quick), Job(name="endless", run=endless, timeout=4000)])
    async with working(Workers(pool, tasks, grace=1)):
        await asyncio.wait_for(begun.wait(), 30)
    assert (await state(pool, one))["state"] == "done"
    row = await state(pool, two)
    assert (row["state"], row["attempts"], row["worker"]) == ("queued", 0, None)


async def test_schedules_run_once_over_all_hosts_and_make_up_for_missed_times_once(pool: asyncpg.Pool) -> None:
    now = datetime(2030, 1, 1, 2, 59, 30, tzinfo=UTC)
    runs = 0

    async def run(payload: Mapping[str, Any]) -> None:
        nonlocal runs
        assert payload == {}
        runs += 1

    tasks = handlers("p", [Job(name="tidy", run=run, schedule="0 3 * * *")])
    hosts = [Workers(pool, tasks, clock=lambda: now, poll=0.05) for _ in range(3)]
    async with working(hosts[0]), working(hosts[1]), working(hosts[2]):
        await asyncio.sleep(0.5)
        assert runs == 0
        now += timedelta(minutes=1)
        await until(lambda: _async(runs == 1))
        await asyncio.sleep(0.5)
        assert runs == 1
        now += timedelta(days=5)
        await until(lambda: _async(runs == 2))
        await asyncio.sleep(0.5)
        assert runs == 2
    assert await pool.fetchval("SELECT next_at FROM nself_host.schedules") == datetime(2030, 1, 7, 3, tzinfo=UTC)
    # another expression counts from now, a schedule that is gone is forgotten
    other = handlers("p", [Job(name="tidy", run=run, schedule="*/5 * * * *")])
    async with working(Workers(pool, other, clock=lambda: now, poll=0.05)):
        await until(lambda: pool.fetchval("SELECT true FROM nself_host.schedules WHERE expression = '*/5 * * * *'"))


@pytest.mark.parametrize("expression", ["", "* * * *", "* * * * * *", "61 * * * *", "@daily", "a b c d e", "0 0 31 2 *"])
def test_a_wrong_schedule_is_refused_at_once(expression: str) -> None:
    with pytest.raises(ValueError, match="schedule"):
        next_run(expression, datetime(2030, 1, 1, tzinfo=UTC))


async def test_one_plugin_does_not_take_all_places(pool: asyncpg.Pool) -> None:
    go = asyncio.Event()
    quick = asyncio.Event()

    async def hang(payload: Mapping[str, Any]) -> None:
        await go.wait()

    async def run(payload: Mapping[str, Any]) -> None:
        quick.set()

    queue = Queue(pool)
    for _ in range(10):
        await queue.enqueue("slow", "work", {}, priority=9)
    await queue.enqueue("quick", "work", {})
    tasks = {**handlers("slow", [Job(name="work", run=hang)]), **handlers("quick", [Job(name="work", run=run)])}
    async with working(Workers(pool, tasks, concurrency=4, per_plugin=3)):
        await asyncio.wait_for(quick.wait(), 30)
        assert await pool.fetchval("SELECT count(*) FROM nself_host.jobs WHERE state = 'running' AND plugin = 'slow'") == 3
        go.set()
        await until(lambda: _all_done(pool))


async def _all_done(pool: asyncpg.Pool) -> bool:
    return not await pool.fetchval("SELECT count(*) FROM nself_host.jobs WHERE state <> 'done'")


async def test_work_of_plugins_not_served_waits(pool: asyncpg.Pool) -> None:
    async def run(payload: Mapping[str, Any]) -> None: ...

    queue = Queue(pool)
    other, unknown, mine = [await queue.enqueue(p, n, {}) for p, n in [("q", "work"), ("p", "unknown"), ("p", "work")]]
    async with working(Workers(pool, handlers("p", [Job(name="work", run=run)]), per_plugin=1)) as workers:
        await until(in_state(pool, mine, "done"))
        workers.withdraw("p")
        later = await queue.enqueue("p", "work", {})
        await asyncio.sleep(0.3)
    assert {(await state(pool, n))["state"] for n in (other, unknown, later)} == {"queued"}


async def test_metrics_count_what_waits_and_what_ended(pool: asyncpg.Pool) -> None:
    async def run(payload: Mapping[str, Any]) -> None:
        raise HopelessError("no")

    registry = prometheus_client.CollectorRegistry()
    meter = Meter(registry)
    number = await Queue(pool).enqueue("p", "work", {})
    await Queue(pool).enqueue("p", "other", {})
    async with working(Workers(pool, handlers("p", [Job(name="work", run=run)]), meter=meter)):
        await until(in_state(pool, number, "dead"))
    await meter.refresh(pool)
    text = prometheus_client.generate_latest(registry).decode()
    assert 'nself_jobs_ended_total{job="work",outcome="dead",plugin="p"} 1.0' in text
    assert 'nself_jobs{job="other",plugin="p",state="queued"} 1.0' in text
    assert 'nself_jobs{job="work",plugin="p",state="dead"} 1.0' in text
    assert 'nself_jobs_oldest_seconds{job="other",plugin="p"}' in text


async def test_old_work_that_is_done_is_deleted_and_the_dead_are_kept(pool: asyncpg.Pool) -> None:
    await pool.execute(
        "INSERT INTO nself_host.jobs (plugin, name, payload, state, event, finished_at)"
        " SELECT 'p', n, '{}', s, e::jsonb, now() - a::interval"
        " FROM (VALUES ('a', 'done', NULL, '3 days'), ('b', 'done', NULL, '1 day'), ('c', 'dead', NULL, '99 days'),"
        " ('d', 'done', '{}', '3 days'), ('e', 'done', '{}', '31 days')) AS v (n, s, e, a)"
    )
    async with working(Workers(pool, {})):
        await until(lambda: _names(pool, "b,c,d"))


async def _names(pool: asyncpg.Pool, wanted: str) -> bool:
    return bool(await pool.fetchval("SELECT string_agg(name, ',' ORDER BY name) FROM nself_host.jobs") == wanted)


async def test_workers_outlive_a_database_that_drops_every_connection(pool: asyncpg.Pool, url: str) -> None:
    seen: list[int] = []

    async def run(payload: Mapping[str, Any]) -> None:
        seen.append(payload["n"])

    drop = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'theirs'"
    settings = {"application_name": "theirs"}
    async with (
        asyncpg.create_pool(url, min_size=1, max_size=3, server_settings=settings) as theirs,
        working(Workers(theirs, handlers("p", [Job(name="work", run=run)]), poll=0.05, lease=0.6)),
    ):
        for n in range(20):
            await Queue(pool).enqueue("p", "work", {"n": n})
            if n % 5 == 4:
                await pool.execute(drop)
        await until(lambda: _all_done(pool), 30)
    assert set(seen) == set(range(20))


async def test_the_tables_can_be_undone(pool: asyncpg.Pool) -> None:
    for migration in migrations():
        assert migration.down
        await pool.execute(migration.down)
    assert await pool.fetchval("SELECT to_regclass('nself_host.jobs')") is None


def test_payloads_are_written_as_json() -> None:
    from builtin_plugins.host.jobs.queue import encode

    assert json.loads(encode({"a": [1, 2]})) == {"a": [1, 2]}


async def test_what_is_asked_again_and_again_reads_an_index(pool: asyncpg.Pool) -> None:
    """A hundred thousand jobs that are done, as many that wait for a plugin not served here: neither is read."""
    await pool.execute(
        "INSERT INTO nself_host.jobs (plugin, name, payload, state, finished_at) SELECT 'p', 'w', '{}', 'done', now()"
        " FROM generate_series(1, 100000)"
    )
    await pool.execute(
        "INSERT INTO nself_host.jobs (plugin, name, payload) SELECT 'q', 'w', '{}' FROM generate_series(1, 100000)"
    )
    await pool.execute("INSERT INTO nself_host.jobs (plugin, name, payload) SELECT 'p', 'w', '{}' FROM generate_series(1, 50)")
    await pool.execute("ANALYZE nself_host.jobs")

    async def buffers(query: str, *arguments: Any) -> int:
        async with pool.acquire() as connection:
            plan = json.loads(await connection.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {query}", *arguments))[0][
                "Plan"
            ]
        return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])

    claim = (["p"], ["w"], [5], ["p"], [10], 10, uuid.uuid4(), 15.0)
    assert await buffers(claims._CLAIM, *claim) < 400
    assert await buffers(claims._TAKE_OVER) < 100
    assert await buffers(claims._PURGE, True, 86400.0) < 100
    assert await buffers(claims._PURGE, False, 86400.0) < 100
