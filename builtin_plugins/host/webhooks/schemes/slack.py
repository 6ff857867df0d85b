"""Slack: ``X-Slack-Signature: v0=<hex>`` over ``v0:<seconds>:<body>``. https://docs.slack.dev/authentication/verifying-requests-from-slack"""

from __future__ import annotations

from collections.abc import Sequence
from hmac import HMAC

import orjson

from hookspecs.models.manifest import Webhook

from .model import Delivery, RefusedError, Scheme, Verified, check_time, digest, hexadecimal, same_mac, text_key, text_of


def verify(delivery: Delivery, keys: Sequence[HMAC], now: float, rule: Webhook) -> Verified:
    """Events are JSON; commands and interactions are forms and have no id, so the hash of what is signed serves."""
    signed = delivery.header(b"x-slack-request-timestamp")
    check_time(signed, now, rule.tolerance)
    version, _, value = delivery.header(b"x-slack-signature").partition("=")
    message = b":".join((b"v0", signed.encode(), delivery.body))
    if version != "v0" or not same_mac(keys, message, [hexadecimal(value)]):
        raise RefusedError("the signature does not match")
    if delivery.is_form:
        return Verified(digest(message), "command" if "command" in delivery.fields else "interaction")
    if text_of(delivery.fields, "type") == "url_verification":
        return Verified(reply=orjson.dumps({"challenge": text_of(delivery.fields, "challenge")}))
    ident = text_of(delivery.fields, "event_id") or digest(message)
    return Verified(ident, text_of(delivery.fields, "event.type") or text_of(delivery.fields, "type"))


SCHEME = Scheme(text_key, verify, frozenset({b"x-slack-signature"}))
