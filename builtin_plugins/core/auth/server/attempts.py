"""Counts wrong guesses of one-time codes, in the database, so that several servers and restarts count together."""

from __future__ import annotations

import asyncpg

PER_CODE = 5  # wrong guesses after which a code no longer counts
PER_WINDOW = 20  # wrong guesses after which a subject is refused until the window ends
WINDOW_SECONDS = 3600


async def failed(conn: asyncpg.Pool | asyncpg.Connection, purpose: str, subject: str) -> int:
    """Count a wrong guess; the number in the current window."""
    count: int = await conn.fetchval(
        """INSERT INTO auth.nself_attempts AS a (purpose, subject, failures, since) VALUES ($1, $2, 1, now())
           ON CONFLICT (purpose, subject) DO UPDATE SET
             failures = CASE WHEN a.since < now() - make_interval(secs => $3) THEN 1 ELSE a.failures + 1 END,
             since = CASE WHEN a.since < now() - make_interval(secs => $3) THEN now() ELSE a.since END
           RETURNING failures""",
        purpose,
        subject,
        float(WINDOW_SECONDS),
    )
    return count


async def blocked(conn: asyncpg.Pool | asyncpg.Connection, purpose: str, subject: str) -> bool:
    """Whether the subject has used up its guesses for now."""
    count = await conn.fetchval(
        """SELECT failures FROM auth.nself_attempts
           WHERE purpose = $1 AND subject = $2 AND since > now() - make_interval(secs => $3)""",
        purpose,
        subject,
        float(WINDOW_SECONDS),
    )
    return (count or 0) >= PER_WINDOW


async def clear(conn: asyncpg.Pool | asyncpg.Connection, purpose: str, subject: str) -> None:
    """Forget wrong guesses after a right one."""
    await conn.execute("DELETE FROM auth.nself_attempts WHERE purpose = $1 AND subject = $2", purpose, subject)
