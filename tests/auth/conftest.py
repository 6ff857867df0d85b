"""What the auth server's tests stand on: a real PostgreSQL, a real SMTP sink, and the server over either."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from typing import Any

import asyncpg
import pytest

from .harness import Harness, MailSink, open_harness
from .postgres import running_postgres

_SERVICES = {"postgres_url", "database_url", "harness", "start"}
_numbers = itertools.count(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What needs PostgreSQL starts a service."""
    for item in items:
        if _SERVICES & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """One server for the run."""
    with running_postgres() as url:
        yield url


@pytest.fixture(scope="session")
def mail_sink() -> Iterator[MailSink]:
    """One SMTP server for the run."""
    sink = MailSink()
    sink.start()
    yield sink
    sink.stop()


@pytest.fixture
async def database_url(postgres_url: str) -> AsyncIterator[str]:
    """An empty database of the test's own."""
    name = f"auth_{next(_numbers)}"
    admin = await asyncpg.connect(postgres_url)
    try:
        await admin.execute(f"CREATE DATABASE {name}")
        yield postgres_url.rpartition("/")[0] + f"/{name}"
        await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await admin.close()


@pytest.fixture
async def start(database_url: str, mail_sink: MailSink) -> AsyncIterator[Callable[..., Any]]:
    """Start servers on the test's database with these variables beside the usual ones."""
    async with AsyncExitStack() as stack:

        async def begin(**variables: str) -> Harness:
            return await stack.enter_async_context(open_harness(database_url, mail_sink, variables))

        mail_sink.clear()
        yield begin


@pytest.fixture
async def harness(start: Callable[..., Any]) -> Harness:
    """A server with the usual settings: addresses need no verification."""
    return await start(AUTH_EMAIL_SIGNIN_EMAIL_VERIFIED_REQUIRED="false")
