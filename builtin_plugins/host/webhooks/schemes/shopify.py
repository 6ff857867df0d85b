"""Shopify: ``X-Shopify-Hmac-Sha256: <Base64>`` over the body. https://shopify.dev/docs/apps/build/webhooks/subscribe/https"""

from __future__ import annotations

from collections.abc import Sequence
from hmac import HMAC

from hookspecs.models.manifest import Webhook

from .model import Delivery, RefusedError, Scheme, Verified, base64_or_nothing, same_mac, text_key


def verify(delivery: Delivery, keys: Sequence[HMAC], now: float, rule: Webhook) -> Verified:
    """Neither a time nor the id is signed; the id is the same when Shopify tries again."""
    if not same_mac(keys, delivery.body, [base64_or_nothing(delivery.header(b"x-shopify-hmac-sha256"))]):
        raise RefusedError("the signature does not match")
    return Verified(delivery.header(b"x-shopify-webhook-id"), delivery.header(b"x-shopify-topic"))


SCHEME = Scheme(text_key, verify, frozenset({b"x-shopify-hmac-sha256"}))
