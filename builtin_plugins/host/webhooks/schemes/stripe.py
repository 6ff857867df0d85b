"""Stripe: ``Stripe-Signature: t=<seconds>,v1=<hex>[,v1=<hex>]`` over ``<seconds>.<body>``. https://docs.stripe.com/webhooks/signature"""

from __future__ import annotations

from collections.abc import Sequence
from hmac import HMAC

from hookspecs.models.manifest import Webhook

from .model import Delivery, RefusedError, Scheme, Verified, check_time, hexadecimal, same_mac, text_key, text_of


def verify(delivery: Delivery, keys: Sequence[HMAC], now: float, rule: Webhook) -> Verified:
    """``v0`` is that of Stripe's test mode and counts for nothing."""
    parts = [part.partition("=") for part in delivery.header(b"stripe-signature").split(",")]
    times = [value for name, _, value in parts if name.strip() == "t"]
    if len(times) != 1:
        raise RefusedError("stripe-signature does not hold one time")
    check_time(times[0], now, rule.tolerance)
    message = times[0].encode() + b"." + delivery.body
    if not same_mac(keys, message, [hexadecimal(value) for name, _, value in parts if name.strip() == "v1"]):
        raise RefusedError("the signature does not match")
    return Verified(text_of(delivery.fields, "id"), text_of(delivery.fields, "type"))


SCHEME = Scheme(text_key, verify, frozenset({b"stripe-signature"}))
