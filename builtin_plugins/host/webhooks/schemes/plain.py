"""Plain HMAC-SHA256 over the body, in a header of any name, hexadecimal or Base64, after a prefix where there is one."""

from __future__ import annotations

from collections.abc import Sequence
from hmac import HMAC

from hookspecs.models.manifest import Webhook

from .model import Delivery, RefusedError, Scheme, Verified, base64_or_nothing, hexadecimal, same_mac, text_key


def verify(delivery: Delivery, keys: Sequence[HMAC], now: float, rule: Webhook) -> Verified:
    """Id and type come by the manifest's own rules."""
    given = delivery.header((rule.header or "x-signature").lower().encode())
    value = given.removeprefix(rule.prefix)
    if not given.startswith(rule.prefix) or not same_mac(keys, delivery.body, [hexadecimal(value), base64_or_nothing(value)]):
        raise RefusedError("the signature does not match")
    return Verified()


SCHEME = Scheme(text_key, verify, frozenset())
