"""Cron on a real stack: calls that an endpoint of ours sees, retries, missed runs, overlap, commands."""

from __future__ import annotations

import base64
import time
from typing import Any

import pytest
from standardwebhooks import Webhook

from hookspecs.testing import PluginStack, Received, Receiver

pytestmark = pytest.mark.slow
SECRET = "a-secret-of-this-test-alone-0123456789abcdef"


@pytest.fixture(scope="module")
def nself_settings() -> dict[str, str]:
    return {"CRON_SECRET": SECRET, "HOST_PRIVATE_HOSTS": "127.0.0.1"}


def put(stack: PluginStack, name: str, url: str, **fields: Any) -> dict[str, Any]:
    answer = stack.http.put(f"jobs/{name}", json={"schedule": "0 0 1 1 *", "url": url, **fields})
    assert answer.status_code == 200, answer.text
    return answer.json()


def finished(stack: PluginStack, run: str) -> dict[str, Any]:
    return stack.until(lambda: (r := stack.http.get(f"runs/{run}").json())["status"] not in {"queued", "running"} and r, 60)


def run_now(stack: PluginStack, name: str) -> dict[str, Any]:
    return finished(stack, stack.http.post(f"jobs/{name}/runs").json()["id"])


def make_due(stack: PluginStack, name: str, ago: str) -> None:
    stack.sql(f"UPDATE np_cron_jobs SET next_run_at = now() - interval '{ago}' WHERE name = '{name}'")


def of(stack: PluginStack, name: str) -> list[dict[str, Any]]:
    return stack.http.get("runs", params={"job": name}).json()


def test_a_call_carries_what_was_asked_for_and_is_signed(nself_stack: PluginStack, nself_receiver: Receiver) -> None:
    put(nself_stack, "nightly", nself_receiver.url + "/x?y=1", method="PUT", headers={"X-Team": "a"}, body='{"n": 1}')
    run = run_now(nself_stack, "nightly")
    (request,) = nself_receiver.got
    assert (request.method, request.path, request.json()) == ("PUT", "/x?y=1", {"n": 1})
    assert request.headers["x-team"] == "a"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["x-nself-cron-job"] == "nightly"
    key = "whsec_" + base64.b64encode(SECRET.encode()).decode()
    assert Webhook(key).verify(request.body, dict(request.headers)) == {"n": 1}
    assert (run["status"], run["http_status"], run["cause"]) == ("succeeded", 200, "manual")
    assert 'cron_runs_total{plugin="cron",status="succeeded"}' in nself_stack.metrics()


def test_a_failure_is_tried_again_and_then_told(nself_stack: PluginStack, nself_receiver: Receiver) -> None:
    nself_receiver.answer = lambda request: (500, {}, b"out of order")
    put(nself_stack, "failing", nself_receiver.url, retries=1)
    run = run_now(nself_stack, "failing")
    assert (run["status"], run["attempt"], run["http_status"], run["response"]) == ("failed", 2, 500, "out of order")
    assert len(nself_receiver.got) == 2


def test_a_call_that_takes_too_long_is_given_up(nself_stack: PluginStack, nself_receiver: Receiver) -> None:
    def slow(request: Received) -> tuple[int, dict[str, str], bytes]:
        time.sleep(3)
        return 200, {}, b""

    nself_receiver.answer = slow
    put(nself_stack, "slow", nself_receiver.url, timeout_seconds=1)
    run = run_now(nself_stack, "slow")
    assert run["status"] == "failed"
    assert "1 s" in run["detail"]


def test_due_missed_and_overlapping_runs(nself_stack: PluginStack, nself_receiver: Receiver) -> None:
    url = nself_receiver.url
    for name in ("due", "missed-skip", "missed-once", "busy"):
        put(nself_stack, name, f"{url}/{name}", missed="once" if name == "missed-once" else "skip")
    (busy,) = nself_stack.sql("SELECT id FROM np_cron_jobs WHERE name = 'busy'")[0]
    nself_stack.sql(
        f"INSERT INTO np_cron_runs (job_id, cause, scheduled_for, status) VALUES ('{busy}', 'manual', now(), 'running')"
    )
    make_due(nself_stack, "due", "5 seconds")
    make_due(nself_stack, "busy", "5 seconds")
    make_due(nself_stack, "missed-skip", "1 hour")
    make_due(nself_stack, "missed-once", "1 hour")
    nself_stack.until(lambda: of(nself_stack, "due") and of(nself_stack, "missed-once"), 75)
    nself_stack.until(lambda: {r.path for r in nself_receiver.got} >= {"/due", "/missed-once"})
    assert of(nself_stack, "missed-skip")[0]["status"] == "missed"
    assert [r["status"] for r in of(nself_stack, "busy") if r["cause"] == "schedule"] == ["skipped"]
    assert len(of(nself_stack, "due")) == 1
    following = nself_stack.http.get("jobs/due").json()["next_run_at"]
    assert following.endswith("-01-01T00:00:00Z")


def test_pause_and_resume(nself_stack: PluginStack, nself_receiver: Receiver) -> None:
    put(nself_stack, "paused", nself_receiver.url)
    assert nself_stack.http.post("jobs/paused/pause").json()["paused"] is True
    make_due(nself_stack, "paused", "1 second")
    assert run_now(nself_stack, "paused")["status"] == "succeeded", "paused or not, it runs when it is told to"
    assert nself_stack.http.post("jobs/paused/resume").json()["next_run_at"] > "2026"


@pytest.mark.parametrize(
    "fields",
    [
        {"schedule": "often"}, {"url": "ftp://x"}, {"timezone": "Nowhere"}, {"headers": {"Host": "x"}},
        {"method": "GET", "body": "x"}, {"headers": {"X": "a\r\nY: b"}}, {"retries": 11}, {"timeout_seconds": 0}, {"colour": 1},
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(nself_stack: PluginStack, fields: dict[str, Any]) -> None:
    wanted = {"schedule": "* * * * *", "url": "https://example.com", **fields}
    assert nself_stack.http.put("jobs/bad", json=wanted).status_code == 422
    assert nself_stack.http.get("jobs/bad").status_code == 404


def test_rights_and_names(nself_stack: PluginStack) -> None:
    assert nself_stack.anonymous.get("jobs").status_code == 401
    assert nself_stack.user("ada").get("jobs").status_code == 403
    assert nself_stack.http.put("jobs/Bad Name", json={"schedule": "@daily", "url": "https://x.example"}).status_code == 422
    assert len(nself_stack.http.get("preview", params={"schedule": "*/5 * * * *", "count": 3}).json()) == 3
    assert nself_stack.http.get("preview", params={"schedule": "never"}).status_code == 422


def test_commands(nself_stack: PluginStack, nself_receiver: Receiver) -> None:
    made = nself_stack.json("cron", "add", "shell", "@daily", nself_receiver.url, "--header", "X-A: b")
    assert made["headers"] == {"X-A": "b"}
    run = nself_stack.json("cron", "run", "shell")
    finished(nself_stack, run["id"])
    assert "shell" in nself_stack.cli("cron", "list").stdout
    assert nself_stack.json("cron", "runs", "--job", "shell")[0]["status"] == "succeeded"
    assert "paused" in nself_stack.cli("cron", "pause", "shell").stdout
    assert "comes next" in nself_stack.cli("cron", "resume", "shell").stdout
    bad = nself_stack.cli("cron", "add", "x", "nonsense", "https://example.com", check=False)
    assert (bad.returncode, "five fields" in bad.stderr) == (1, True)
    assert "deleted" in nself_stack.cli("cron", "remove", "shell", "--yes").stdout
