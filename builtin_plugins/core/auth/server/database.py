"""The connection pool."""

from __future__ import annotations

import json
from typing import Any

import asyncpg


def _to_json(value: Any) -> str:
    """JSON for a jsonb column. The standard library's, here and back: metadata may hold integers beyond 64 bits."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


async def prepare(conn: asyncpg.Connection) -> None:
    """Make jsonb arrive and leave as Python values."""
    await conn.set_type_codec("jsonb", schema="pg_catalog", encoder=_to_json, decoder=json.loads)


async def _keep(_conn: asyncpg.pool.PoolConnectionProxy) -> None:
    """Nothing to undo when a connection comes back: the server sets no session state, and asyncpg itself rolls back.

    asyncpg's own reset would be a second round trip with every query.
    """


async def open_pool(url: str, size: int) -> asyncpg.Pool:
    """A pool of up to `size` connections; raises what asyncpg raises when the database does not answer."""
    return await asyncpg.create_pool(
        url,
        min_size=1,
        max_size=size,
        init=prepare,
        reset=_keep,
        command_timeout=15,
        server_settings={"application_name": "nself-auth"},
    )
