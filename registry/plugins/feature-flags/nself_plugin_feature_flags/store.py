"""Flags and segments in the database, each change with its line of history; and all of them in memory, for evaluation."""

from __future__ import annotations

import asyncio
import hashlib
import json
import secrets
from collections.abc import Mapping
from time import monotonic
from typing import TYPE_CHECKING, Any, Literal

from nself_plugin_feature_flags.model import Flag, FlagIn, Segment, SegmentIn

if TYPE_CHECKING:
    import asyncpg

    from hookspecs import HostContext

#: Seconds after which memory is read anew even without the database's word, should a connection have died silently.
STALE = 30


async def put_flag(pool: asyncpg.Pool, account: str, key: str, wanted: FlagIn, actor: str) -> Flag:
    """Make or change a flag. Its salt stays, so that nobody changes buckets."""
    async with pool.acquire() as connection, connection.transaction():
        before = await _flag_for_update(connection, account, key)
        fields = wanted.model_dump(mode="json")
        row = await connection.fetchrow(
            "INSERT INTO np_feature_flags_flags AS f (source_account_id, key, description, enabled, variants, default_variant,"
            " off_variant, rules, public, salt) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"
            " ON CONFLICT (source_account_id, key) DO UPDATE SET description = excluded.description,"
            " enabled = excluded.enabled, variants = excluded.variants, default_variant = excluded.default_variant,"
            " off_variant = excluded.off_variant, rules = excluded.rules, public = excluded.public,"
            " version = f.version + 1, updated_at = now() RETURNING *",
            account, key, fields["description"], fields["enabled"], fields["variants"], fields["default_variant"],
            fields["off_variant"], fields["rules"], fields["public"], secrets.token_hex(8),
        )  # fmt: skip
        flag = Flag(**row)
        await _remember(connection, account, "flag", key, before, flag, actor)
    return flag


async def switch(pool: asyncpg.Pool, account: str, key: str, enabled: bool, actor: str) -> Flag | None:
    """Throw the kill switch; ``None`` where there is no such flag."""
    async with pool.acquire() as connection, connection.transaction():
        before = await _flag_for_update(connection, account, key)
        if before is None:
            return None
        row = await connection.fetchrow(
            "UPDATE np_feature_flags_flags SET enabled = $3, version = version + 1, updated_at = now()"
            " WHERE source_account_id = $1 AND key = $2 RETURNING *",
            account,
            key,
            enabled,
        )
        flag = Flag(**row)
        await _remember(connection, account, "flag", key, before, flag, actor)
    return flag


async def delete(pool: asyncpg.Pool, account: str, kind: Literal["flag", "segment"], key: str, actor: str) -> bool:
    """Delete a flag or a segment; whether there was one."""
    table, model = ("np_feature_flags_flags", Flag) if kind == "flag" else ("np_feature_flags_segments", Segment)
    async with pool.acquire() as connection, connection.transaction():
        statement = f"DELETE FROM {table} WHERE source_account_id = $1 AND key = $2 RETURNING *"  # noqa: S608  one of two names
        row = await connection.fetchrow(statement, account, key)
        if row is not None:
            await _remember(connection, account, kind, key, model(**row), None, actor)
    return row is not None


async def put_segment(pool: asyncpg.Pool, account: str, key: str, wanted: SegmentIn, actor: str) -> Segment:
    """Make or change a segment."""
    async with pool.acquire() as connection, connection.transaction():
        row = await connection.fetchrow(
            "SELECT * FROM np_feature_flags_segments WHERE source_account_id = $1 AND key = $2 FOR UPDATE", account, key
        )
        before = Segment(**row) if row else None
        fields = wanted.model_dump(mode="json")
        row = await connection.fetchrow(
            "INSERT INTO np_feature_flags_segments (source_account_id, key, description, included, excluded, conditions)"
            " VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (source_account_id, key) DO UPDATE SET"
            " description = excluded.description, included = excluded.included, excluded = excluded.excluded,"
            " conditions = excluded.conditions, updated_at = now() RETURNING *",
            account, key, fields["description"], fields["included"], fields["excluded"], fields["conditions"],
        )  # fmt: skip
        segment = Segment(**row)
        await _remember(connection, account, "segment", key, before, segment, actor)
    return segment


async def _flag_for_update(connection: asyncpg.Connection, account: str, key: str) -> Flag | None:
    row = await connection.fetchrow(
        "SELECT * FROM np_feature_flags_flags WHERE source_account_id = $1 AND key = $2 FOR UPDATE", account, key
    )
    return Flag(**row) if row else None


async def _remember(
    connection: asyncpg.Connection, account: str, kind: str, key: str, before: Any, after: Any, actor: str
) -> None:
    action = "created" if before is None else "deleted" if after is None else "changed"
    was, now = (one.model_dump(mode="json", exclude={"updated_at"}) if one else None for one in (before, after))
    await connection.execute(
        "INSERT INTO np_feature_flags_history (source_account_id, kind, key, action, before, after, actor)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7)",
        account, kind, key, action, was, now, actor,
    )  # fmt: skip


class Everything:
    """All flags and segments of all accounts, read when the database tells of a change and not at each evaluation."""

    def __init__(self, host: HostContext) -> None:
        self._host = host
        self._flags: dict[str, dict[str, Flag]] = {}
        self._segments: dict[str, dict[str, Segment]] = {}
        self._read_at = float("-inf")
        self._changes = 0
        self._lock = asyncio.Lock()
        self._listening: asyncio.Task[None] | None = None

    async def flags(self, account: str) -> Mapping[str, Flag]:
        """The account's flags by key."""
        await self._fresh()
        return self._flags.get(account, {})

    async def segments(self, account: str) -> Mapping[str, Segment]:
        """The account's segments by key."""
        await self._fresh()
        return self._segments.get(account, {})

    async def etag(self, account: str, context: Mapping[str, Any]) -> str:
        """Changes whenever a flag or a segment of the account does, or the context."""
        await self._fresh()
        known = [*self._flags.get(account, {}).values(), *self._segments.get(account, {}).values()]
        text = "\n".join([json.dumps(context, sort_keys=True), *(f"{one.key} {one.updated_at.isoformat()}" for one in known)])
        return f'"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'

    async def _fresh(self) -> None:
        if self._listening is None or self._listening.done():
            self._listening = asyncio.create_task(self._listen())
            self.forget()
        if monotonic() - self._read_at < STALE:
            return
        async with self._lock:
            if monotonic() - self._read_at < STALE:
                return
            started, seen = monotonic(), self._changes
            flags = await self._host.pool.fetch("SELECT * FROM np_feature_flags_flags ORDER BY key")
            segments = await self._host.pool.fetch("SELECT * FROM np_feature_flags_segments ORDER BY key")
            self._flags, self._segments = {}, {}
            for row in flags:
                self._flags.setdefault(row["source_account_id"], {})[row["key"]] = Flag(**row)
            for row in segments:
                self._segments.setdefault(row["source_account_id"], {})[row["key"]] = Segment(**row)
            if self._changes == seen:  # else something changed while it was being read
                self._read_at = started

    def forget(self, *_: Any) -> None:
        """Have the next evaluation read anew: the database tells of a change, or whoever made it here does, who is sooner."""
        self._changes += 1
        self._read_at = float("-inf")

    async def _listen(self) -> None:
        async with self._host.pool.acquire() as connection:
            lost = asyncio.Event()
            connection.add_termination_listener(lambda _: lost.set())
            await connection.add_listener("np_feature_flags", self.forget)
            self.forget()
            await lost.wait()
