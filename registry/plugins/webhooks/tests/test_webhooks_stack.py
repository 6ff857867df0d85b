"""Webhooks on a real stack: fan-out, signatures, retries, dead letters, turning off, rotation, commands."""

from __future__ import annotations

from typing import Any

import pytest
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

from hookspecs.testing import PluginStack, Receiver

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def nself_settings() -> dict[str, str]:
    return {
        "HOST_PRIVATE_HOSTS": "127.0.0.1",
        "WEBHOOKS_MAX_ATTEMPTS": "2",
        "WEBHOOKS_RETRY_DELAYS": "1",
        "WEBHOOKS_AUTO_DISABLE_THRESHOLD": "5",
    }


def endpoint(stack: PluginStack, url: str, *events: str) -> dict[str, Any]:
    answer = stack.http.post("endpoints", json={"url": url, "events": list(events)})
    assert answer.status_code == 201, answer.text
    return answer.json()


def publish(stack: PluginStack, type: str, **event: Any) -> dict[str, Any]:
    answer = stack.http.post("events", json={"type": type, "data": {"n": 1}, **event})
    assert answer.status_code in {200, 202}, answer.text
    return answer.json()


def deliveries(stack: PluginStack, **query: Any) -> list[dict[str, Any]]:
    return stack.http.get("deliveries", params=query).json()["deliveries"]


def over(stack: PluginStack, **query: Any) -> dict[str, Any]:
    """The one delivery, once it is over."""
    return stack.until(lambda: next((d for d in deliveries(stack, **query) if d["status"] in {"delivered", "dead"}), None), 60)


@pytest.fixture(autouse=True)
def no_endpoints(nself_stack: PluginStack) -> None:
    nself_stack.sql("DELETE FROM np_webhooks_endpoints")


def test_an_event_goes_to_who_wants_its_type(nself_stack: PluginStack, nself_receiver: Receiver) -> None:
    url = nself_receiver.url
    exact = endpoint(nself_stack, f"{url}/exact", "invoice.paid")
    endpoint(nself_stack, f"{url}/some", "invoice.*")
    endpoint(nself_stack, f"{url}/all")
    endpoint(nself_stack, f"{url}/other", "customer.*", "invoice.paid.twice")
    sent = publish(nself_stack, "invoice.paid", id="evt_1")
    assert (sent["id"], sent["deliveries"]) == ("evt_1", 3)
    nself_stack.until(lambda: len(nself_receiver.got) == 3)
    assert {request.path for request in nself_receiver.got} == {"/exact", "/some", "/all"}
    request = next(one for one in nself_receiver.got if one.path == "/exact")
    body = Webhook(exact["secret"]).verify(request.body, dict(request.headers))
    assert (body["type"], body["data"], request.headers["webhook-id"]) == ("invoice.paid", {"n": 1}, "evt_1")
    other = endpoint(nself_stack, f"{url}/late")
    with pytest.raises(WebhookVerificationError):
        Webhook(other["secret"]).verify(request.body, dict(request.headers))
    again = nself_stack.http.post("events", json={"type": "invoice.paid", "data": {}, "id": "evt_1"})
    assert (again.status_code, again.json()["deliveries"]) == (200, 3)
    assert 'webhooks_attempts_total{outcome="delivered",plugin="webhooks"}' in nself_stack.metrics()


def test_a_failed_delivery_is_tried_again_dead_and_replayed(nself_stack: PluginStack, nself_receiver: Receiver) -> None:
    nself_receiver.answer = lambda request: (500, {}, b"out of order")
    endpoint(nself_stack, nself_receiver.url)
    sent = publish(nself_stack, "a.b")
    dead = over(nself_stack, event=sent["id"])
    assert (dead["status"], dead["attempts"], dead["http_status"]) == ("dead", 2, 500)
    log = nself_stack.http.get(f"deliveries/{dead['id']}").json()["log"]
    assert [line["response"] for line in log] == ["out of order"] * 2
    ids = {request.headers["webhook-id"] for request in nself_receiver.got}
    assert ids == {sent["id"]}, "a receiver can tell that it is the same event"
    nself_receiver.answer = lambda request: (204, {}, b"")
    assert nself_stack.http.post(f"deliveries/{dead['id']}/replay").status_code == 202
    assert over(nself_stack, event=sent["id"])["status"] == "delivered"


def test_redirects_are_not_followed_and_gone_turns_off(nself_stack: PluginStack, nself_receiver: Receiver) -> None:
    nself_receiver.answer = lambda request: (302, {"location": "/elsewhere"}, b"")
    endpoint(nself_stack, nself_receiver.url)
    sent = publish(nself_stack, "a.b")
    assert "302" in over(nself_stack, event=sent["id"])["error"]
    assert {request.path for request in nself_receiver.got} == {"/"}
    nself_receiver.answer = lambda request: (410, {}, b"")
    sent = publish(nself_stack, "a.b")
    assert over(nself_stack, event=sent["id"])["attempts"] == 1
    (mine,) = nself_stack.http.get("endpoints").json()
    assert (mine["enabled"], mine["disabled_reason"]) == (False, "it answered 410 Gone")
    assert publish(nself_stack, "a.b")["deliveries"] == 0
    on = nself_stack.http.patch(f"endpoints/{mine['id']}", json={"enabled": True}).json()
    assert (on["enabled"], on["failures"], on["disabled_reason"]) == (True, 0, "")


