"""Refresh tokens: stored as hashes, exchanged once each, and the end of their session when shown twice.

The hash is the text hasura-auth's generated column made: `\\x` and the hexadecimal SHA-256 of the token's text.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import asyncpg

from .errors import ApiError
from .users import COLUMNS, User, from_row

log = logging.getLogger("nself.auth")


def digest(token: str) -> str:
    """What is stored of a token. Tokens are random, so a plain hash is enough."""
    return "\\x" + hashlib.sha256(token.encode()).hexdigest()


def new_token() -> str:
    """A token in the contract's form, a random UUID (122 bits from the system's generator)."""
    return str(uuid4())


async def issue(
    conn: asyncpg.Pool | asyncpg.Connection,
    user_id: UUID,
    expires_at: datetime,
    *,
    kind: str = "regular",
    metadata: dict[str, Any] | None = None,
) -> tuple[UUID, str]:
    """Store a new token, note that the user was here, and return the token's id and text."""
    token_id, token = uuid4(), new_token()
    await conn.execute(
        """WITH seen AS (UPDATE auth.users SET last_seen = now() WHERE id = $2)
           INSERT INTO auth.refresh_tokens (id, user_id, refresh_token_hash, expires_at, type, metadata)
           VALUES ($1, $2, $3, $4, $5, $6)""",
        token_id,
        user_id,
        digest(token),
        expires_at,
        kind,
        metadata,
    )
    return token_id, token


# One round trip: the new hashes take the old ones' places, the old ones are kept as spent, and the users come back.
_ROTATE = f"""
WITH hit AS (
  UPDATE auth.refresh_tokens t SET refresh_token_hash = asked.new, created_at = now(), expires_at = $3
  FROM unnest($1::text[], $2::text[]) AS asked (old, new), auth.users owner
  WHERE t.refresh_token_hash = asked.old AND t.type = 'regular' AND t.expires_at > now()
    AND owner.id = t.user_id AND NOT owner.disabled
  RETURNING t.id, t.user_id, asked.old
), spent AS (
  INSERT INTO auth.nself_spent_tokens (hash, refresh_token_id) SELECT old, id FROM hit
), seen AS (
  UPDATE auth.users SET last_seen = now() WHERE id IN (SELECT user_id FROM hit)
)
SELECT hit.old, hit.id AS refresh_token_id, {COLUMNS} FROM hit JOIN auth.users u ON u.id = hit.user_id"""  # noqa: S608
_MOST_AT_ONCE = 100
_TRIES = 3


class Exchange(NamedTuple):
    """A token to be exchanged, and the one that takes its place, as their hashes."""

    old: str
    new: str


async def exchange(pool: asyncpg.Pool, asked: Sequence[Exchange], lifetime: int) -> dict[str, asyncpg.Record]:
    """Exchange tokens, none of them twice, in one statement; the session and user of each that was good, by its old hash."""
    expires_at = datetime.now(UTC) + timedelta(seconds=lifetime)
    rows = await pool.fetch(_ROTATE, [one.old for one in asked], [one.new for one in asked], expires_at)
    return {row["old"]: row for row in rows}


