"""One-time codes sent by mail or SMS: six digits, stored as a hash, five guesses."""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Any
from uuid import UUID

from . import attempts
from .service import Service
from .users import User

LIFETIME = timedelta(minutes=5)


def new_code() -> str:
    """Six digits from the system's generator."""
    return f"{secrets.randbelow(1_000_000):06d}"


async def store(service: Service, conn: Any, user_id: UUID, method: str, code_hash: str) -> None:
    """The code counts from now on, in place of any earlier one."""
    await conn.execute(
        """UPDATE auth.users SET otp_hash = $2, otp_hash_expires_at = now() + $3, otp_method_last_used = $4 WHERE id = $1""",
        user_id,
        code_hash,
        LIFETIME,
        method,
    )
    await attempts.clear(conn, "otp-code", str(user_id))


async def redeem(service: Service, user: User | None, method: str, subject: str, code: str) -> bool:
    """Whether the code is the user's. A right one is used up; after five guesses the code no longer counts.

    Unknown subjects take the same work and are counted alike. The database's clock alone says whether a code is over.
    """
    pool, purpose, subject = service.pool, f"otp-{method}", subject.lower()[:254]
    known = user is not None and user.otp_method_last_used == method
    tried = await attempts.count(pool, "otp-code", str(user.id) if user is not None else f"unknown:{subject}")
    if await attempts.count(pool, purpose, subject) > attempts.PER_WINDOW or tried > attempts.PER_CODE:
        return False
    stored = user.otp_hash if user is not None and known else None
    if not await service.passwords.check(code, stored) or user is None:
        return False
    taken = await pool.fetchval(
        """UPDATE auth.users SET otp_hash = NULL, otp_hash_expires_at = now()
           WHERE id = $1 AND otp_hash = $2 AND otp_hash_expires_at > now() RETURNING id""",
        user.id,
        stored,
    )
    if taken is not None:
        await attempts.clear(pool, purpose, subject)
    return taken is not None
