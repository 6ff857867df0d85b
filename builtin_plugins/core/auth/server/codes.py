"""One-time codes sent by mail or SMS: six digits, stored as a hash, five guesses."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from . import attempts
from .service import Service
from .users import User

LIFETIME = timedelta(minutes=5)


async def issue(service: Service, conn: Any, user_id: UUID, method: str) -> str:
    """A new code in place of any earlier one."""
    code = f"{secrets.randbelow(1_000_000):06d}"
    await conn.execute(
        """UPDATE auth.users SET otp_hash = $2, otp_hash_expires_at = now() + $3, otp_method_last_used = $4 WHERE id = $1""",
        user_id,
        await service.passwords.hash(code),
        LIFETIME,
        method,
    )
    return code


async def redeem(service: Service, user: User | None, method: str, subject: str, code: str) -> bool:
    """Whether the code is the user's. A right one is used up; after five wrong ones the code no longer counts.

    Unknown subjects take the same work and are counted alike.
    """
    purpose, subject = f"otp-{method}", subject.lower()
    if await attempts.blocked(service.pool, purpose, subject):
        return False
    live = user is not None and user.otp_method_last_used == method and user.otp_hash_expires_at > datetime.now(UTC)
    stored = user.otp_hash if user is not None and live else None
    if await service.passwords.check(code, stored) and user is not None:
        taken = await service.pool.fetchval(
            "UPDATE auth.users SET otp_hash = NULL, otp_hash_expires_at = now() WHERE id = $1 AND otp_hash = $2 RETURNING id",
            user.id,
            stored,
        )
        if taken is not None:
            await attempts.clear(service.pool, purpose, subject)
        return taken is not None
    failures = await attempts.failed(service.pool, purpose, subject)
    if user is not None and failures % attempts.PER_CODE == 0:
        await service.pool.execute("UPDATE auth.users SET otp_hash = NULL WHERE id = $1", user.id)
    return False
