"""Jobs per second of one worker process, beside pgqueuer's own loop on the same PostgreSQL, in turns in one run.

    pip install pgqueuer
    .venv/bin/python -m benchmarks.plugins.jobs [--jobs 5000] [--rounds 3]

A job does nothing, so that what is measured is claiming it and recording its end, durably. The queue is filled beforehand.
pgqueuer is given its default batch of 10, and one of 100.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import statistics
import time

import asyncpg

from builtin_plugins.host.jobs import Claimed, Task, Workers, migrations
from builtin_plugins.host.jobs.queue import POOL
from tests.auth.postgres import running_postgres


async def ours(pool: asyncpg.Pool, jobs: int) -> float:
    """Jobs per second of `Workers`."""
    await pool.execute(
        "INSERT INTO nself_host.jobs (plugin, name, payload) SELECT 'bench', 'work', '{}' FROM generate_series(1, $1::int)", jobs
    )
    ended, left = asyncio.Event(), jobs

    async def run(claimed: Claimed) -> None:
        nonlocal left
        left -= 1
        if not left:
            workers.stop()
            ended.set()

    workers = Workers(pool, {("bench", "work"): Task(run=run)}, concurrency=100, per_plugin=100)
    began = time.perf_counter()
    await workers.run()
    await ended.wait()
    took = time.perf_counter() - began
    assert await pool.fetchval("SELECT count(*) FROM nself_host.jobs WHERE state = 'done'") == jobs
    await pool.execute("TRUNCATE nself_host.jobs")
    return jobs / took


async def theirs(pool: asyncpg.Pool, jobs: int, batch: int) -> float:
    """Jobs per second of pgqueuer's `QueueManager`."""
    from pgqueuer.db import AsyncpgPoolDriver
    from pgqueuer.models import Job
    from pgqueuer.qm import QueueManager
    from pgqueuer.queries import Queries
    from pgqueuer.types import QueueExecutionMode

    driver = AsyncpgPoolDriver(pool)
    queries = Queries(driver)
    for first in range(0, jobs, 1000):
        size = min(1000, jobs - first)
        await queries.enqueue(["work"] * size, [b"{}"] * size, [0] * size)
    manager = QueueManager(queries)

    @manager.entrypoint("work")
    async def work(job: Job) -> None: ...

    began = time.perf_counter()
    await manager.run(batch_size=batch, mode=QueueExecutionMode.drain)
    took = time.perf_counter() - began
    await pool.execute("TRUNCATE pgqueuer, pgqueuer_log, pgqueuer_statistics")
    return jobs / took


async def measure(url: str, jobs: int, rounds: int) -> None:
    """In turns, and the ratio of the medians."""
    try:
        from pgqueuer.db import AsyncpgDriver
        from pgqueuer.queries import Queries
    except ImportError:
        raise SystemExit("pgqueuer is not installed: pip install pgqueuer") from None
    connection = await asyncpg.connect(url)
    await Queries(AsyncpgDriver(connection)).install()
    await connection.execute("CREATE SCHEMA nself_host")
    for migration in migrations():
        await connection.execute(migration.up)
    await connection.close()
    found: dict[str, list[float]] = {"ours": [], "pgqueuer, batch 10": [], "pgqueuer, batch 100": []}
    for _ in range(rounds):
        async with asyncpg.create_pool(url, min_size=2, max_size=8, **POOL) as pool:
            found["ours"].append(await ours(pool, jobs))
        for batch in (10, 100):
            async with asyncpg.create_pool(url, min_size=2, max_size=8, **POOL) as pool:
                found[f"pgqueuer, batch {batch}"].append(await theirs(pool, jobs, batch))
    for name, rates in found.items():
        ratio = statistics.median(found["ours"]) / statistics.median(rates)
        print(f"{name:<20} {statistics.median(rates):>8,.0f} jobs/s   ours = {ratio:.2f} x")


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--jobs", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    logging.disable(logging.CRITICAL)
    import uvloop

    with running_postgres(durable=True) as url:
        uvloop.run(measure(url, asked.jobs, asked.rounds))


if __name__ == "__main__":
    main()
