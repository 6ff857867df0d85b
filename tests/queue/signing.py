"""Senders of each scheme, written from the providers' documentation and apart from what verifies them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlencode

from hookspecs.models.manifest import Webhook

NOW = 1_800_000_000.0
URL = "https://api.example.com/webhooks/demo"


@dataclass(frozen=True)
class Request:
    """A request as a sender makes it."""

    headers: dict[str, str]
    body: bytes
    url: str = URL
    doubled: tuple[tuple[str, str], ...] = ()

    def raw(self) -> list[tuple[bytes, bytes]]:
        """Headers as a server hands them on."""
        both = [*self.headers.items(), *self.doubled]
        return [(name.lower().encode(), value.encode("utf-8")) for name, value in both]

    def but(self, **headers: str | None) -> Request:
        """The same with headers changed (``_`` for ``-``) or, where ``None``, left out."""
        new = self.headers | {name.replace("_", "-"): value for name, value in headers.items() if value is not None}
        gone = {name.replace("_", "-") for name, value in headers.items() if value is None}
        return replace(self, headers={name: value for name, value in new.items() if name not in gone})


@dataclass(frozen=True)
class Sender:
    """A scheme, a secret of it, and how one signs with a secret at a time."""

    rule: Webhook
    secret: str
    other: str
    sign: Callable[[str, float, bytes], Request]
    body: bytes
    signature: str
    """The header that holds the signature."""
    timed: bool
    id: str
    type: str
    more: dict[str, str] = field(default_factory=dict)


def _hex(secret: str, message: bytes, name: str = "sha256") -> str:
    return hmac.new(secret.encode(), message, name).hexdigest()


def _b64(secret: bytes, message: bytes, name: str = "sha256") -> str:
    return base64.b64encode(hmac.new(secret, message, name).digest()).decode()


def standard(secret: str, now: float, body: bytes) -> Request:
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signature = "v1," + _b64(key, f"msg_1.{int(now)}.".encode() + body)
    return Request({"content-type": "application/json", "webhook-id": "msg_1", "webhook-timestamp": str(int(now)),
                    "webhook-signature": signature}, body)  # fmt: skip


def stripe(secret: str, now: float, body: bytes) -> Request:
    mac = _hex(secret, f"{int(now)}.".encode() + body)
    return Request({"content-type": "application/json", "stripe-signature": f"t={int(now)},v0={'0' * 64},v1={mac}"}, body)


def github(secret: str, now: float, body: bytes) -> Request:
    return Request({"content-type": "application/json", "x-github-event": "push", "x-github-delivery": "g-1",
                    "x-hub-signature-256": "sha256=" + _hex(secret, body)}, body)  # fmt: skip


def shopify(secret: str, now: float, body: bytes) -> Request:
    return Request({"content-type": "application/json", "x-shopify-topic": "orders/create", "x-shopify-webhook-id": "s-1",
                    "x-shopify-hmac-sha256": _b64(secret.encode(), body)}, body)  # fmt: skip


def slack(secret: str, now: float, body: bytes) -> Request:
    mac = _hex(secret, f"v0:{int(now)}:".encode() + body)
    return Request(
        {"content-type": "application/json", "x-slack-request-timestamp": str(int(now)), "x-slack-signature": f"v0={mac}"}, body
    )


def twilio(secret: str, now: float, body: bytes) -> Request:
    text = URL + "".join(k + v for k, v in sorted(parse_qsl(body.decode(), keep_blank_values=True)))
    return Request({"content-type": "application/x-www-form-urlencoded", "i-twilio-idempotency-token": "t-1",
                    "x-twilio-signature": _b64(secret.encode(), text.encode(), "sha1")}, body)  # fmt: skip


def twilio_json(secret: str, now: float, body: bytes) -> Request:
    url = f"{URL}?bodySHA256={hashlib.sha256(body).hexdigest()}"
    signature = _b64(secret.encode(), url.encode(), "sha1")
    return Request(
        {"content-type": "application/json", "i-twilio-idempotency-token": "t-1", "x-twilio-signature": signature}, body, url
    )


def plain(secret: str, now: float, body: bytes) -> Request:
    return Request({"content-type": "application/json", "x-sign": "v1=" + _hex(secret, body), "x-event": "made"}, body)


def plain_base64(secret: str, now: float, body: bytes) -> Request:
    return Request({"content-type": "application/json", "x-sign": _b64(secret.encode(), body), "x-event": "made"}, body)


def paypal_message(webhook: str, now: float, body: bytes) -> bytes:
    """What PayPal signs."""
    return f"pp-1|{datetime.fromtimestamp(now, UTC).isoformat()}|{webhook}|{zlib.crc32(body)}".encode()


_JSON = json.dumps({"id": "evt_1", "type": "thing.done", "größe": "☃", "data": {"n": 1}}).encode()
_EVENT = json.dumps({"type": "event_callback", "event_id": "Ev1", "event": {"type": "message", "text": "hé"}}).encode()
_FORM = urlencode({"MessageSid": "SM1", "MessageStatus": "sent", "Body": "Grüße & more", "Empty": ""}).encode()
_WHSEC = "whsec_" + base64.b64encode(b"k" * 32).decode()
_WHSEC2 = "whsec_" + base64.b64encode(b"l" * 32).decode()


def _rule(scheme: str, **more: object) -> Webhook:
    return Webhook.model_validate({"source": "main", "scheme": scheme, "secret": "DEMO_SECRET", **more})


SENDERS = {
    "standard": Sender(_rule("standard"), _WHSEC, _WHSEC2, standard, _JSON, "webhook-signature", True, "msg_1", "thing.done"),
    "stripe": Sender(_rule("stripe"), "whsec_abc", "whsec_abd", stripe, _JSON, "stripe-signature", True, "evt_1", "thing.done"),
    "github": Sender(_rule("github"), "abc", "abd", github, _JSON, "x-hub-signature-256", False, "g-1", "push"),
    "shopify": Sender(_rule("shopify"), "abc", "abd", shopify, _JSON, "x-shopify-hmac-sha256", False, "s-1", "orders/create"),
    "slack": Sender(_rule("slack"), "abc", "abd", slack, _EVENT, "x-slack-signature", True, "Ev1", "message"),
    "twilio": Sender(_rule("twilio"), "abc", "abd", twilio, _FORM, "x-twilio-signature", False, "t-1", "sent"),
    "twilio-json": Sender(_rule("twilio"), "abc", "abd", twilio_json, _JSON, "x-twilio-signature", False, "t-1", ""),
    "hmac-hex": Sender(
        _rule("hmac-sha256", header="X-Sign", prefix="v1=", id="body:id", type="header:X-Event"),
        "abc", "abd", plain, _JSON, "x-sign", False, "evt_1", "made",
    ),
    "hmac-base64": Sender(
        _rule("hmac-sha256", header="X-Sign", type="body:data.n"), "abc", "abd", plain_base64, _JSON, "x-sign", False, "", "1"
    ),
}  # fmt: skip
