"""What the tests of jobs and webhooks stand on: a PostgreSQL of the run's own, and a database of the test's."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Iterator

import asyncpg
import pytest

from builtin_plugins.host.jobs import migrations
from builtin_plugins.host.jobs.queue import POOL
from tests.auth.postgres import running_postgres

_numbers = itertools.count(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What needs PostgreSQL starts a service."""
    for item in items:
        if {"postgres", "url", "pool"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """One server for the run, whose commits are durable."""
    with running_postgres(durable=True) as url:
        yield url


@pytest.fixture
async def url(postgres: str) -> AsyncIterator[str]:
    """A database with the queue's tables in it."""
    name = f"queue_{next(_numbers)}"
    admin = await asyncpg.connect(postgres)
    await admin.execute(f"CREATE DATABASE {name}")
    found = f"{postgres.rpartition('/')[0]}/{name}"
    made = await asyncpg.connect(found)
    await made.execute("CREATE SCHEMA nself_host")
    for migration in migrations():
        await made.execute(migration.up)
    await made.close()
    yield found
    await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await admin.close()


@pytest.fixture
async def pool(url: str) -> AsyncIterator[asyncpg.Pool]:
    """Connections to it."""
    async with asyncpg.create_pool(url, min_size=1, max_size=12, **POOL) as made:
        yield made
