"""Twilio: ``X-Twilio-Signature: <Base64>``, HMAC-SHA1 over the URL and, of a form, its sorted fields.

https://www.twilio.com/docs/usage/security — with a JSON body the URL carries ``bodySHA256``, and that hash is checked.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator, Sequence
from hmac import HMAC
from urllib.parse import parse_qs, parse_qsl, urlsplit, urlunsplit

from hookspecs.models.manifest import Webhook

from .model import Delivery, RefusedError, Scheme, Verified, base64_or_nothing, digest, mac_key, same_mac, text_of

_PORTS = {"https": 443, "http": 80}


def verify(delivery: Delivery, keys: Sequence[HMAC], now: float, rule: Webhook) -> Verified:
    """A body that is neither a form nor hashed in the URL is signed by nothing, and refused."""
    given = delivery.header(b"x-twilio-signature")
    query = parse_qs(urlsplit(delivery.url).query, keep_blank_values=True)
    suffix = ""
    if "bodySHA256" in query:
        if not hmac.compare_digest(hashlib.sha256(delivery.body).hexdigest().encode(), query["bodySHA256"][-1].lower().encode()):
            raise RefusedError("the body is not the one whose hash is signed")
    elif delivery.is_form:
        suffix = "".join(name + value for name, value in sorted(set(parse_qsl(delivery.body.decode(), keep_blank_values=True))))
    elif delivery.body:
        raise RefusedError("the body is signed by nothing")
    candidate = [base64_or_nothing(given)]
    if not any(same_mac(keys, (url + suffix).encode(), candidate) for url in _spellings(delivery.url)):
        raise RefusedError("the signature does not match")
    ident = delivery.find(b"i-twilio-idempotency-token") or digest(given.encode(), delivery.body)
    fields = delivery.fields if delivery.body else {}
    return Verified(ident, text_of(fields, "EventType") or text_of(fields, "MessageStatus") or text_of(fields, "CallStatus"))


def _spellings(url: str) -> Iterator[str]:
    """The URL with and without its port: Twilio signs now the one, now the other."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    yield urlunsplit(parts._replace(netloc=host))
    yield urlunsplit(parts._replace(netloc=f"{host}:{parts.port or _PORTS.get(parts.scheme, 443)}"))


def key(secret: str) -> HMAC:
    """The account's auth token."""
    return mac_key(secret.encode(), "sha1")


SCHEME = Scheme(key, verify, frozenset({b"x-twilio-signature"}))
