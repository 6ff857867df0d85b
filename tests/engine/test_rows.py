"""The old query API's commands on rows."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from .servers import ROOT, Engine, Postgres

pytestmark = pytest.mark.slow


def query(engine: Engine, kind: str, **args: Any) -> Any:
    reply = engine.meta(kind, args, "/v1/query")
    return reply.json() if reply.status_code == 200 else reply.json()["code"]


def test_insert_takes_defaults_and_answers_what_was_written(engine: Engine) -> None:
    rows = [{"title": "one"}, {"title": "two", "published": True, "data": {"a": [1]}}]
    made = query(engine, "insert", table="article", objects=rows, returning=["title", "published", "data"])
    assert made == {
        "affected_rows": 2,
        "returning": [
            {"title": "one", "published": False, "data": None},
            {"title": "two", "published": True, "data": {"a": [1]}},
        ],
    }
    assert query(engine, "insert", table="author", objects=[{"name": "Ada"}]) == "constraint-violation"
    ignoring = {"constraint": "author_name_key", "action": "ignore"}
    assert query(engine, "insert", table="author", objects=[{"name": "Ada"}], on_conflict=ignoring) == {"affected_rows": 0}
    again = [{"name": "Ada", "score": 8}]
    upsert = query(engine, "insert", table="author", objects=again, on_conflict={"constraint_on": ["name"]}, returning=["score"])
    assert upsert == {"affected_rows": 1, "returning": [{"score": 8}]}


def test_update_and_delete(engine: Engine) -> None:
    where = {"title": {"$in": ["one", "two"]}}
    done = query(engine, "update", table="article", where=where, **{"$set": {"data": [1]}}, returning=["data"])
    assert done == {"affected_rows": 2, "returning": [{"data": [1]}, {"data": [1]}]}
    assert query(engine, "update", table="author", where={"name": "Ada"}, **{"$inc": {"score": 2}, "$mul": {}}) == {
        "affected_rows": 1
    }
    assert query(engine, "select", table="author", columns=["score"], where={"name": "Ada"}) == [{"score": 10}]
    assert query(engine, "update", table="article", where={"title": "two"}, **{"$default": ["published"]}) == {"affected_rows": 1}
    assert query(engine, "count", table="article", where={"published": True, **where}) == {"count": 0}
    assert query(engine, "delete", table="article", where=where) == {"affected_rows": 2}


@pytest.mark.parametrize(
    ("kind", "args", "code"),
    [
        ("insert", {"table": "nothing", "objects": [{}]}, "not-exists"),
        ("insert", {"table": "author", "objects": []}, "unexpected-payload"),
        ("insert", {"table": "author", "objects": [{"nothing": 1}]}, "not-exists"),
        ("insert", {"table": "author", "objects": ["x"]}, "parse-failed"),
        ("insert", {"table": "author", "objects": [{"score": "many"}]}, "data-exception"),
        ("insert", {"table": "author", "objects": [{}], "on_conflict": {"constraint": 'x" DO NOTHING --'}}, "unexpected"),
        ("update", {"table": "author", "where": {}}, "unexpected-payload"),
        ("delete", {"table": "author"}, "parse-failed"),
    ],
)
def test_what_cannot_be_done_is_said(engine: Engine, kind: str, args: dict[str, Any], code: str) -> None:
    assert query(engine, kind, **args) == code


def test_run_sql_shows_values_as_postgresql_writes_them(engine: Engine) -> None:
    text = """SELECT true AS yes, false AS "a, b", NULL::boolean AS "un""known", 1.50 AS n, '{"a": 1}'::jsonb AS j;"""
    assert engine.sql(text) == {
        "result_type": "TuplesOk",
        "result": [["yes", "a, b", 'un"known', "n", "j"], ["t", "f", None, "1.50", '{"a": 1}']],
    }
    assert engine.sql("SELECT") == {"result_type": "TuplesOk", "result": [[], []]}
    assert engine.sql("CREATE TEMP TABLE x (i int); INSERT INTO x VALUES (1)") == {"result_type": "CommandOk", "result": None}


def test_a_taken_port_is_said(engine: Engine, postgres: Postgres) -> None:
    second = Engine(postgres.url, HASURA_GRAPHQL_SERVER_PORT=str(engine.port))
    argv = [sys.executable, "-m", "builtin_plugins.core.hasura.engine"]
    done = subprocess.run(argv, cwd=ROOT, env=second.environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert f"cannot listen on 127.0.0.1:{engine.port}" in json.loads(done.stdout)["detail"]["info"]
    assert done.stderr == ""
