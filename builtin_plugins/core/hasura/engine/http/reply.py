"""Reading requests and writing answers, straight on ASGI."""

from __future__ import annotations

from typing import Any

import orjson

from ..errors import EngineError

JSON = (b"content-type", b"application/json; charset=utf-8")


async def read_body(receive: Any, limit: int) -> bytes:
    """The request's body; refuses one that is longer than the limit."""
    message = await receive()
    body: bytes = message.get("body", b"")
    if not message.get("more_body"):
        if len(body) > limit:
            raise EngineError("bad-request", "the request body is too large", "$", 413)
        return body
    parts = [body]
    total = len(body)
    while message.get("more_body"):
        message = await receive()
        if message["type"] == "http.disconnect":
            break
        chunk = message.get("body", b"")
        total += len(chunk)
        if total > limit:
            raise EngineError("bad-request", "the request body is too large", "$", 413)
        parts.append(chunk)
    return b"".join(parts)


async def send_bytes(send: Any, status: int, body: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    """One whole answer."""
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body})


def parse_json(body: bytes) -> Any:
    """The body as JSON."""
    try:
        return orjson.loads(body)
    except (orjson.JSONDecodeError, RecursionError):
        raise EngineError("invalid-json", "Error in $: not enough input or invalid JSON", "$", 400) from None


def dump(value: Any) -> bytes:
    """JSON bytes of an answer."""
    return orjson.dumps(value, default=str)
