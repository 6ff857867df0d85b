"""Counts guesses of one-time codes, in the database, so that several servers and restarts count together.

A guess is counted before it is looked at: many sent at once then get no more tries than one after the other.
"""

from __future__ import annotations

import asyncpg

PER_CODE = 5  # guesses after which a code no longer counts
PER_WINDOW = 20  # guesses after which a subject is refused until the window ends
WINDOW_SECONDS = 3600


async def count(conn: asyncpg.Pool | asyncpg.Connection, purpose: str, subject: str) -> int:
    """Count a guess; the number in the current window."""
    number: int = await conn.fetchval(
        """INSERT INTO auth.nself_attempts AS a (purpose, subject, failures, since) VALUES ($1, $2, 1, now())
           ON CONFLICT (purpose, subject) DO UPDATE SET
             failures = CASE WHEN a.since < now() - make_interval(secs => $3) THEN 1 ELSE a.failures + 1 END,
             since = CASE WHEN a.since < now() - make_interval(secs => $3) THEN now() ELSE a.since END
           RETURNING failures""",
        purpose,
        subject,
        float(WINDOW_SECONDS),
    )
    return number


async def clear(conn: asyncpg.Pool | asyncpg.Connection, purpose: str, subject: str) -> None:
    """Forget the guesses: after a right one, and where there is a new code to guess."""
    await conn.execute("DELETE FROM auth.nself_attempts WHERE purpose = $1 AND subject = $2", purpose, subject)
