"""Remote schemas: another engine, joined at the root."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import asyncpg
import pytest

from .conftest import prepare
from .servers import SECRET, Engine, Postgres, running_engine
from .webhooks import until

pytestmark = pytest.mark.slow

SDL = """
schema { query: query_root }
type query_root { town(where: town_bool_exp @preset(value: {land: {_eq: "x-hasura-land"}}), limit: Int): [town!]! }
type town { id: Int!, name: String }
input town_bool_exp { name: String_comparison_exp, land: String_comparison_exp }
input String_comparison_exp { _eq: String }
"""


@pytest.fixture(scope="module")
def remote(postgres: Postgres) -> Iterator[Engine]:
    """An engine on a database of its own, with a table the other does not have."""

    async def create() -> None:
        connection = await asyncpg.connect(postgres.url)
        await connection.execute("CREATE DATABASE far")
        await connection.close()

    asyncio.run(create())
    with running_engine(postgres.url.rsplit("/", 1)[0] + "/far") as far:
        far.sql("CREATE TABLE town (id int PRIMARY KEY, name text, land text, mayor text)")
        far.sql("INSERT INTO town VALUES (1, 'Ulm', 'de', 'a'), (2, 'Linz', 'at', 'b'), (3, 'Graz', 'at', 'c')")
        assert far.meta("pg_track_table", {"table": "town"}).status_code == 200
        yield far


@pytest.fixture(scope="module")
def joined(postgres: Postgres, remote: Engine) -> Iterator[Engine]:
    """The small schema's engine with the other one joined, and roles restricted."""
    with running_engine(postgres.url, HASURA_GRAPHQL_ENABLE_REMOTE_SCHEMA_PERMISSIONS="true", FAR=remote.base) as made:
        prepare(made)
        # The session variables go along, and the remote here would take the role among them.
        headers = [
            {"name": name, "value": value} for name, value in (("x-hasura-admin-secret", SECRET), ("x-hasura-role", "admin"))
        ]
        definition = {"url": "{{FAR}}/v1/graphql", "headers": headers}
        for kind, args in (
            ("add_remote_schema", {"name": "far", "definition": definition}),
            ("add_remote_schema_permissions", {"remote_schema": "far", "role": "user", "definition": {"schema": SDL}}),
        ):
            reply = made.meta(kind, args)
            assert reply.status_code == 200, reply.text
        yield made


def message(answer: Any) -> str:
    return answer["errors"][0]["message"]


def test_one_request_asks_both(joined: Engine) -> None:
    text = """query ($w: town_bool_exp) {
      mine: author(order_by: {id: asc}, limit: 1) { name }
      towns: town(where: $w, order_by: {id: asc}) { ...Shown } __typename }
    fragment Shown on town { n: name }"""
    answer = joined.ask(text, {"w": {"land": {"_eq": "at"}}})
    assert answer == {"data": {"mine": [{"name": "Ada"}], "towns": [{"n": "Linz"}, {"n": "Graz"}], "__typename": "query_root"}}


def test_mutations_are_passed_on(joined: Engine, remote: Engine) -> None:
    made = joined.ask('mutation { insert_town_one(object: {id: 9, name: "Wels"}) { id } }')
    assert made == {"data": {"insert_town_one": {"id": 9}}}
    assert remote.ask("{ town_by_pk(id: 9) { name } }") == {"data": {"town_by_pk": {"name": "Wels"}}}
    assert "errors" in joined.ask('mutation { insert_town_one(object: {id: 9, name: "Wels"}) { id } }')


def test_introspection_tells_of_them(joined: Engine) -> None:
    text = '{ __schema { queryType { fields { name args { name } } } types { name } } __type(name: "town") { fields { name } } }'
    found = joined.ask(text)["data"]
    roots = {item["name"]: {arg["name"] for arg in item["args"]} for item in found["__schema"]["queryType"]["fields"]}
    assert {"author", "town", "town_by_pk"} <= roots.keys()
    assert "where" in roots["town"]
    names = [kind["name"] for kind in found["__schema"]["types"]]
    assert len(names) == len(set(names))
    assert [item["name"] for item in found["__type"]["fields"]] == ["id", "land", "mayor", "name"]


def test_a_role_has_what_its_schema_says_and_no_more(joined: Engine) -> None:
    as_user = {"role": "user", "user_id": "1", "land": "at"}
    assert joined.ask("{ town(limit: 1) { id name } }", **as_user) == {"data": {"town": [{"id": 2, "name": "Linz"}]}}
    for text in (
        "{ town { mayor } }",
        '{ town(where: {land: {_eq: "de"}}) { name } }',
        "{ town { ...F } } fragment F on town { mayor }",
        "{ town_by_pk(id: 1) { name } }",
        'mutation { insert_town_one(object: {id: 10, name: "x"}) { id } }',
    ):
        assert "errors" in joined.ask(text, **as_user), text
    assert "missing session variable" in message(joined.ask("{ town { id } }", role="user", user_id="1"))
    text = '{ __type(name: "query_root") { fields { name args { name } } } town: __type(name: "town") { fields { name } } }'
    found = joined.ask(text, **as_user)["data"]
    towns = [item for item in found["__type"]["fields"] if item["name"].startswith("town")]
    assert towns == [{"name": "town", "args": [{"name": "limit"}]}]
    assert [item["name"] for item in found["town"]["fields"]] == ["id", "name"]
    assert "errors" in joined.ask("{ town { id } }", role="nobody")


def test_bad_remotes_are_refused(joined: Engine) -> None:
    for definition in ({"url": "http://127.0.0.1:1/"}, {"url": joined.base + "/healthz"}, {"url_from_env": "UNSET"}):
        refused = joined.meta("add_remote_schema", {"name": "bad", "definition": definition})
        assert refused.status_code == 400, definition
        assert "Traceback" not in refused.text
    broken = {"remote_schema": "far", "role": "other", "definition": {"schema": "type {"}}
    assert joined.meta("add_remote_schema_permissions", broken).json()["code"] == "parse-failed"


def test_a_remote_that_went_away(joined: Engine, remote: Engine) -> None:
    remote.stop()
    answer = joined.ask("{ town { id } }")
    assert answer["errors"][0]["extensions"]["code"] == "remote-schema-error"
    assert joined.ask("{ author(limit: 1) { name } }")["data"]
    remote.start()
    until(lambda: "data" in joined.ask("{ town { id } }"))
    assert joined.meta("reload_remote_schema", {"name": "far"}).status_code == 200
    assert joined.meta("remove_remote_schema", {"name": "far"}).status_code == 200
    until(lambda: "errors" in joined.ask("{ town { id } }"))
