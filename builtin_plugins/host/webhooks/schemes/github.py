"""GitHub: ``X-Hub-Signature-256: sha256=<hex>`` over the body.

https://docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries — no time is signed, and the id of a delivery is not
either: a request that was overheard can be sent again under another id. A redelivery keeps its id.
"""

from __future__ import annotations

from collections.abc import Sequence
from hmac import HMAC

from hookspecs.models.manifest import Webhook

from .model import Delivery, RefusedError, Scheme, Verified, hexadecimal, same_mac, text_key


def verify(delivery: Delivery, keys: Sequence[HMAC], now: float, rule: Webhook) -> Verified:
    """The older SHA-1 signature counts for nothing."""
    name, _, value = delivery.header(b"x-hub-signature-256").partition("=")
    if name != "sha256" or not same_mac(keys, delivery.body, [hexadecimal(value)]):
        raise RefusedError("the signature does not match")
    return Verified(delivery.header(b"x-github-delivery"), delivery.header(b"x-github-event"))


SCHEME = Scheme(text_key, verify, frozenset({b"x-hub-signature-256", b"x-hub-signature"}))
