"""The hand-written peer: one ASGI callable, one asyncpg pool, the SQL the engine makes, the same JSON."""

from __future__ import annotations

import os
from typing import Any

import asyncpg
import orjson

STATEMENTS: dict[str, str] = orjson.loads(os.environ["PEER_STATEMENTS"])
pool: Any = None


async def _prepare(connection: asyncpg.Connection) -> None:
    await connection.set_type_codec("json", schema="pg_catalog", encoder=bytes, decoder=bytes, format="binary")


async def _no_reset(connection: asyncpg.Connection) -> None:
    return None


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Answer `{"work", "params"}` with the statement of that name."""
    global pool  # noqa: PLW0603 - one pool per process
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                pool = await asyncpg.create_pool(os.environ["PEER_DATABASE"], max_size=20, init=_prepare, reset=_no_reset)
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    request = orjson.loads((await receive())["body"])
    async with pool.acquire() as connection:
        body = await connection.fetchval(STATEMENTS[request["work"]], *request["params"])
    body = b'{"data":' + (body or b"null") + b"}"
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
