"""Fixtures: one cluster for the session, one engine with a small schema per module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .servers import Engine, Postgres, running_engine, running_postgres
from .webhooks import Hook

SCHEMA = """
CREATE TABLE author (id serial PRIMARY KEY, name text UNIQUE, score int);
CREATE TABLE article (id serial PRIMARY KEY, title text, published boolean NOT NULL DEFAULT false,
  author_id int REFERENCES author(id), data jsonb);
INSERT INTO author (name, score) VALUES ('Ada', 3), ('Bob', 5), ('Cyd', NULL);
INSERT INTO article (title, published, author_id, data)
  VALUES ('a1', true, 1, '{"k": {"x": [1, 2]}}'), ('a2', false, 1, NULL), ('b1', true, 2, NULL);
"""
METADATA = [
    ("pg_track_table", {"table": "author"}),
    ("pg_track_table", {"table": "article"}),
    (
        "pg_create_array_relationship",
        {
            "table": "author",
            "name": "articles",
            "using": {"foreign_key_constraint_on": {"table": "article", "column": "author_id"}},
        },
    ),
    (
        "pg_create_object_relationship",
        {"table": "article", "name": "author", "using": {"foreign_key_constraint_on": "author_id"}},
    ),
    (
        "pg_create_select_permission",
        {
            "table": "article",
            "role": "user",
            "permission": {
                "columns": ["id", "title"],
                "filter": {"_or": [{"published": True}, {"author_id": "X-Hasura-User-Id"}]},
            },
        },
    ),
    (
        "pg_create_insert_permission",
        {
            "table": "article",
            "role": "user",
            "permission": {
                "columns": ["title"],
                "check": {"title": {"_ne": "bad"}},
                "set": {"author_id": "x-hasura-User-Id"},
            },
        },
    ),
]


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A cluster with contrib."""
    with running_postgres() as server:
        yield server


def prepare(engine: Engine) -> None:
    """A fresh small schema, tracked."""
    engine.meta("clear_metadata", {})
    engine.sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public;" + SCHEMA)
    for kind, args in METADATA:
        reply = engine.meta(kind, args)
        assert reply.status_code == 200, reply.text


@pytest.fixture(scope="module")
def engine(postgres: Postgres) -> Iterator[Engine]:
    """An engine on the small schema."""
    with running_engine(postgres.url) as running:
        prepare(running)
        yield running


@pytest.fixture
def hook() -> Iterator[Hook]:
    """A server for the engine to call."""
    made = Hook()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def playground() -> Iterator[Engine]:
    """An engine on a cluster of its own, for schemas that come and go."""
    with running_postgres() as server, running_engine(server.url, X=server.url) as engine:
        yield engine
