"""The authentication webhook: another server is asked who the client is."""

from __future__ import annotations

import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

import orjson

from ..errors import EngineError

DROPPED = frozenset(
    {"content-length", "content-md5", "user-agent", "host", "origin", "referer", "accept", "accept-encoding"}
    | {"accept-language", "accept-datetime", "cache-control", "connection", "dnt", "content-type", "transfer-encoding"}
)


class Webhook:
    """Asks by GET (headers passed on) or POST (headers and request in the body)."""

    def __init__(self, url: str, mode: str, http: Any, logger: Any) -> None:
        self.url = url
        self.mode = mode
        self.http = http
        self.logger = logger

    async def ask(self, headers: Mapping[str, str], body: Any) -> tuple[dict[str, str] | None, float | None]:
        """Session variables (None when refused) and when they expire."""
        passed = {name: value for name, value in headers.items() if name not in DROPPED}
        try:
            if self.mode == "POST":
                request = {"headers": dict(headers), "request": body}
                sent = {"content-type": "application/json"}
                reply = await self.http.post(self.url, content=orjson.dumps(request, default=str), headers=sent, timeout=60)
            else:
                reply = await self.http.get(self.url, headers=passed, timeout=60)
        except Exception as error:
            self.logger.write("webhook-log", {"url": self.url, "error": str(error)}, "error")
            raise EngineError("unexpected", "webhook authentication request failed", "$", 500) from None
        self.logger.write("webhook-log", {"url": self.url, "status_code": reply.status_code, "method": self.mode})
        if reply.status_code == 401:
            return None, None
        if reply.status_code != 200:
            raise EngineError("unexpected", "Invalid response from authorization hook", "$", 500)
        try:
            found = orjson.loads(reply.content)
        except orjson.JSONDecodeError:
            raise EngineError("unexpected", "the authorization hook did not answer with JSON", "$", 500) from None
        if not isinstance(found, dict):
            raise EngineError("unexpected", "the authorization hook did not answer with an object", "$", 500)
        variables = {key.lower(): str(value) for key, value in found.items() if key.lower().startswith("x-hasura-")}
        return variables, expiry(found, reply.headers)


def expiry(found: dict[str, Any], headers: Any) -> float | None:
    """From `Cache-Control: max-age=…` or `Expires`, in the body."""
    lowered = {key.lower(): value for key, value in found.items()}
    control = str(lowered.get("cache-control", ""))
    if "max-age=" in control:
        digits = control.split("max-age=")[1].split(",", maxsplit=1)[0].strip()
        return time.time() + int(digits) if digits.isdigit() else None
    if "expires" in lowered:
        try:
            return parsedate_to_datetime(str(lowered["expires"])).timestamp()
        except (TypeError, ValueError):
            return None
    return None