class Rotation:
    """Exchanges refresh tokens. Those that come while a statement is under way share the next one, and its commit."""

    def __init__(self, pool: asyncpg.Pool, lifetime: int, leeway: float) -> None:
        self._pool, self._lifetime, self._leeway = pool, lifetime, leeway
        self._waiting: list[tuple[Exchange, asyncio.Future[asyncpg.Record | None]]] = []
        self._working: asyncio.Task[None] | None = None

    async def rotate(self, token: str) -> tuple[User, UUID, str]:
        """Exchange a token for a new one of the same session.

        A token that was exchanged before is refused, and ends its session unless the exchange was less than the leeway
        (seconds) ago: two tabs that refresh at once are not a theft.
        """
        replacement = new_token()
        answer: asyncio.Future[asyncpg.Record | None] = asyncio.get_running_loop().create_future()
        self._waiting.append((Exchange(digest(token), digest(replacement)), answer))
        if self._working is None:
            self._working = asyncio.create_task(self._work())
        row = await answer
        user = from_row(row)
        if row is not None and user is not None:
            return user, row["refresh_token_id"], replacement
        await _refuse(self._pool, token, self._leeway)
        raise ApiError("invalid-refresh-token")

    async def _work(self) -> None:
        try:
            while self._waiting:
                now = self._next()
                try:
                    found = await self._exchange([asked for asked, _ in now])
                except Exception as error:  # whoever asked is told, as if the statement had been its own
                    for _, answer in now:
                        if not answer.done():
                            answer.set_exception(error)
                else:
                    for asked, answer in now:
                        if not answer.done():
                            answer.set_result(found.get(asked.old))
        finally:
            self._working = None

    def _next(self) -> list[tuple[Exchange, asyncio.Future[asyncpg.Record | None]]]:
        """Those of the next statement. A token that is shown twice at once counts once, so the second waits for the first."""
        taken: dict[str, tuple[Exchange, asyncio.Future[asyncpg.Record | None]]] = {}
        left = []
        for one in self._waiting:
            if len(taken) < _MOST_AT_ONCE and one[0].old not in taken:
                taken[one[0].old] = one
            else:
                left.append(one)
        self._waiting = left
        return list(taken.values())

    async def _exchange(self, asked: Sequence[Exchange]) -> dict[str, asyncpg.Record]:
        for _ in range(_TRIES - 1):
            # Another server may hold the same users' rows in another order.
            with suppress(asyncpg.DeadlockDetectedError):
                return await exchange(self._pool, asked, self._lifetime)
        return await exchange(self._pool, asked, self._lifetime)


async def _refuse(pool: asyncpg.Pool, token: str, leeway: float) -> None:
    ended = await pool.fetchval(
        """DELETE FROM auth.refresh_tokens t USING auth.nself_spent_tokens s
           WHERE s.hash = $1 AND t.id = s.refresh_token_id AND s.spent_at < now() - make_interval(secs => $2)
           RETURNING t.user_id""",
        digest(token),
        leeway,
    )
    if ended is not None:
        log.warning("a spent refresh token was shown again; its session is ended (user %s)", ended)
        return
    if await pool.fetchval(
        """SELECT u.disabled FROM auth.refresh_tokens t JOIN auth.users u ON u.id = t.user_id
           WHERE t.refresh_token_hash = $1 AND t.expires_at > now()""",
        digest(token),
    ):
        raise ApiError("disabled-user")


async def revoke(pool: asyncpg.Pool, token: str) -> None:
    """End the session of this token; an unknown one is no error."""
    await pool.execute("DELETE FROM auth.refresh_tokens WHERE refresh_token_hash = $1", digest(token))


async def revoke_all(
    conn: asyncpg.Pool | asyncpg.Connection, user_id: UUID, *, keep_pats: bool = True, keep: UUID | None = None
) -> None:
    """End every session of a user but `keep`, personal access tokens too unless they are kept."""
    await conn.execute(
        """DELETE FROM auth.refresh_tokens
           WHERE user_id = $1 AND (type = 'regular' OR NOT $2) AND id IS DISTINCT FROM $3""",
        user_id,
        keep_pats,
        keep,
    )


async def by_pat(pool: asyncpg.Pool, token: str) -> User | None:
    """The user a personal access token stands for."""
    query = f"""SELECT {COLUMNS} FROM auth.refresh_tokens t JOIN auth.users u ON u.id = t.user_id
                WHERE t.refresh_token_hash = $1 AND t.type = 'pat' AND t.expires_at > now()"""  # noqa: S608
    return from_row(await pool.fetchrow(query, digest(token)))


async def prune(pool: asyncpg.Pool) -> None:
    """Forget what no longer counts."""
    await pool.execute("DELETE FROM auth.refresh_tokens WHERE expires_at < now() - interval '1 day'")
    await pool.execute("DELETE FROM auth.nself_spent_tokens WHERE spent_at < now() - interval '30 days'")
    await pool.execute("DELETE FROM auth.nself_webauthn_challenges WHERE expires_at < now()")
    await pool.execute("DELETE FROM auth.nself_attempts WHERE since < now() - interval '1 day'")
    await pool.execute(
        "DELETE FROM auth.provider_requests WHERE (options->>'expiresAt')::double precision < extract(epoch FROM now())"
    )
