"""Secrets of endpoints and the headers of the Standard Webhooks specification (https://www.standardwebhooks.com)."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterable
from datetime import datetime


def make_secret() -> str:
    """A new secret: 32 random bytes (the specification asks for 24 to 64)."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


def headers(keys: Iterable[str], name: str, now: datetime, body: str) -> dict[str, str]:
    """The three headers; with several keys a signature of each, so that receivers can change theirs in peace."""
    from standardwebhooks import Webhook

    return {
        "webhook-id": name,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(Webhook(key).sign(name, now, body) for key in keys),
    }
