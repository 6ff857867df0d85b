"""Jobs on a real stack: order, leases, retries, keys, pushing, recurring jobs, SQL, commands."""

from __future__ import annotations

import base64
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from standardwebhooks import Webhook

from hookspecs.testing import PluginStack, Receiver

pytestmark = pytest.mark.slow
SECRET = "a-secret-of-this-test-alone-0123456789abcdef"


@pytest.fixture(scope="module")
def nself_settings() -> dict[str, str]:
    return {"JOBS_SECRET": SECRET, "HOST_PRIVATE_HOSTS": "127.0.0.1", "JOBS_RETRY_ATTEMPTS": "3"}


def enqueue(stack: PluginStack, queue: str, **job: Any) -> dict[str, Any]:
    answer = stack.http.post(f"queues/{queue}/jobs", json=job)
    assert answer.status_code in {200, 201}, answer.text
    return answer.json()


def lease(stack: PluginStack, queue: str, **wanted: Any) -> list[dict[str, Any]]:
    answer = stack.http.post(f"queues/{queue}/lease", json=wanted)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_the_most_urgent_first_then_the_oldest(nself_stack: PluginStack) -> None:
    for name, priority in (("a", 0), ("b", 5), ("c", 5), ("d", -1)):
        enqueue(nself_stack, "order", payload={"name": name}, priority=priority)
    enqueue(nself_stack, "order", payload={"name": "later"}, delay=3600)
    held = lease(nself_stack, "order", count=10)
    assert [job["payload"]["name"] for job in held] == ["b", "c", "a", "d"]
    assert lease(nself_stack, "order") == []
    for job in held:
        done = nself_stack.http.post(f"jobs/{job['id']}/done", json={"lease": job["lease"], "result": {"ok": True}})
        assert done.json()["state"] == "done"
    twice = nself_stack.http.post(f"jobs/{held[0]['id']}/done", json={"lease": held[0]["lease"]})
    assert twice.status_code == 409


def test_no_job_is_handed_out_twice(nself_stack: PluginStack) -> None:
    wanted = {enqueue(nself_stack, "crowd")["id"] for _ in range(40)}
    with ThreadPoolExecutor(8) as pool:
        parts = list(pool.map(lambda _: lease(nself_stack, "crowd", count=7), range(8)))
    got = [job["id"] for part in parts for job in part]
    assert len(got) == len(set(got))
    assert set(got) == wanted


def test_a_failing_job_is_tried_again_and_becomes_a_dead_letter(nself_stack: PluginStack) -> None:
    nself_stack.http.put("queues/fails", json={"backoff_seconds": 0})
    job = enqueue(nself_stack, "fails")
    for attempt in (1, 2, 3):
        (held,) = nself_stack.until(lambda: lease(nself_stack, "fails"))
        assert held["attempts"] == attempt
        said = nself_stack.http.post(f"jobs/{held['id']}/failed", json={"lease": held["lease"], "error": f"no {attempt}"}).json()
    assert (said["state"], said["error"]) == ("dead", "no 3")
    assert [j["id"] for j in nself_stack.http.get("jobs", params={"queue": "fails", "state": "dead"}).json()] == [job["id"]]
    assert nself_stack.http.post(f"jobs/{job['id']}/retry").json()["attempts"] == 0
    (again,) = lease(nself_stack, "fails")
    final = nself_stack.http.post(f"jobs/{again['id']}/failed", json={"lease": again["lease"], "error": "x", "final": True})
    assert final.json()["state"] == "dead"


def test_a_worker_that_falls_silent_loses_its_job(nself_stack: PluginStack) -> None:
    job = enqueue(nself_stack, "silent")
    (held,) = lease(nself_stack, "silent", seconds=5, worker="w1")
    extended = nself_stack.http.post(f"jobs/{job['id']}/extend", json={"lease": held["lease"], "seconds": 60}).json()
    assert extended["leased_until"] > held["leased_until"]
    nself_stack.sql(f"UPDATE np_jobs_jobs SET leased_until = now() - interval '1 second' WHERE id = {job['id']}")
    (again,) = nself_stack.until(lambda: lease(nself_stack, "silent"), 75)
    assert (again["attempts"], again["error"]) == (2, "its worker gave no sign of life")
    late = nself_stack.http.post(f"jobs/{job['id']}/done", json={"lease": held["lease"]})
    assert late.status_code == 409, "the old lease is over"
    assert 'jobs_depth{account="primary"' in nself_stack.metrics()


