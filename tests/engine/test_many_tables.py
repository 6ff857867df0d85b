"""600 tracked tables: a role's schema is built only as far as an operation needs it, and a first query costs no more for it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import asyncpg
import pytest

from benchmarks.graphql.tables import metadata, schema
from builtin_plugins.core.hasura.engine.config import read
from builtin_plugins.core.hasura.engine.engine import Engine as Inside
from builtin_plugins.core.hasura.engine.logs import Logger
from builtin_plugins.core.hasura.engine.schema.roles import role_schema

from .servers import Engine, running_engine, running_postgres

pytestmark = pytest.mark.slow

TABLES, ROLES = 600, 20
QUERY = "{ t7(limit: 1) { id parent { id } children(where: {c1: {_gt: 1}}) { id c1 } } }"


@pytest.fixture(scope="module")
def many() -> Iterator[tuple[str, Engine]]:
    """An engine on that many related tables, readable by every role."""
    with running_postgres() as server, running_engine(server.url) as engine:
        asyncio.run(fill(server.url))
        done = engine.meta("replace_metadata", metadata(TABLES, ROLES))
        assert done.status_code == 200, done.text[:500]
        yield server.url, engine


async def fill(url: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(schema(TABLES))
    await connection.execute(
        "INSERT INTO t6 (id, c1) VALUES (1, 1); INSERT INTO t7 (id, up, c1) VALUES (1, 1, 1); "
        "INSERT INTO t8 (id, up, c1) VALUES (1, 1, 1), (2, 1, 2)"
    )
    await connection.close()


def test_a_query_builds_the_tables_it_names_and_hardly_another(many: tuple[str, Engine]) -> None:
    url, _ = many

    async def plan() -> set[str]:
        engine = Inside(read({"HASURA_GRAPHQL_DATABASE_URL": url}), Logger(()))
        await engine.load()
        try:
            engine.executor.plan(QUERY, None, {}, "r3", False)
            return {name for _, name in role_schema(engine.schema, "r3")._tables}
        finally:
            await engine.stop()

    # The first one is looked at to see that the role has any root fields.
    assert asyncio.run(plan()) == {"t0", "t6", "t7", "t8"}


def test_every_role_reads_its_rows_and_the_first_query_is_no_wait(many: tuple[str, Engine]) -> None:
    _, engine = many
    seconds = []
    for number in range(ROLES):
        started = time.monotonic()
        answer = engine.ask(QUERY, role=f"r{number}", user_id="1")
        seconds.append(time.monotonic() - started)
        assert answer == {"data": {"t7": [{"id": 1, "parent": {"id": 1}, "children": []}]}}
    # Generous on a busy machine, and still far from what 600 tables for each of 20 roles would cost.
    assert sorted(seconds)[ROLES // 2] < 1, seconds


def test_introspection_shows_all_of_them(many: tuple[str, Engine]) -> None:
    _, engine = many
    shown = engine.ask("{ __schema { queryType { fields { name } } } }", role="r1", user_id="1")
    names = {field["name"] for field in shown["data"]["__schema"]["queryType"]["fields"]}
    assert {f"t{number}" for number in range(TABLES)} <= names


def test_tracking_one_more_is_soon_done(many: tuple[str, Engine]) -> None:
    _, engine = many
    engine.sql("CREATE TABLE one_more (id int PRIMARY KEY)")
    started = time.monotonic()
    assert engine.meta("pg_track_table", {"table": "one_more"}).status_code == 200
    assert time.monotonic() - started < 20
    assert engine.ask("{ one_more { id } }") == {"data": {"one_more": []}}
