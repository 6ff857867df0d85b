"""A stand-in for Stripe's API: its lists, paging, errors and signatures (https://docs.stripe.com/api), over HTTP on loopback."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

from hookspecs.testing import Received, Receiver

KEY = "sk_test_of_this_test"
SECRET = "whsec_of_this_test_alone_0123456789"


class FakeStripe(Receiver):
    """Lists by path below ``/v1/``, newest first. ``limited`` answers that many requests with 429 first."""

    def __init__(self) -> None:
        super().__init__()
        self.lists: dict[str, list[dict[str, Any]]] = {}
        self.forbidden: set[str] = set()
        self.limited = 0
        self.broken_after: int | None = None
        self.answer = self._answer

    def add(self, path: str, *things: dict[str, Any]) -> None:
        self.lists.setdefault(path, []).extend(things)

    def asked(self, path: str) -> list[Received]:
        return [request for request in self.got if urlsplit(request.path).path == f"/v1/{path}"]

    def _answer(self, request: Received) -> tuple[int, Mapping[str, str], bytes]:
        if request.headers.get("authorization") != f"Bearer {KEY}":
            return self._error(401, "Invalid API Key provided")
        if self.broken_after is not None:
            if self.broken_after == 0:
                return self._error(500, "Something went wrong")
            self.broken_after -= 1
        if self.limited:
            self.limited -= 1
            return 429, {"retry-after": "0"}, b'{"error": {"message": "Too many requests"}}'
        parts = urlsplit(request.path)
        path = parts.path.removeprefix("/v1/")
        if path in self.forbidden:
            return self._error(403, "The provided key does not have the required permissions")
        return self._list(path, {name: values[-1] for name, values in parse_qs(parts.query).items()})

    def _list(self, path: str, query: Mapping[str, str]) -> tuple[int, Mapping[str, str], bytes]:
        things = self.lists.get(path, [])
        start = 0
        if "starting_after" in query:
            ids = [thing["id"] for thing in things]
            if query["starting_after"] not in ids:
                return self._error(404, f"No such object: {query['starting_after']}")
            start = ids.index(query["starting_after"]) + 1
        limit = int(query.get("limit", 10))
        page = things[start : start + limit]
        body = {"object": "list", "data": page, "has_more": start + limit < len(things), "url": f"/v1/{path}"}
        return 200, {"content-type": "application/json"}, json.dumps(body).encode()

    @staticmethod
    def _error(status: int, message: str) -> tuple[int, Mapping[str, str], bytes]:
        return status, {"content-type": "application/json"}, json.dumps({"error": {"message": message}}).encode()


def event(type: str, thing: dict[str, Any], *, created: int | None = None, id: str = "") -> bytes:
    """An event as Stripe posts it."""
    moment = created if created is not None else int(time.time())
    body = {"id": id or f"evt_{thing['id']}_{type}_{moment}", "object": "event", "type": type, "created": moment}
    return json.dumps({**body, "livemode": False, "api_version": "2024-06-20", "data": {"object": thing}}).encode()


def signed(body: bytes, *, secret: str = SECRET, at: int | None = None) -> dict[str, str]:
    """The header that Stripe signs an event with."""
    moment = at if at is not None else int(time.time())
    mac = hmac.new(secret.encode(), f"{moment}.".encode() + body, hashlib.sha256).hexdigest()
    return {"stripe-signature": f"t={moment},v1={mac}"}


def customer(number: int, **fields: Any) -> dict[str, Any]:
    return {
        "id": f"cus_{number:04}", "object": "customer", "email": f"c{number}@example.com", "name": f"Customer {number}",
        "currency": "eur", "balance": 0, "delinquent": False, "address": {"country": "AT"}, "metadata": {"n": str(number)},
        "livemode": False, "created": 1_700_000_000 + number, "invoice_settings": {"default_payment_method": None}, **fields,
    }  # fmt: skip


def subscription(name: str, who: str, *items: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {
        "id": name, "object": "subscription", "customer": who, "status": "active", "currency": "eur", "livemode": False,
        "current_period_start": 1_700_000_000, "current_period_end": 1_702_592_000, "cancel_at_period_end": False,
        "items": {"object": "list", "data": list(items), "has_more": False}, "metadata": {}, "created": 1_700_000_000, **fields,
    }  # fmt: skip


def item(name: str, price: str, quantity: int = 1) -> dict[str, Any]:
    return {
        "id": name, "object": "subscription_item", "price": {"id": price, "object": "price", "product": "prod_1"},
        "quantity": quantity, "metadata": {}, "created": 1_700_000_000,
    }  # fmt: skip
