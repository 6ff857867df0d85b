"""The webhook channel: a POST signed by the Standard Webhooks specification (https://www.standardwebhooks.com)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import TYPE_CHECKING, Any

from nself_plugin_notify.outcome import PermanentError, TemporaryError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hookspecs import HostContext

TIMEOUT = 15


def secret(host: HostContext) -> str:
    """The ``whsec_`` secret that receivers check with."""
    given = host.secret("NOTIFY_WEBHOOK_SECRET")
    if given:
        return given
    own = host.secret("NOTIFY_SECRET") or ""
    return "whsec_" + base64.b64encode(hmac.new(own.encode(), b"webhook", hashlib.sha256).digest()).decode()


async def send(host: HostContext, row: Mapping[str, Any]) -> str:
    """Post the notification and return the answer's status."""
    import httpx
    from standardwebhooks import Webhook

    now = host.now()
    body = json.dumps(
        {
            "type": row["template"] or row["category"],
            "timestamp": now.isoformat(),
            "data": {**row["data"], "subject": row["subject"], "text": row["text"]},
        },
        ensure_ascii=False,
    )
    headers = {
        "content-type": "application/json",
        "webhook-id": str(row["id"]),
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret(host)).sign(str(row["id"]), now, body),
    }
    try:
        answer = await host.http.post(row["recipient"], content=body, headers=headers, timeout=TIMEOUT)
    except (httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
        raise PermanentError(str(error)) from None
    except httpx.HTTPError as error:
        raise TemporaryError(f"{type(error).__name__}: {error}") from None
    if answer.is_success:
        return str(answer.status_code)
    detail = f"{answer.status_code} {answer.reason_phrase}"
    if answer.status_code in {400, 401, 403, 404, 405, 410, 413, 415, 422} or answer.is_redirect:
        raise PermanentError(detail)
    raise TemporaryError(detail)