def test_a_key_is_taken_until_its_job_is_over(nself_stack: PluginStack) -> None:
    first = enqueue(nself_stack, "keys", unique_key="k")
    assert enqueue(nself_stack, "keys", unique_key="k")["id"] == first["id"]
    (held,) = lease(nself_stack, "keys")
    assert enqueue(nself_stack, "keys", unique_key="k")["id"] == first["id"], "held is not over"
    nself_stack.http.post(f"jobs/{first['id']}/done", json={"lease": held["lease"]})
    assert enqueue(nself_stack, "keys", unique_key="k")["id"] != first["id"]


def test_pausing_concurrency_types_and_cancelling(nself_stack: PluginStack) -> None:
    jobs = [enqueue(nself_stack, "limits", type=kind) for kind in ("mail", "mail", "sms")]
    nself_stack.http.put("queues/limits", json={"concurrency": 2})
    assert [j["type"] for j in lease(nself_stack, "limits", count=5, types=["sms"])] == ["sms"]
    assert len(lease(nself_stack, "limits", count=5)) == 1, "two at once"
    nself_stack.http.put("queues/limits", json={"paused": True})
    assert lease(nself_stack, "limits") == []
    assert nself_stack.http.post(f"jobs/{jobs[1]['id']}/cancel").json()["state"] == "cancelled"
    assert nself_stack.http.post(f"jobs/{jobs[0]['id']}/cancel").status_code == 409
    (queue,) = [q for q in nself_stack.http.get("queues").json() if q["name"] == "limits"]
    assert (queue["held"], queue["waiting"], queue["paused"]) == (2, 0, True)


def test_waiting_for_a_job_ends_when_one_comes(nself_stack: PluginStack) -> None:
    threading.Timer(1.0, lambda: enqueue(nself_stack, "bell", payload={"rang": True})).start()
    started = time.monotonic()
    (held,) = lease(nself_stack, "bell", wait=25)
    assert held["payload"] == {"rang": True}
    assert time.monotonic() - started < 20


def test_a_queue_that_pushes(nself_stack: PluginStack, nself_receiver: Receiver) -> None:
    tries: list[int] = []

    def answer(request: Any) -> tuple[int, dict[str, str], bytes]:
        tries.append(request.json()["attempt"])
        if request.json()["payload"].get("twice") and len(tries) == 1:
            return 503, {"retry-after": "1"}, b""
        return 200, {"content-type": "application/json"}, b'{"sum": 3}'

    nself_receiver.answer = answer
    nself_stack.http.put("queues/pushed", json={"push_url": nself_receiver.url + "/jobs"})
    job = enqueue(nself_stack, "pushed", type="add", payload={"twice": True})
    over = nself_stack.until(lambda: (j := nself_stack.http.get(f"jobs/{job['id']}").json())["state"] == "done" and j, 75)
    assert (over["result"], tries) == ({"sum": 3}, [1, 2])
    request = nself_receiver.got[-1]
    key = "whsec_" + base64.b64encode(SECRET.encode()).decode()
    assert Webhook(key).verify(request.body, dict(request.headers))["type"] == "add"


def test_enqueueing_in_sql_belongs_to_the_transaction(nself_stack: PluginStack) -> None:
    (job,) = nself_stack.sql("SELECT np_jobs_enqueue('sql', '{\"n\": 1}', type => 'x', priority => 3)")[0]
    (held,) = lease(nself_stack, "sql")
    assert (held["id"], held["priority"], held["payload"]) == (job, 3, {"n": 1})


