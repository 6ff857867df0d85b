"""Delivery of one event to its webhook: the request, the verdict, and what happens next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from ..errors import EngineError
from ..remote.actions import expand, header_list
from ..remote.transform import Request, transformed

if TYPE_CHECKING:
    from ..process import Process


@dataclass(slots=True)
class Verdict:
    """How a delivery went. `retry_after` is what the webhook asked for, in seconds."""

    status: int | None
    request: str
    response: str
    retry_after: int | None

    @property
    def delivered(self) -> bool:
        """True for a status of success."""
        return self.status is not None and 200 <= self.status < 300


def target(app: Process, spec: dict[str, Any]) -> str:
    """The webhook's address, from the value or an environment variable."""
    if spec.get("webhook_from_env"):
        found = app.config.environ.get(spec["webhook_from_env"])
        if found is None:
            raise EngineError("not-found", f"environment variable '{spec['webhook_from_env']}' not set")
        return found
    webhook = spec.get("webhook")
    if isinstance(webhook, dict):
        return target(app, {"webhook_from_env": webhook.get("from_env")})
    return expand(str(webhook or ""), app.config.environ)


async def deliver(app: Process, spec: dict[str, Any], payload: Any, timeout: float) -> Verdict:
    """Send one event; never raises."""
    headers = {"content-type": "application/json", "user-agent": "hasura-graphql-engine"}
    request = {"payload": payload, "headers": [], "version": "2"}
    try:
        headers |= header_list(spec.get("headers"), app.config.environ)
        session = ((payload.get("event") or {}).get("session_variables") or {}) if isinstance(payload, dict) else {}
        plain = Request("POST", target(app, spec), headers, orjson.dumps(payload))
        sent = transformed(spec.get("request_transform"), plain, payload, session)
        reply = await app.http.request(sent.method, sent.url, content=sent.body, headers=sent.headers, timeout=timeout)
    except Exception as error:
        message = {"type": "client_error", "data": {"message": f"{type(error).__name__}: {error}"}, "version": "2"}
        return Verdict(None, orjson.dumps(request).decode(), orjson.dumps(message).decode(), None)
    body = {"body": reply.text[:10_000], "headers": [], "status": reply.status_code}
    response = {"type": "webhook_response", "data": body, "version": "2"}
    after = reply.headers.get("retry-after", "")
    return Verdict(
        reply.status_code,
        orjson.dumps(request).decode(),
        orjson.dumps(response).decode(),
        int(after) if after.isdigit() else None,
    )
