"""What is measured: the schema, its rows, and the same questions as each server wants them asked."""

from __future__ import annotations

import asyncio

import asyncpg
import httpx

SCHEMA = """
DROP SCHEMA public CASCADE; CREATE SCHEMA public;
CREATE TABLE author (id serial PRIMARY KEY, name text, score int);
CREATE TABLE article (id serial PRIMARY KEY, title text, published boolean, author_id int REFERENCES author);
CREATE TABLE comment (id serial PRIMARY KEY, body text, article_id int REFERENCES article);
CREATE TABLE event (id bigserial PRIMARY KEY, kind text, n int);
INSERT INTO author (name, score) SELECT 'author ' || i, i % 50 FROM generate_series(1, 1000) i;
INSERT INTO article (title, published, author_id) SELECT 'title ' || i, i % 2 = 0, 1 + i % 1000 FROM generate_series(0, 4999) i;
INSERT INTO comment (body, article_id) SELECT 'body ' || i, 1 + i % 5000 FROM generate_series(0, 24999) i;
CREATE INDEX ON article (author_id); CREATE INDEX ON comment (article_id); ANALYZE;
"""
WORK = {
    "by-pk": ("query ($id: Int!) { author_by_pk(id: $id) { id name score } }", {"id": 7}),
    "nested": ("{ author(limit: 100, order_by: {id: asc}) { id name articles { id title comments { id body } } } }", {}),
    "aggregate": (
        "query ($s: Int!) { article_aggregate(where: {author: {score: {_gt: $s}}}) { aggregate { count max { id } } } }",
        {"s": 25},
    ),
    "insert": ("mutation ($k: String!) { insert_event_one(object: {kind: $k, n: 1}) { id } }", {"k": "x"}),
}
#: PostGraphile's Amber preset has no filtered aggregates without another package.
POSTGRAPHILE = {
    "by-pk": ("query ($id: Int!) { authorByRowId(rowId: $id) { rowId name score } }", {"id": 7}),
    "nested": (
        "{ allAuthors(first: 100, orderBy: [PRIMARY_KEY_ASC]) { nodes { rowId name articlesByAuthorId { nodes { rowId title "
        "commentsByArticleId { nodes { rowId body } } } } } } }",
        {},
    ),
    "insert": ("mutation ($k: String!) { createEvent(input: {event: {kind: $k, n: 1}}) { event { rowId } } }", {"k": "x"}),
}
LINKS = [("author", "articles", "article", "author_id"), ("article", "comments", "comment", "article_id")]


def fill(database: str) -> None:
    """Tables and rows; the public schema is wiped."""

    async def run() -> None:
        connection = await asyncpg.connect(database)
        await connection.execute(SCHEMA)
        await connection.close()

    asyncio.run(run())


def track(base: str) -> None:
    """The engine's metadata for them."""
    http = httpx.Client(base_url=base, headers={"x-hasura-admin-secret": "bench"}, timeout=60)
    calls = [("clear_metadata", {}), *(("pg_track_table", {"table": t}) for t in ("author", "article", "comment", "event"))]
    for table, name, other, column in LINKS:
        using = {"foreign_key_constraint_on": {"table": other, "column": column}}
        calls.append(("pg_create_array_relationship", {"table": table, "name": name, "using": using}))
        back = {"foreign_key_constraint_on": column}
        calls.append(("pg_create_object_relationship", {"table": other, "name": table, "using": back}))
    for kind, args in calls:
        http.post("/v1/metadata", json={"type": kind, "args": args}).raise_for_status()


def statements(database: str) -> dict[str, tuple[str, list[str]]]:
    """The SQL the engine makes of each work, with its parameters, by compiling it here."""
    from builtin_plugins.core.hasura.engine.config import read
    from builtin_plugins.core.hasura.engine.engine import Engine
    from builtin_plugins.core.hasura.engine.logs import Logger

    async def compile_all() -> dict[str, tuple[str, list[str]]]:
        engine = Engine(read({"HASURA_GRAPHQL_DATABASE_URL": database}), Logger(()))
        await engine.load()
        found = {}
        for name, (text, variables) in WORK.items():
            plan, given = engine.executor.plan(text, None, dict(variables), "admin", False)
            statement = plan.statement or plan.steps[0].statement
            assert statement is not None
            found[name] = (statement.sql, statement.values(given, {}))
        await engine.stop()
        return found

    return asyncio.run(compile_all())
