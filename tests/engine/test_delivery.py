"""Events, schedules and asynchronous actions arrive at least once, whatever dies in between."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from builtin_plugins.core.hasura.engine.events.service import LEASE_SECONDS

from .conftest import prepare
from .servers import Engine, Postgres, running_engine, running_postgres
from .webhooks import Hook, until

pytestmark = pytest.mark.slow

TRIGGER = {"table": "author", "insert": {"columns": "*"}, "retry_conf": {"num_retries": 3, "interval_sec": 1, "timeout_sec": 60}}


def call(engine: Engine, kind: str, **args: Any) -> Any:
    reply = engine.meta(kind, args)
    assert reply.status_code == 200, reply.text
    return reply.json()


def test_killed_in_the_middle_of_every_kind_of_delivery(engine: Engine, hook: Hook) -> None:
    hook.hold = threading.Event()
    call(engine, "pg_create_event_trigger", name="made", webhook=hook.base + "/event", **TRIGGER)
    call(engine, "set_custom_types", objects=[{"name": "Done", "fields": [{"name": "ok", "type": "Boolean!"}]}])
    definition = {"handler": hook.base + "/action", "kind": "asynchronous", "output_type": "Done!", "timeout": 60}
    call(engine, "create_action", name="later", definition=definition)
    call(engine, "create_cron_trigger", name="cron", webhook=hook.base + "/cron", schedule="0 0 1 1 *", include_in_metadata=True)
    late = {"tolerance_seconds": 10**9}
    call(engine, "create_scheduled_event", webhook=hook.base + "/once", schedule_at="2020-01-01T00:00:00Z", retry_conf=late)
    one = "SELECT id FROM hdb_catalog.hdb_cron_events WHERE trigger_name = 'cron' AND status = 'scheduled' LIMIT 1"
    until(lambda: len(engine.sql(one)["result"]) > 1)
    engine.sql(f"UPDATE hdb_catalog.hdb_cron_events SET scheduled_time = now() WHERE id = ({one})")
    engine.ask('mutation { insert_author_one(object: {name: "Gus"}) { id } }')
    action = engine.ask("mutation { later }")["data"]["later"]
    paths = {"/event", "/action", "/cron", "/once"}
    until(lambda: {request["path"] for request in hook.seen} == paths)
    first = {request["path"]: request["body"]["id"] for request in hook.seen}
    engine.stop(hard=True)
    hook.hold.set()
    hook.seen.clear()
    hook.answer = {"ok": True}
    engine.start()
    until(lambda: {request["path"] for request in hook.seen} == paths)
    assert {request["path"]: request["body"]["id"] for request in hook.seen} == first
    asked = "query ($i: uuid!) { later(id: $i) { output { ok } } }"
    until(lambda: engine.ask(asked, {"i": action})["data"]["later"]["output"] == {"ok": True})
    pending = (
        "SELECT (SELECT count(*) FROM hdb_catalog.event_log WHERE NOT delivered)"
        " + (SELECT count(*) FROM hdb_catalog.hdb_scheduled_events WHERE status <> 'delivered')"
        " + (SELECT count(*) FROM hdb_catalog.hdb_cron_events WHERE status = 'locked')"
    )
    until(lambda: engine.sql(pending)["result"][1][0] == "0")
    call(engine, "pg_delete_event_trigger", name="made")
    call(engine, "delete_cron_trigger", name="cron")


def test_what_was_delivered_can_be_read(engine: Engine, hook: Hook) -> None:
    call(engine, "pg_create_event_trigger", name="kept", webhook=hook.url, **TRIGGER)
    engine.ask('mutation { insert_author_one(object: {name: "Kim"}) { id } }')
    hook.wait(1)
    until(lambda: call(engine, "pg_get_event_logs", name="kept", status="processed"))
    (event,) = call(engine, "pg_get_event_logs", name="kept")
    assert event["payload"]["data"]["new"]["name"] == "Kim"
    assert call(engine, "pg_get_event_logs", name="kept", status="pending") == []
    (invoked,) = call(engine, "pg_get_event_invocation_logs", name="kept", limit=5)
    assert (invoked["event_id"], invoked["status"]) == (event["id"], 200)
    call(engine, "pg_delete_event_trigger", name="kept")

    moment = {"webhook": hook.url, "schedule_at": "2020-01-01T00:00:00Z", "payload": {"told": 1}, "comment": "told"}
    made = call(engine, "create_scheduled_event", **moment, retry_conf={"tolerance_seconds": 10**9})["event_id"]
    hook.wait(2)
    until(
        lambda: any(e["id"] == made for e in call(engine, "get_scheduled_events", type="one_off", status="delivered")["events"])
    )
    invoked = call(engine, "get_scheduled_event_invocations", type="one_off", event_id=made, get_rows_count=True)
    assert (invoked["count"], [i["status"] for i in invoked["invocations"]]) == (1, [200])

    call(engine, "create_cron_trigger", name="seldom", webhook=hook.url, schedule="0 0 1 1 *", include_in_metadata=True)
    assert "seldom" in {trigger["name"] for trigger in call(engine, "get_cron_triggers")["cron_triggers"]}
    asked = {"type": "cron", "trigger_name": "seldom", "status": ["scheduled"], "limit": 2, "get_rows_count": True}
    until(lambda: call(engine, "get_scheduled_events", **asked)["count"] > 10)
    planned = call(engine, "get_scheduled_events", **asked)["events"]
    assert [event["scheduled_time"][4:10] for event in planned] == ["-01-01", "-01-01"]
    assert call(engine, "get_scheduled_event_invocations", type="cron", trigger_name="seldom") == {"invocations": []}
    call(engine, "delete_cron_trigger", name="seldom")
    for kind, args in (
        ("pg_get_event_logs", {"name": "nothing"}),
        ("get_scheduled_events", {"type": "never"}),
        ("get_scheduled_events", {"type": "one_off", "limit": -1}),
        ("get_scheduled_events", {"type": "cron"}),
    ):
        assert engine.meta(kind, args).json()["code"] in ("not-exists", "parse-failed")


def test_a_slow_webhook_holds_up_no_other(engine: Engine, hook: Hook) -> None:
    slow = Hook()
    slow.hold = threading.Event()
    try:
        call(engine, "pg_create_event_trigger", name="slow", webhook=slow.url, **TRIGGER)
        call(engine, "pg_create_event_trigger", name="quick", webhook=hook.url, **TRIGGER)
        for number in range(3):
            engine.ask("mutation ($n: String) { insert_author_one(object: {name: $n}) { id } }", {"n": f"slow{number}"})
            hook.wait(number + 1, 10)
    finally:
        slow.hold.set()
        slow.stop()
        for name in ("slow", "quick"):
            call(engine, "pg_delete_event_trigger", name=name)


def test_a_second_process_takes_nothing_from_the_first(engine: Engine, hook: Hook, postgres: Postgres) -> None:
    hook.hold = threading.Event()
    call(engine, "pg_create_event_trigger", name="shared", webhook=hook.url, **TRIGGER)
    engine.ask('mutation { insert_author_one(object: {name: "Hal"}) { id } }')
    hook.wait(1)
    with running_engine(postgres.url) as other:
        until(lambda: other.ask("{ author { id } }").get("data") is not None)
        engine.sql("SELECT pg_sleep(1.5)")
        assert len(hook.seen) == 1
        hook.hold.set()
        until(lambda: engine.sql("SELECT count(*) FROM hdb_catalog.event_log WHERE NOT delivered")["result"][1][0] == "0")
    assert len(hook.seen) == 1
    call(engine, "pg_delete_event_trigger", name="shared")


def test_two_others_take_over_what_a_killed_process_held_and_nothing_that_a_living_one_holds(hook: Hook) -> None:
    hook.hold = threading.Event()
    paths = {"/event", "/action", "/once"}
    with running_postgres() as server, running_engine(server.url) as first:
        prepare(first)
        call(first, "pg_create_event_trigger", name="made", webhook=hook.base + "/event", **TRIGGER)
        call(first, "set_custom_types", objects=[{"name": "Done", "fields": [{"name": "ok", "type": "Boolean!"}]}])
        definition = {"handler": hook.base + "/action", "kind": "asynchronous", "output_type": "Done!", "timeout": 60}
        call(first, "create_action", name="later", definition=definition)
        first.ask('mutation { insert_author_one(object: {name: "Ivy"}) { id } }')
        first.ask("mutation { later }")
        late = {"tolerance_seconds": 10**9}
        call(first, "create_scheduled_event", webhook=hook.base + "/once", schedule_at="2020-01-01T00:00:00Z", retry_conf=late)
        until(lambda: {request["path"] for request in hook.seen} == paths)
        with running_engine(server.url), running_engine(server.url):
            # Longer than a lease: the process that lives has renewed it.
            time.sleep(LEASE_SECONDS + 3)
            assert len(hook.seen) == len(paths)
            first.stop(hard=True)
            hook.hold.set()
            hook.seen.clear()
            until(lambda: {request["path"] for request in hook.seen} == paths, LEASE_SECONDS + 10)
            time.sleep(2)
            assert len(hook.seen) == len(paths), "each was taken over once"


@pytest.mark.parametrize("name", ["", "a" * 43, 'x" ON author; --', "a b", "é"])
def test_names_of_triggers_are_bounded(engine: Engine, name: str) -> None:
    refused = engine.meta("pg_create_event_trigger", {"name": name, "webhook": "http://127.0.0.1:1", **TRIGGER})
    assert refused.json()["code"] == "invalid-input"
