"""Password hashes: bcrypt as hasura-auth writes them, argon2id behind a setting; both are accepted."""

from __future__ import annotations

import asyncio
import os
import secrets
from concurrent.futures import ThreadPoolExecutor

import bcrypt
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

_BCRYPT_BYTES = 72  # bcrypt looks at no more; the library refuses longer input where hasura-auth's cut it off


class Passwords:
    """Hashes and checks off the event loop, on as many threads as there are cores."""

    def __init__(self, scheme: str = "bcrypt", cost: int = 10) -> None:
        self._scheme = scheme
        self._cost = cost
        self._argon = PasswordHasher()
        self._pool = ThreadPoolExecutor(max_workers=os.cpu_count() or 1, thread_name_prefix="hash")
        # What an unknown account's password is compared with, so that it costs what a known one's does.
        self._decoy = self._hash(secrets.token_urlsafe())

    def _hash(self, password: str) -> str:
        if self._scheme == "argon2id":
            return self._argon.hash(password)
        return bcrypt.hashpw(password.encode()[:_BCRYPT_BYTES], bcrypt.gensalt(self._cost)).decode()

    def _check(self, password: str, stored: str) -> bool:
        try:
            if stored.startswith("$argon2"):
                return self._argon.verify(stored, password)
            return bcrypt.checkpw(password.encode()[:_BCRYPT_BYTES], stored.encode())
        except (ValueError, VerificationError, InvalidHashError):
            return False

    async def hash(self, password: str) -> str:
        """The text to store in `password_hash`."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._hash, password)

    async def check(self, password: str, stored: str | None) -> bool:
        """Whether the password is right. Without a stored hash the answer is no, after the same work."""
        loop = asyncio.get_running_loop()
        right = await loop.run_in_executor(self._pool, self._check, password, stored or self._decoy)
        return right and bool(stored)

    def close(self) -> None:
        """Let the threads end."""
        self._pool.shutdown(wait=False, cancel_futures=True)
