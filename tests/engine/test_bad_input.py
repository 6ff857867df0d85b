"""What nobody sane sends: each is one error of Hasura's shape, soon, and the engine goes on."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from typing import Any

import asyncpg
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from .servers import SECRET, Engine, running_engine, running_postgres

pytestmark = pytest.mark.slow
ADMIN = {"x-hasura-admin-secret": SECRET}


@pytest.fixture(autouse=True)
def _alive(engine: Engine) -> Any:
    yield
    assert engine.ask("{ author(limit: 1) { id } }")["data"], "the engine does not answer any more"


def refused(engine: Engine, body: Any, seconds: float = 20) -> str:
    """The code of the error that a body gets, in time."""
    started = time.monotonic()
    reply = engine.http.post("/v1/graphql", content=body if isinstance(body, bytes) else json.dumps(body), headers=ADMIN)
    assert time.monotonic() - started < seconds
    answer = reply.json()
    assert "data" not in answer
    assert "Traceback" not in reply.text
    found = answer["errors"][0]["extensions"]
    assert found.keys() <= {"code", "path", "internal"}
    return found["code"]


@pytest.mark.parametrize(
    "query",
    [
        "{ " + "".join(f"a{i}: author {{ id name articles {{ id author {{ id }} }} }} " for i in range(20_000)) + "}",
        "{ " + "".join(f"a{i}: __typename " for i in range(60_000)) + "}",
        "{ author { " + "".join(f"...f{i} " for i in range(1000)) + "} } "
        + "".join(f"fragment f{i} on author {{ ...f{(i + 1) % 1000} }} " for i in range(1000)),
        "{ author(where: {_and: [" + "{id: {_eq: 1}}, " * 60_000 + "]}) { id } }",
        "{ author(where: {id: {_in: [" + "1, " * 200_000 + "]}}) { id } }",
        "query (" + " ".join(f"$v{i}: Int" for i in range(40_000)) + ") { author { id } }",
        "{ author " + "@include(if: true) " * 60_000 + "{ id } }",
        '{ author(where: {name: {_eq: "' + "x" * 3_000_000 + '"}}) { id } }',
        "\u0000", "{ author { id\u0000 } }", "{ author { \ud7ff } }", "#", "}", "query", "fragment F on author { id }",
    ],
    ids=lambda text: text[:20].strip(),
)  # fmt: skip
def test_operations(engine: Engine, query: str) -> None:
    assert refused(engine, {"query": query}) in ("validation-failed", "invalid-json")


def deep(levels: int, leaf: Any) -> Any:
    for _ in range(levels):
        leaf = {"_not": leaf}
    return leaf


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("author_bool_exp", deep(900, {})),
        ("author_bool_exp", {"_and": [{"id": {"_eq": "not a number"}}]}),
        ("author_bool_exp", {"id": {"_eq": 10**30}}),
        ("author_bool_exp", {"id": {"_eq": {"a": 1}}}),
        ("author_bool_exp", {"id": {"_nothing": 1}}),
        ("author_bool_exp", {"id": [1]}),
        ("author_bool_exp", "text"),
        ("author_bool_exp", {"name": {"_eq": "\u0000"}}),
        ("author_bool_exp", {"name": {"_similar": "((("}}),
        ("author_bool_exp", {"name": {"_regex": "((("}}),
        ("[author_order_by!]", {"id": "sideways"}),
        ("[author_order_by!]", [[{"id": "asc"}]]),
    ],
)
def test_variables(engine: Engine, kind: str, value: Any) -> None:
    argument = "where" if kind.endswith("exp") else "order_by"
    body = {"query": f"query ($v: {kind}) {{ author({argument}: $v) {{ id }} }}", "variables": {"v": value}}
    assert refused(engine, body) in ("validation-failed", "data-exception", "parse-failed", "postgres-error")


def test_json_as_deep_as_it_gets(engine: Engine) -> None:
    body = b'{"query": "query ($v: author_bool_exp) { author(where: $v) { id } }", "variables": {"v": '
    assert refused(engine, body + b'{"_not":' * 10_000 + b"{}" + b"}" * 10_000 + b"}}") in ("invalid-json", "validation-failed")
    assert refused(engine, {"query": "mutation ($d: jsonb) { insert_article_one(object: {title: 1.5, data: $d}) { id } }"})


@pytest.mark.parametrize("headers", [{"x-hasura-role": ""}, {"x-hasura-role": "nobody"}, {"x-hasura-role": "x" * 8000}])
def test_unknown_roles_see_nothing(engine: Engine, headers: dict[str, str]) -> None:
    reply = engine.http.post("/v1/graphql", json={"query": "{ article { title } }"}, headers=ADMIN | headers)
    if headers["x-hasura-role"]:
        assert reply.json()["errors"][0]["extensions"]["code"] == "validation-failed"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/metadata", b"[" * 50_000),
        ("/v1/metadata", b'{"type": "pg_track_table", "args": {"table": {"schema": {}, "name": []}}}'),
        ("/v1/metadata", b'{"type": "pg_track_table", "args": 7}'),
        ("/v1/metadata", b'{"type": "replace_metadata", "args": {"version": 3, "sources": [{"tables": [{"table": 7}]}]}}'),
        ("/v1/metadata", b'{"type": "replace_metadata", "args": {"version": 3, "sources": 7}}'),
        ("/v1/metadata", b'{"type": "bulk", "args": {"a": 1}}'),
        ("/v1/metadata", b'{"type": 7}'),
        ("/v1/metadata", b'{"type": "no_such"}'),
        ("/v2/query", b'{"type": "run_sql", "args": {"sql": 7}}'),
        ("/v2/query", b'{"type": "run_sql", "args": {"sql": "SELEC 1"}}'),
        ("/v2/query", b'{"type": "run_sql", "args": {"sql": "ROLLBACK; DROP TABLE author"}}'),
        ("/v1/query", b'{"type": "select", "args": {"table": "author", "columns": [{"name": "nothing"}]}}'),
        ("/v1/metadata", b'{"type": "pg_create_select_permission", "args": {"table": "author", "role": "x", '
         b'"permission": {"columns": ["nothing"], "filter": {}}}}'),
        ("/v1/metadata", b'{"type": "pg_create_select_permission", "args": {"table": "author", "role": "x", '
         b'"permission": {"columns": "*", "filter": {"nothing": 1}}}}'),
        ("/v1/metadata", b'{"type": "create_cron_trigger", "args": {"name": "c", "webhook": "x", "schedule": "61 * * * *"}}'),
    ],
)  # fmt: skip
def test_commands(engine: Engine, path: str, body: bytes) -> None:
    before = engine.meta("export_metadata", {}).json()
    reply = engine.http.post(path, content=body, headers=ADMIN)
    assert 400 <= reply.status_code < 500, reply.text
    assert reply.json().keys() <= {"path", "error", "code", "internal"}
    assert "Traceback" not in reply.text
    assert engine.meta("export_metadata", {}).json() == before


@pytest.mark.parametrize(
    "message",
    ["", "{", "7", "[]", "null", '{"type": 7}', '{"type": "subscribe"}', '{"type": "subscribe", "id": 1, "payload": []}',
     '{"type": "start", "id": "1", "payload": {"query": 7}}', '{"type": "connection_init", "payload": 7}', "x" * 100_000],
)  # fmt: skip
@pytest.mark.parametrize("protocol", ["graphql-transport-ws", "graphql-ws"])
def test_socket_messages(engine: Engine, protocol: str, message: str) -> None:
    url = engine.base.replace("http", "ws") + "/v1/graphql"
    with connect(url, subprotocols=[protocol]) as client:
        client.send(message)
        try:
            answer = client.recv(3)
        except (ConnectionClosed, TimeoutError):
            return
        assert "Traceback" not in str(answer)


def test_half_a_request_and_a_client_that_leaves(engine: Engine) -> None:
    half = b"POST /v1/graphql HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"
    for sent in (half, b"\x16\x03\x01", b"GET / HTTP/9.9\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", engine.port)) as raw:
            raw.sendall(sent)


def test_inconsistent_metadata_at_start() -> None:
    with running_postgres() as server, running_engine(server.url) as engine:
        engine.sql("CREATE TABLE kept (id int PRIMARY KEY); CREATE TABLE lost (id int PRIMARY KEY, kept_id int REFERENCES kept)")
        for table in ("kept", "lost"):
            engine.meta("pg_track_table", {"table": table})
        using = {"foreign_key_constraint_on": {"table": "lost", "column": "kept_id"}}
        engine.meta("pg_create_array_relationship", {"table": "kept", "name": "losts", "using": using})
        trigger = {"name": "e", "table": "lost", "webhook": "http://127.0.0.1:1", "insert": {"columns": "*"}}
        engine.meta("pg_create_event_trigger", trigger)
        engine.stop()

        async def drop() -> None:
            connection = await asyncpg.connect(server.url)
            await connection.execute("DROP TABLE lost CASCADE")
            await connection.close()

        asyncio.run(drop())
        engine.start()
        until_ready = time.monotonic() + 20
        while "errors" in (answer := engine.ask("{ kept { id } }")):
            assert time.monotonic() < until_ready, answer
            time.sleep(0.1)
        assert engine.http.get("/healthz").text.startswith("WARN")
        found = {item["name"] for item in engine.meta("get_inconsistent_metadata", {}).json()["inconsistent_objects"]}
        assert any("lost" in name for name in found)
        assert "errors" in engine.ask("{ lost { id } }")
        engine.sql("CREATE TABLE lost (id int PRIMARY KEY, kept_id int REFERENCES kept)")
        engine.meta("reload_metadata", {})
        assert engine.meta("get_inconsistent_metadata", {}).json()["is_consistent"]
        assert engine.ask("{ kept { losts { id } } }") == {"data": {"kept": []}}
