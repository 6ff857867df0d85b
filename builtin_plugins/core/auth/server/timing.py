"""Makes answers that must not tell whether an account exists take the same time either way."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

_FLOOR = 0.2  # seconds; well above what storing a user, a ticket and a mail takes, also on a busy machine


@asynccontextmanager
async def level(*, refusals_only: bool = False) -> AsyncIterator[None]:
    """End no sooner than the floor, or a multiple of it, after the start, and not quite on time either.

    With `refusals_only`, what succeeds is not kept waiting.
    """
    started, waits = time.monotonic(), True
    try:
        yield
        waits = not refusals_only
    finally:
        if waits:
            spent = time.monotonic() - started
            steps = int(spent / _FLOOR) + 1
            await asyncio.sleep(steps * _FLOOR - spent + secrets.randbelow(1000) / 1_000_000)
