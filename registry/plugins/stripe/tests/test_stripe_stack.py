"""Stripe on a real stack, against a stand-in of its API: syncs with pages and limits, events in any order, reconciliation."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hookspecs.testing import PluginStack

sys.path.insert(0, str(Path(__file__).parent))
from fake_stripe import KEY, SECRET, FakeStripe, customer, event, item, signed, subscription

pytestmark = pytest.mark.slow
PRICE = {
    "id": "price_y", "object": "price", "product": "prod_1", "active": True, "currency": "eur", "unit_amount": 12000,
    "type": "recurring", "recurring": {"interval": "year", "interval_count": 1}, "livemode": False, "created": 1_700_000_000,
    "metadata": {},
}  # fmt: skip


@pytest.fixture(scope="module")
def stripe() -> Iterator[FakeStripe]:
    made = FakeStripe()
    yield made
    made.close()


@pytest.fixture(scope="module")
def nself_settings(stripe: FakeStripe) -> dict[str, str]:
    return {
        "STRIPE_API_KEY": KEY,
        "STRIPE_WEBHOOK_SECRET": f"whsec_an_old_one_of_this_test,{SECRET}",
        "STRIPE_API_BASE": stripe.url,
        "STRIPE_SYNC_INTERVAL": "0",
    }


def sync(stack: PluginStack, *kinds: str) -> dict[str, dict[str, Any]]:
    """Sync and wait; the state by kind. In a second of its own: two syncs of the same second count as one moment."""
    time.sleep(1)
    before = stack.sql("SELECT now()")[0][0]
    stack.cli("stripe", "sync", *kinds)
    ended = (
        "SELECT resource FROM np_stripe_syncs WHERE finished_at >= $1"
        " OR error <> '' AND started_at >= date_trunc('second', $1::timestamptz)"
    )
    wanted = set(kinds) or {"checkout_sessions", "customers"}
    stack.until(lambda: wanted <= {row[0] for row in stack.sql(ended, before)}, 90)
    return {state["resource"]: state for state in stack.http.get("syncs").json()}


def send(stack: PluginStack, body: bytes, **headers: str) -> int:
    return stack.webhook(body, headers or signed(body)).status_code


def emails(stack: PluginStack) -> dict[str, str]:
    return dict(stack.sql("SELECT id, email FROM np_stripe_customers WHERE deleted_at IS NULL"))


def test_a_whole_sync_reads_every_page_of_every_list(nself_stack: PluginStack, stripe: FakeStripe) -> None:
    stripe.add("customers", *(customer(n) for n in range(250, 0, -1)))
    stripe.add(
        "products",
        {"id": "prod_1", "object": "product", "name": "Plan", "active": True, "metadata": {}, "created": 1_700_000_000},
    )
    stripe.add("prices", PRICE)
    stripe.add("subscriptions", subscription("sub_1", "cus_0001", item("si_1", "price_y", 2), item("si_2", "price_y")))
    card = {
        "id": "pm_1",
        "object": "payment_method",
        "customer": "cus_0001",
        "type": "card",
        "card": {"brand": "visa", "last4": "4242"},
    }
    stripe.add("customers/cus_0001/payment_methods", card)
    stripe.limited = 2
    states = sync(nself_stack)
    assert {name: state["error"] for name, state in states.items() if state["error"]} == {}
    assert states["customers"]["objects"] == 250
    assert len(emails(nself_stack)) == 250
    assert [len(stripe.asked("customers")) >= 3, len(stripe.asked("products"))] == [True, 3], (
        "pages, and two tries that were limited"
    )
    row = nself_stack.sql("SELECT country, metadata->>'n', created FROM np_stripe_customers WHERE id = 'cus_0007'")[0]
    assert (row[0], row[1], int(row[2].timestamp())) == ("AT", "7", 1_700_000_007)
    assert nself_stack.sql("SELECT card_brand, card_last4 FROM np_stripe_payment_methods") == [("visa", "4242")]
    assert nself_stack.sql("SELECT id, subscription, quantity FROM np_stripe_subscription_items ORDER BY id") == [
        ("si_1", "sub_1", 2), ("si_2", "sub_1", 1),
    ]  # fmt: skip
    assert [(r[0], float(r[1])) for r in nself_stack.sql("SELECT email, monthly_amount FROM np_stripe_active_subscriptions")] == [
        ("c1@example.com", 3000.0)
    ]
    assert stripe.got[0].headers["stripe-version"] == "2024-06-20"


def test_what_is_gone_is_marked(nself_stack: PluginStack, stripe: FakeStripe) -> None:
    gone = stripe.lists["customers"].pop(0)
    assert sync(nself_stack, "customers")["customers"]["removed"] == 1
    assert gone["id"] not in emails(nself_stack)
    stripe.lists["customers"].insert(0, gone)
    sync(nself_stack, "customers")
    assert gone["id"] in emails(nself_stack), "who comes back is there again"


def test_a_kind_the_key_may_not_read_does_not_stop_the_rest(nself_stack: PluginStack, stripe: FakeStripe) -> None:
    stripe.forbidden.add("payouts")
    states = sync(nself_stack)
    assert "required permissions" in states["payouts"]["error"]
    assert states["checkout_sessions"]["finished_at"]


def test_an_interrupted_sync_goes_on_where_it_stopped(nself_stack: PluginStack, stripe: FakeStripe) -> None:
    nself_stack.sql(
        "UPDATE np_stripe_syncs SET finished_at = NULL, cursor = 'cus_0051', started_at = now() WHERE resource = 'customers'"
    )
    before = len(stripe.asked("customers"))
    sync_asked = nself_stack.http.post("syncs", params={"resource": "customers"})
    assert sync_asked.status_code == 202
    done = "SELECT true FROM np_stripe_syncs WHERE resource = 'customers' AND finished_at IS NOT NULL"
    nself_stack.until(lambda: nself_stack.sql(done), 60)
    (request,) = stripe.asked("customers")[before:]
    assert "starting_after=cus_0051" in request.path


def test_events_in_any_order(nself_stack: PluginStack) -> None:
    now = int(time.time())
    newer = event("customer.updated", customer(900, email="new@example.com"), created=now)
    older = event("customer.created", customer(900, email="old@example.com"), created=now - 60)
    for body in (newer, older, newer):
        assert send(nself_stack, body) in {200, 202, 204}
    nself_stack.until(lambda: len(nself_stack.sql("SELECT 1 FROM np_stripe_webhook_events WHERE object_id = 'cus_0900'")) == 2)
    assert emails(nself_stack)["cus_0900"] == "new@example.com"
    send(nself_stack, event("customer.deleted", customer(900), created=now + 1))
    nself_stack.until(lambda: "cus_0900" not in emails(nself_stack))


def test_an_event_of_the_second_in_which_a_list_was_read_is_not_lost(nself_stack: PluginStack) -> None:
    """Stripe tells times to the second: the change may have come after the page was read."""
    sync(nself_stack, "customers")
    (row,) = nself_stack.sql("SELECT as_of FROM np_stripe_customers WHERE id = 'cus_0007'")
    changed = customer(7, email="of-that-second@example.com")
    send(nself_stack, event("customer.updated", changed, created=int(row[0].timestamp())))
    nself_stack.until(lambda: emails(nself_stack)["cus_0007"] == "of-that-second@example.com")


def test_a_subscription_loses_an_item_and_ends(nself_stack: PluginStack) -> None:
    now = int(time.time()) + 5
    send(
        nself_stack,
        event("customer.subscription.updated", subscription("sub_1", "cus_0001", item("si_1", "price_y")), created=now),
    )
    left = "SELECT id FROM np_stripe_subscription_items WHERE subscription = 'sub_1' AND deleted_at IS NULL"
    nself_stack.until(lambda: nself_stack.sql(left) == [("si_1",)])
    ended = subscription("sub_1", "cus_0001", item("si_1", "price_y"), status="canceled", ended_at=now)
    send(nself_stack, event("customer.subscription.deleted", ended, created=now + 1))
    nself_stack.until(lambda: nself_stack.sql("SELECT status, deleted_at FROM np_stripe_subscriptions") == [("canceled", None)])
    assert nself_stack.sql("SELECT * FROM np_stripe_active_subscriptions") == []


def test_main_events_reach_their_tables(nself_stack: PluginStack) -> None:
    base = {"customer": "cus_0001", "currency": "eur", "amount": 500, "livemode": False, "created": 1_700_000_000, "metadata": {}}
    things = {
        "invoice.paid": {
            "id": "in_1",
            "object": "invoice",
            "status": "paid",
            "amount_remaining": 0,
            "status_transitions": {"paid_at": 1_700_000_100},
        },
        "payment_intent.succeeded": {"id": "pi_1", "object": "payment_intent", "status": "succeeded"},
        "charge.refunded": {"id": "ch_1", "object": "charge", "status": "succeeded", "refunded": True},
        "charge.dispute.created": {"id": "dp_1", "object": "dispute", "status": "needs_response", "charge": "ch_1"},
        "checkout.session.completed": {"id": "cs_1", "object": "checkout.session", "status": "complete", "mode": "payment"},
        "payout.paid": {"id": "po_1", "object": "payout", "status": "paid", "arrival_date": 1_700_000_200},
    }
    for type_, thing in things.items():
        assert send(nself_stack, event(type_, {**base, **thing})) in {200, 202, 204}, type_
    tables = ("invoices", "payment_intents", "charges", "disputes", "checkout_sessions", "payouts")
    for table in tables:
        nself_stack.until(lambda table=table: nself_stack.sql(f"SELECT status FROM np_stripe_{table}"))
    assert nself_stack.sql("SELECT extract(epoch FROM paid_at)::int FROM np_stripe_invoices") == [(1_700_000_100,)]
    answer = nself_stack.graphql("{ np_stripe_charges { id refunded amount } }")
    assert answer["data"]["np_stripe_charges"] == [{"id": "ch_1", "refunded": True, "amount": 500}]
    hidden = nself_stack.graphql("{ np_stripe_charges { id } }", nself_stack.token("ada"))
    assert hidden["errors"], "users see nothing of billing unless the project gives them a role for it"


def test_forged_events_are_refused(nself_stack: PluginStack) -> None:
    body = event("customer.updated", customer(901))
    for headers in (
        {"x": "y"},
        signed(body, secret="whsec_of_somebody_else"),
        signed(body, at=int(time.time()) - 4000),
        signed(body + b" "),
        {"stripe-signature": f"t={int(time.time())},v0=00"},
    ):
        assert send(nself_stack, body, **headers) in {400, 401, 403}, headers
    assert send(nself_stack, body, **signed(body, secret="whsec_an_old_one_of_this_test")) in {200, 202, 204}, "rotation"


def test_reconciliation_finds_and_mends(nself_stack: PluginStack, stripe: FakeStripe) -> None:
    stripe.lists["customers"][0]["email"] = "changed@example.com"
    stripe.lists["customers"].insert(0, customer(999))
    found = nself_stack.http.post("reconcile/customers", params={"limit": 10}).json()
    assert found["compared"] == 10
    assert {d["id"]: d["here"] is None for d in found["differences"]} == {
        "cus_0999": True,
        stripe.lists["customers"][1]["id"]: False,
    }
    told = nself_stack.cli("stripe", "reconcile", "customers", "--limit", "10", check=False)
    assert (told.returncode, "2 differ" in told.stdout) == (1, True)
    nself_stack.cli("stripe", "reconcile", "customers", "--limit", "10", "--mend")
    assert nself_stack.http.post("reconcile/customers", params={"limit": 10}).json()["differences"] == []
    assert nself_stack.http.post("reconcile/tax_ids").status_code == 422
    assert nself_stack.http.post("reconcile/nonsense").status_code == 422


def test_rights_and_commands(nself_stack: PluginStack) -> None:
    assert nself_stack.anonymous.get("syncs").status_code == 401
    assert nself_stack.user("ada").get("syncs").status_code == 403
    assert "customers" in nself_stack.cli("stripe", "status").stdout
    assert nself_stack.http.post("syncs", headers={"x-source-account-id": "other"}).status_code == 409