def test_an_endpoint_that_keeps_failing_is_turned_off(nself_stack: PluginStack, nself_receiver: Receiver) -> None:
    nself_receiver.answer = lambda request: (500, {}, b"")
    mine = endpoint(nself_stack, nself_receiver.url)
    for _ in range(3):
        publish(nself_stack, "a.b")
    nself_stack.until(lambda: not nself_stack.http.get(f"endpoints/{mine['id']}").json()["enabled"], 60)
    assert "tries in a row failed" in nself_stack.http.get(f"endpoints/{mine['id']}").json()["disabled_reason"]


def test_both_secrets_sign_during_a_rotation(nself_stack: PluginStack, nself_receiver: Receiver) -> None:
    mine = endpoint(nself_stack, nself_receiver.url)
    new = nself_stack.http.post(f"endpoints/{mine['id']}/rotate-secret", params={"overlap_hours": 1}).json()["secret"]
    publish(nself_stack, "a.b")
    (request,) = nself_stack.until(lambda: list(nself_receiver.got))
    for secret in (mine["secret"], new):
        Webhook(secret).verify(request.body, dict(request.headers))
    nself_stack.http.post(f"endpoints/{mine['id']}/rotate-secret", params={"overlap_hours": 0})
    publish(nself_stack, "a.c")
    request = nself_stack.until(lambda: nself_receiver.got[1:])[0]
    with pytest.raises(WebhookVerificationError):
        Webhook(new).verify(request.body, dict(request.headers))
    assert "secret" not in nself_stack.http.get(f"endpoints/{mine['id']}").text


def test_a_test_event_and_replaying_many(nself_stack: PluginStack, nself_receiver: Receiver) -> None:
    mine = endpoint(nself_stack, nself_receiver.url, "never.this")
    sent = nself_stack.http.post(f"endpoints/{mine['id']}/test").json()
    assert over(nself_stack, event=sent["event_id"])["status"] == "delivered"
    nself_stack.sql("UPDATE np_webhooks_deliveries SET status = 'dead'")
    done = nself_stack.http.post("deliveries/replay", params={"endpoint": mine["id"], "since": "2026-01-01T00:00:00Z"})
    assert done.json() == {"replayed": 1}
    nself_stack.until(lambda: len(nself_receiver.got) == 2)


def test_private_addresses_that_were_not_opened(nself_stack: PluginStack) -> None:
    endpoint(nself_stack, "http://169.254.169.254/latest/meta-data")
    sent = publish(nself_stack, "a.b")
    assert "public address" in over(nself_stack, event=sent["id"])["error"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("endpoints", {"url": "ftp://example.com"}),
        ("endpoints", {"url": "https://a:b@example.com"}),
        ("endpoints", {"url": "https://example.com/#x"}),
        ("endpoints", {"url": "https://example.com", "events": ["a..b"]}),
        ("events", {"type": "a b", "data": {}}),
        ("events", {"type": "a.b", "data": {}, "id": "no blanks"}),
        ("events", {"type": "a.b"}),
    ],
)
def test_what_makes_no_sense_is_refused(nself_stack: PluginStack, path: str, body: dict[str, Any]) -> None:
    assert nself_stack.http.post(path, json=body).status_code == 422


def test_rights_size_and_pages(nself_stack: PluginStack, nself_receiver: Receiver) -> None:
    assert nself_stack.anonymous.post("events", json={}).status_code == 401
    assert nself_stack.user("ada").post("events", json={}).status_code == 403
    large = nself_stack.http.post("events", json={"type": "a.b", "data": {"x": "y" * 300_000}})
    assert large.status_code == 413
    endpoint(nself_stack, nself_receiver.url)
    for _ in range(5):
        publish(nself_stack, "a.b")
    first = nself_stack.http.get("deliveries", params={"limit": 3}).json()
    rest = nself_stack.http.get("deliveries", params={"limit": 3, "cursor": first["next"]}).json()
    assert len({d["id"] for d in first["deliveries"] + rest["deliveries"]}) == 5
    assert rest["next"] is None
    assert nself_stack.http.get("deliveries", params={"cursor": "x"}).status_code == 422


def test_commands(nself_stack: PluginStack, nself_receiver: Receiver) -> None:
    made = nself_stack.json("webhooks", "add", nself_receiver.url, "--event", "invoice.*")
    assert made["secret"].startswith("whsec_")
    assert "1 endpoints" in nself_stack.cli("webhooks", "publish", "invoice.paid", '{"id": 7}').stdout
    nself_stack.until(lambda: list(nself_receiver.got))
    assert nself_receiver.url in nself_stack.cli("webhooks", "list").stdout
    (one,) = nself_stack.json("webhooks", "deliveries")
    nself_stack.cli("webhooks", "replay", one["id"])
    nself_stack.cli("webhooks", "disable", made["id"])
    assert "off: turned off by hand" in nself_stack.cli("webhooks", "list").stdout
    nself_stack.cli("webhooks", "enable", made["id"])
    assert "secret whsec_" in nself_stack.cli("webhooks", "rotate-secret", made["id"]).stdout
    assert "deleted" in nself_stack.cli("webhooks", "remove", made["id"], "--yes").stdout
