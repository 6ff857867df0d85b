"""Feature flags on a real stack: the OpenFeature protocol, who sees what, history, the kill switch, commands."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hookspecs.testing import PluginStack

pytestmark = pytest.mark.slow


def put(stack: PluginStack, key: str, **flag: Any) -> dict[str, Any]:
    answer = stack.http.put(f"flags/{key}", json=flag)
    assert answer.status_code == 200, answer.text
    return answer.json()


def evaluate(client: Any, key: str, **context: Any) -> dict[str, Any]:
    return client.post(f"ofrep/v1/evaluate/flags/{key}", json={"context": context}).json()


def test_one_flag_by_the_protocol(nself_stack: PluginStack) -> None:
    rule = {"conditions": [{"attribute": "plan", "operator": "is", "value": "pro"}], "variant": "on"}
    put(nself_stack, "checkout", enabled=True, default_variant="off", rules=[rule])
    on = evaluate(nself_stack.http, "checkout", targetingKey="u1", plan="pro")
    assert on == {
        "key": "checkout",
        "value": True,
        "variant": "on",
        "reason": "TARGETING_MATCH",
        "metadata": {"version": 1, "rule": 0},
    }
    assert evaluate(nself_stack.http, "checkout", plan="free")["value"] is False
    missing = nself_stack.http.post("ofrep/v1/evaluate/flags/nope", json={})
    assert (missing.status_code, missing.json()) == (404, {"key": "nope", "errorCode": "FLAG_NOT_FOUND"})


def test_the_kill_switch_is_felt_at_once(nself_stack: PluginStack) -> None:
    put(nself_stack, "killed", enabled=True)
    assert evaluate(nself_stack.http, "killed")["value"] is True
    assert nself_stack.http.post("flags/killed/off").json()["version"] == 2
    gone = evaluate(nself_stack.http, "killed")
    assert (gone["value"], gone["reason"]) == (False, "DISABLED")


def test_browsers_see_what_is_public_and_users_are_themselves(nself_stack: PluginStack) -> None:
    mine = {"conditions": [{"attribute": "targetingKey", "operator": "is", "value": "ada"}], "variant": "on"}
    put(nself_stack, "open", enabled=True, public=True, default_variant="off", rules=[mine])
    put(nself_stack, "closed", enabled=True)
    nself_stack.until(lambda: evaluate(nself_stack.anonymous, "open").get("variant") == "off", 5)
    assert evaluate(nself_stack.anonymous, "closed")["errorCode"] == "FLAG_NOT_FOUND"
    assert evaluate(nself_stack.user("ada"), "open")["value"] is True
    assert evaluate(nself_stack.user("bob"), "open", targetingKey="ada")["value"] is False, "nobody passes for another"
    seen = nself_stack.user("ada").post("ofrep/v1/evaluate/flags", json={}).json()["flags"]
    assert [flag["key"] for flag in seen] == ["open"]
    assert {flag["key"] for flag in nself_stack.http.post("ofrep/v1/evaluate/flags", json={}).json()["flags"]} >= {
        "open",
        "closed",
    }
    assert nself_stack.anonymous.get("flags").status_code == 401
    assert nself_stack.user("ada").get("flags").status_code == 403


def test_a_client_that_knows_is_not_told_again(nself_stack: PluginStack) -> None:
    put(nself_stack, "tagged", enabled=True)
    nself_stack.until(lambda: evaluate(nself_stack.http, "tagged").get("value") is True, 5)
    first = nself_stack.http.post("ofrep/v1/evaluate/flags", json={"context": {"a": 1}})
    known = {"if-none-match": first.headers["etag"]}
    assert nself_stack.http.post("ofrep/v1/evaluate/flags", json={"context": {"a": 1}}, headers=known).status_code == 304
    assert nself_stack.http.post("ofrep/v1/evaluate/flags", json={"context": {"a": 2}}, headers=known).status_code == 200
    nself_stack.http.post("flags/tagged/off")
    nself_stack.until(
        lambda: nself_stack.http.post("ofrep/v1/evaluate/flags", json={"context": {"a": 1}}, headers=known).status_code == 200, 5
    )


def test_a_rollout_stays_sticky_through_changes(nself_stack: PluginStack) -> None:
    def wanted(percent: float) -> list[dict[str, Any]]:
        return [{"rollout": [{"variant": "on", "percent": percent}]}]

    def who() -> set[int]:
        return {n for n in range(60) if evaluate(nself_stack.http, "sticky", targetingKey=f"u{n}")["value"]}

    put(nself_stack, "sticky", enabled=True, default_variant="off", rules=wanted(30))
    nself_stack.until(lambda: evaluate(nself_stack.http, "sticky").get("reason") == "STATIC", 5)
    before = who()
    put(nself_stack, "sticky", enabled=True, default_variant="off", rules=wanted(70), description="more of them")
    nself_stack.until(lambda: evaluate(nself_stack.http, "sticky")["metadata"]["version"] == 2, 5)
    assert before < who()


def test_segments_and_history(nself_stack: PluginStack) -> None:
    staff = {"included": ["ada"], "conditions": [{"attribute": "email", "operator": "ends_with", "value": "@example.com"}]}
    assert nself_stack.http.put("segments/staff", json=staff).status_code == 200
    rule = {"conditions": [{"operator": "segment", "value": "staff"}], "variant": "on"}
    put(nself_stack, "internal", enabled=True, default_variant="off", rules=[rule])
    nself_stack.until(lambda: evaluate(nself_stack.http, "internal", targetingKey="ada").get("value") is True, 5)
    assert evaluate(nself_stack.http, "internal", targetingKey="x", email="b@example.com")["value"] is True
    used = nself_stack.http.delete("segments/staff")
    assert (used.status_code, "internal" in used.text) == (409, True)
    assert nself_stack.user("eve", "admin").delete("flags/internal").status_code == 204
    assert nself_stack.http.delete("segments/staff").status_code == 204
    told = nself_stack.http.get("history", params={"key": "internal"}).json()
    assert [(line["action"], line["actor"]) for line in told] == [("deleted", "eve"), ("created", "service")]
    assert told[0]["before"]["rules"][0]["variant"] == "on"
    assert "salt" not in json.dumps(told)


@pytest.mark.parametrize(
    "flag", [{"default_variant": "x"}, {"variants": {}}, {"rules": [{}]}, {"variants": {"a b": 1}}, {"on": 1}]
)
def test_what_makes_no_sense_is_refused(nself_stack: PluginStack, flag: dict[str, Any]) -> None:
    assert nself_stack.http.put("flags/bad", json=flag).status_code == 422


def test_commands(nself_stack: PluginStack, tmp_path: Path) -> None:
    made = nself_stack.json("feature-flags", "set", "shell", "--on", "--rollout", "100", "--description", "By hand")
    assert (made["enabled"], made["rules"][0]["rollout"][0]["percent"]) == (True, 100)
    assert nself_stack.until(lambda: nself_stack.json("feature-flags", "evaluate", "shell", '{"targetingKey": "u"}')["value"], 10)
    nself_stack.cli("feature-flags", "off", "shell")
    assert "shell" in nself_stack.cli("feature-flags", "list").stdout
    saved = tmp_path / "flag.json"
    saved.write_text(nself_stack.cli("feature-flags", "show", "shell").stdout)
    kept = nself_stack.json("feature-flags", "set", "shell", "--file", str(saved), "--on")
    assert (kept["enabled"], kept["description"]) == (True, "By hand")
    assert nself_stack.json("feature-flags", "history", "--key", "shell")[0]["action"] == "changed"
    assert "deleted" in nself_stack.cli("feature-flags", "remove", "shell", "--yes").stdout
    nself_stack.cli("feature-flags", "set-segment", "testers", '{"included": ["u1", "u2"], "description": "By hand"}')
    kept = next(one for one in nself_stack.json("feature-flags", "segments") if one["key"] == "testers")
    assert (kept["included"], kept["description"]) == (["u1", "u2"], "By hand")
    wrong = nself_stack.cli("feature-flags", "set-segment", "testers", '{"colour": 1}', check=False)
    assert (wrong.returncode, "colour" in wrong.stderr) == (1, True), wrong.stderr
    assert "deleted" in nself_stack.cli("feature-flags", "remove-segment", "testers", "--yes").stdout
    bad = nself_stack.cli("feature-flags", "set", "shell", "--file", str(tmp_path / "none"), check=False)
    assert bad.returncode == 2
