"""Links that turn one category off for one user, without a login: signed, and good for nothing else."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from hookspecs import HostContext


def link(host: HostContext, account: str, user_id: UUID, category: str) -> str:
    """The address that a mail carries."""
    body = json.dumps([account, str(user_id), category], separators=(",", ":")).encode()
    return f"{host.url}/unsubscribe?token={_text(body)}.{_text(_mac(host, body))}"


def read(host: HostContext, token: str) -> tuple[str, UUID, str]:
    """Account, user and category of a token; ``ValueError`` for one that was not made here."""
    body64, dot, mac64 = token.partition(".")
    try:
        body, mac = _bytes(body64), _bytes(mac64)
    except ValueError:
        raise ValueError("this link is damaged") from None
    if not dot or not hmac.compare_digest(mac, _mac(host, body)):
        raise ValueError("this link is damaged")
    account, user_id, category = json.loads(body)
    return account, UUID(user_id), category


def _mac(host: HostContext, body: bytes) -> bytes:
    secret = host.secret("NOTIFY_SECRET")
    if not secret:
        raise RuntimeError("NOTIFY_SECRET has no value")
    return hmac.new(secret.encode(), b"unsubscribe\0" + body, hashlib.sha256).digest()


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