def test_a_time_at_the_end_of_the_calendar_keeps_no_queue_from_its_workers(nself_stack: PluginStack) -> None:
    """PostgreSQL takes such a time as infinite, and Python gives that back without a zone, not comparable to others."""
    enqueue(nself_stack, "ends")
    assert nself_stack.http.post("queues/ends/jobs", json={"run_at": "0001-01-01T00:00:00Z"}).status_code == 422
    assert len(lease(nself_stack, "ends", count=5)) == 1


def test_recurring_jobs(nself_stack: PluginStack) -> None:
    made = nself_stack.http.put("schedules/tidy", json={"queue": "recurring", "schedule": "0 0 1 1 *", "payload": {"n": 1}})
    assert made.json()["next_run_at"].endswith("-01-01T00:00:00Z")
    nself_stack.sql("UPDATE np_jobs_schedules SET next_run_at = now() WHERE name = 'tidy'")
    (held,) = nself_stack.until(lambda: lease(nself_stack, "recurring"), 75)
    assert (held["payload"], held["unique_key"]) == ({"n": 1}, "schedule/tidy")
    assert nself_stack.http.put("schedules/bad", json={"queue": "q", "schedule": "often"}).status_code == 422
    assert nself_stack.http.delete("schedules/tidy").status_code == 204
    assert nself_stack.http.delete("schedules/tidy").status_code == 404


@pytest.mark.parametrize(
    "job",
    [
        {"delay": -1},
        {"delay": 5, "run_at": "2030-01-01T00:00:00Z"},
        {"run_at": "2030-01-01T00:00:00"},
        {"run_at": "0001-01-01T00:00:00Z"},
        {"run_at": "9999-12-31T23:59:59.999999Z"},
        {"payload": {"text": "\0"}},
        {"priority": 5000},
        {"x": 1},
    ],
)
def test_what_makes_no_sense_is_refused(nself_stack: PluginStack, job: dict[str, Any]) -> None:
    assert nself_stack.http.post("queues/bad/jobs", json=job).status_code == 422


def test_rights_and_accounts(nself_stack: PluginStack) -> None:
    assert nself_stack.anonymous.post("queues/x/jobs", json={}).status_code == 401
    assert nself_stack.user("ada").post("queues/x/jobs", json={}).status_code == 403
    there = {"x-source-account-id": "shop"}
    made = nself_stack.http.post("queues/apart/jobs", json={}, headers=there).json()
    assert nself_stack.http.get(f"jobs/{made['id']}").status_code == 404
    assert nself_stack.http.get(f"jobs/{made['id']}", headers=there).status_code == 200
    assert lease(nself_stack, "apart") == []


def test_commands(nself_stack: PluginStack) -> None:
    made = nself_stack.json("jobs", "enqueue", "shell", json.dumps({"a": 1}), "--priority", "2")
    assert "shell" in nself_stack.cli("jobs", "queues").stdout
    assert nself_stack.json("jobs", "list", "--queue", "shell")[0]["id"] == made["id"]
    assert '"a": 1' in nself_stack.cli("jobs", "show", str(made["id"])).stdout
    nself_stack.cli("jobs", "pause", "shell")
    assert lease(nself_stack, "shell") == []
    nself_stack.cli("jobs", "resume", "shell")
    assert "cancelled" in nself_stack.cli("jobs", "cancel", str(made["id"])).stdout
    assert "waits again" in nself_stack.cli("jobs", "retry", str(made["id"])).stdout
    assert "03:00:00 UTC" in nself_stack.cli("jobs", "schedule", "tidy-shell", "0 3 * * *", "shell", '{"days": 30}').stdout
    (kept,) = nself_stack.json("jobs", "schedules")
    assert (kept["name"], kept["payload"], kept["queue"]) == ("tidy-shell", {"days": 30}, "shell")
    wrong = nself_stack.cli("jobs", "schedule", "tidy-shell", "often", "shell", check=False)
    assert (wrong.returncode, "often" in wrong.stderr) == (1, True), wrong.stderr
    nself_stack.cli("jobs", "unschedule", "tidy-shell")
    assert nself_stack.json("jobs", "schedules") == []
    bad = nself_stack.cli("jobs", "enqueue", "shell", "{", check=False)
    assert bad.returncode == 2
