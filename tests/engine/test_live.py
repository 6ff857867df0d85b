"""Subscriptions, events, and what happens when the database or the process goes away."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from websockets.asyncio.client import connect

from .conftest import prepare
from .servers import SECRET, Engine, running_engine, running_postgres
from .webhooks import Hook, until

pytestmark = pytest.mark.slow


LIVE = "subscription ($i: Int!) { author_by_pk(id: $i) { name score } }"


async def test_live_query_modern_protocol(engine: Engine) -> None:
    url = engine.base.replace("http", "ws") + "/v1/graphql"
    async with connect(url, subprotocols=["graphql-transport-ws"]) as socket:
        await socket.send(json.dumps({"type": "connection_init", "payload": {"headers": {"x-hasura-admin-secret": SECRET}}}))
        assert json.loads(await socket.recv())["type"] == "connection_ack"
        await socket.send(json.dumps({"type": "subscribe", "id": "1", "payload": {"query": LIVE, "variables": {"i": 2}}}))
        first = json.loads(await asyncio.wait_for(socket.recv(), 10))
        assert first["payload"]["data"]["author_by_pk"] == {"name": "Bob", "score": 5}
        await asyncio.to_thread(engine.sql, "UPDATE author SET score = 6 WHERE id = 2")
        second = json.loads(await asyncio.wait_for(socket.recv(), 10))
        assert second["payload"]["data"]["author_by_pk"]["score"] == 6
        await socket.send(json.dumps({"type": "subscribe", "id": "2", "payload": {"query": "{ nothing }"}}))
        failed = json.loads(await asyncio.wait_for(socket.recv(), 10))
        assert (failed["type"], failed["id"]) == ("error", "2")


async def test_live_query_legacy_protocol_and_refusal(engine: Engine) -> None:
    url = engine.base.replace("http", "ws") + "/v1/graphql"
    async with connect(url, subprotocols=["graphql-ws"]) as socket:
        await socket.send(json.dumps({"type": "connection_init", "payload": {"headers": {"x-hasura-admin-secret": SECRET}}}))
        assert json.loads(await socket.recv())["type"] == "connection_ack"
        assert json.loads(await socket.recv())["type"] == "ka"
        await socket.send(json.dumps({"type": "start", "id": "1", "payload": {"query": "{ author_by_pk(id: 1) { name } }"}}))
        assert json.loads(await socket.recv())["payload"]["data"]["author_by_pk"] == {"name": "Ada"}
        assert json.loads(await socket.recv())["type"] == "complete"
    async with connect(url, subprotocols=["graphql-ws"]) as socket:
        await socket.send(json.dumps({"type": "connection_init", "payload": {"headers": {"x-hasura-admin-secret": "wrong"}}}))
        assert json.loads(await socket.recv())["type"] == "connection_error"


async def test_stream(engine: Engine) -> None:
    text = "subscription { article_stream(batch_size: 2, cursor: {initial_value: {id: 0}}) { id } }"
    url = engine.base.replace("http", "ws") + "/v1/graphql"
    async with connect(url, subprotocols=["graphql-transport-ws"]) as socket:
        await socket.send(json.dumps({"type": "connection_init", "payload": {"headers": {"x-hasura-admin-secret": SECRET}}}))
        await socket.recv()
        await socket.send(json.dumps({"type": "subscribe", "id": "1", "payload": {"query": text}}))
        seen: list[int] = []
        while len(seen) < 3:
            message = json.loads(await asyncio.wait_for(socket.recv(), 10))
            if message["type"] == "next":
                seen += [row["id"] for row in message["payload"]["data"]["article_stream"]]
        assert seen == [1, 2, 3]


async def test_many_subscribers_cost_one_statement_per_round(engine: Engine) -> None:
    url = engine.base.replace("http", "ws") + "/v1/graphql"
    text = "subscription { author(order_by: {id: asc}) { id score } }"
    async with connect(url, subprotocols=["graphql-transport-ws"]) as socket:
        await socket.send(json.dumps({"type": "connection_init", "payload": {"headers": {"x-hasura-admin-secret": SECRET}}}))
        await socket.recv()
        for number in range(500):
            await socket.send(json.dumps({"type": "subscribe", "id": str(number), "payload": {"query": text}}))
        seen = set()
        while len(seen) < 500:
            message = json.loads(await asyncio.wait_for(socket.recv(), 20))
            if message["type"] == "next":
                seen.add(message["id"])
        count = "SELECT sum(xact_commit) FROM pg_stat_database"
        before = int((await asyncio.to_thread(engine.sql, count))["result"][1][0])
        await asyncio.sleep(2)
        after = int((await asyncio.to_thread(engine.sql, count))["result"][1][0])
        assert after - before < 200


async def test_a_client_that_does_not_read_holds_up_nobody(engine: Engine) -> None:
    url = engine.base.replace("http", "ws") + "/v1/graphql"
    engine.sql("CREATE TABLE page (id int PRIMARY KEY, n int, body text); INSERT INTO page VALUES (1, 0, repeat('x', 2000000))")
    engine.meta("pg_track_table", {"table": "page"})
    subscribe = {"type": "subscribe", "id": "1", "payload": {"query": "subscription { page { n body } }"}}
    sockets = [
        connect(url, subprotocols=["graphql-transport-ws"], max_size=None, max_queue=1, compression=None) for _ in range(2)
    ]
    async with sockets[0] as idle, sockets[1] as keen:
        for socket in (idle, keen):
            headers = {"x-hasura-admin-secret": SECRET}
            await socket.send(json.dumps({"type": "connection_init", "payload": {"headers": headers}}))
            await socket.recv()
            await socket.send(json.dumps(subscribe))

        async def newest(socket: Any) -> int:
            while (message := json.loads(await asyncio.wait_for(socket.recv(), 20)))["type"] != "next":
                pass
            return message["payload"]["data"]["page"][0]["n"]

        assert await newest(keen) == 0
        for number in range(1, 16):
            await asyncio.to_thread(engine.sql, f"UPDATE page SET n = {number}")
            while await newest(keen) != number:
                pass
        # What was on the way may still come; what was overtaken meanwhile does not.
        seen = [await newest(idle)]
        while seen[-1] != 15:
            seen.append(await newest(idle))
        assert len(seen) < 15
    engine.meta("run_sql", {"sql": "DROP TABLE page", "cascade": True}, "/v2/query")


def test_event_trigger_payload_retry_and_kill(engine: Engine, hook: Hook, postgres) -> None:
    made = engine.meta(
        "pg_create_event_trigger",
        {
            "name": "on_author",
            "table": "author",
            "webhook": hook.url,
            "insert": {"columns": "*"},
            "update": {"columns": ["score"]},
            "retry_conf": {"num_retries": 3, "interval_sec": 1, "timeout_sec": 5},
            "replace": False,
        },
    )
    assert made.status_code == 200, made.text
    hook.status = 500
    engine.ask('mutation { insert_author_one(object: {name: "Fay", score: 1}) { id } }')
    hook.wait(1)
    hook.status = 200
    event = hook.wait(2)[-1]
    assert event["event"]["op"] == "INSERT"
    assert event["event"]["data"]["old"] is None
    assert event["event"]["data"]["new"]["name"] == "Fay"
    assert event["event"]["session_variables"] == {"x-hasura-role": "admin"}
    assert event["table"] == {"schema": "public", "name": "author"}
    assert event["trigger"] == {"name": "on_author"}
    assert event["delivery_info"] == {"current_retry": 1, "max_retries": 3}
    before = len(hook.seen)
    engine.sql("UPDATE author SET name = 'Fay2' WHERE name = 'Fay'")
    engine.sql("UPDATE author SET score = 2 WHERE name = 'Fay2'")
    assert hook.wait(before + 1)[-1]["event"]["data"]["new"]["score"] == 2
    engine.stop(hard=True)
    import asyncpg

    async def write() -> None:
        connection = await asyncpg.connect(postgres.url)
        await connection.execute("UPDATE author SET score = 9 WHERE name = 'Fay2'")
        await connection.execute("UPDATE hdb_catalog.event_log SET locked = now() WHERE NOT delivered")
        await connection.close()

    asyncio.run(write())
    engine.start()
    # The one before may come again: the process may have died before it could note that it was delivered.
    until(lambda: any(body["event"]["data"]["new"]["score"] == 9 for body in hook.bodies))
    engine.meta("pg_delete_event_trigger", {"name": "on_author"})
    engine.sql("UPDATE author SET score = 10 WHERE name = 'Fay2'")
    assert int(engine.sql("SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'notify_hasura%'")["result"][1][0]) == 0


def test_scheduled_events(engine: Engine, hook: Hook) -> None:
    one = {"webhook": hook.url, "schedule_at": "2020-01-01T00:00:00Z", "payload": {"a": 1}}
    one["retry_conf"] = {"tolerance_seconds": 10**9}
    assert engine.meta("create_scheduled_event", one).status_code == 200
    assert hook.wait(1)[0]["payload"] == {"a": 1}
    bad = engine.meta("create_cron_trigger", {"name": "c", "webhook": hook.url, "schedule": "nonsense"})
    assert bad.status_code == 400
    cron = {"name": "c", "webhook": hook.url, "schedule": "* * * * *", "payload": 7, "include_in_metadata": True}
    assert engine.meta("create_cron_trigger", cron).status_code == 200
    until(lambda: len(planned(engine, "c")) > 10)
    # Rows that other tests left behind are not this trigger's.
    soonest = "SELECT id FROM hdb_catalog.hdb_cron_events WHERE trigger_name = 'c' AND status = 'scheduled' LIMIT 1"
    engine.sql(f"UPDATE hdb_catalog.hdb_cron_events SET scheduled_time = now() WHERE id = ({soonest})")
    assert hook.wait(2)[-1]["name"] == "c"
    engine.meta("delete_cron_trigger", {"name": "c"})


def planned(engine: Engine, name: str) -> list[str]:
    """The moments that wait for a cron trigger."""
    waiting = f"trigger_name = '{name}' AND status = 'scheduled' AND scheduled_time > now()"
    found = engine.sql(f"SELECT scheduled_time FROM hdb_catalog.hdb_cron_events WHERE {waiting}")
    return [row[0] for row in found["result"][1:]]


def test_another_schedule_of_a_cron_trigger_counts_at_once(engine: Engine, hook: Hook) -> None:
    trigger = {"name": "moved", "webhook": hook.url, "include_in_metadata": True}
    for schedule, moment in (("0 3 1 * *", " 03:00:00"), ("30 4 2 * *", " 04:30:00")):
        assert engine.meta("create_cron_trigger", {**trigger, "schedule": schedule, "replace": True}).status_code == 200
        until(lambda: len(planned(engine, "moved")) > 10)
        utc = engine.sql("SHOW timezone")["result"][1][0]
        assert {time[10:19] for time in planned(engine, "moved")} == {moment}, utc
    assert engine.meta("delete_cron_trigger", {"name": "moved"}).status_code == 200
    assert planned(engine, "moved") == []


def test_actions(engine: Engine, hook: Hook) -> None:
    types = {"objects": [{"name": "Sum", "fields": [{"name": "total", "type": "Int!"}]}]}
    assert engine.meta("set_custom_types", types).status_code == 200
    definition = {"handler": hook.url, "type": "query", "output_type": "Sum!", "arguments": [{"name": "a", "type": "Int!"}]}
    assert engine.meta("create_action", {"name": "add", "definition": definition}).status_code == 200
    hook.answer = {"total": 5, "secret": 1}
    assert engine.ask("query ($a: Int!) { add(a: $a) { t: total } }", {"a": 2}) == {"data": {"add": {"t": 5}}}
    assert hook.bodies[-1]["input"] == {"a": 2}
    assert "errors" in engine.ask("{ add(a: 1) { secret } }")
    hook.status, hook.answer = 400, {"message": "no", "extensions": {"code": "mine"}}
    assert engine.ask("{ add(a: 1) { total } }")["errors"][0] == {"message": "no", "extensions": {"path": "$", "code": "mine"}}
    slow = {"handler": hook.url, "kind": "asynchronous", "output_type": "Sum!"}
    assert engine.meta("create_action", {"name": "later", "definition": slow}).status_code == 200
    hook.status, hook.answer = 200, {"total": 1}
    identifier = engine.ask("mutation { later }")["data"]["later"]
    assert engine.ask("query ($i: uuid!) { later(id: $i) { id output { total } } }", {"i": identifier})["data"]["later"]["id"]

    def done() -> bool:
        found = engine.ask("query ($i: uuid!) { later(id: $i) { output { total } errors } }", {"i": identifier})
        return found["data"]["later"]["output"] == {"total": 1}

    until(done)


def test_the_database_goes_away_and_comes_back() -> None:
    with running_postgres() as server, running_engine(server.url) as engine:
        prepare(engine)
        server.stop()
        reply = engine.http.post("/v1/graphql", json={"query": "{ author { id } }"}, headers={"x-hasura-admin-secret": SECRET})
        assert reply.status_code == 503
        assert reply.json()["errors"][0]["extensions"]["code"] == "postgres-error"
        assert engine.http.get("/healthz").status_code == 503
        server.start()
        until(lambda: engine.ask("{ author { id } }").get("data") is not None)
        assert engine.http.get("/healthz").status_code == 200
