"""What a worker is given, what it may raise, and how long it waits between tries."""

from __future__ import annotations

import json
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hookspecs.models.host import Job

#: Bytes of a job's payload as JSON; what is larger belongs into a table or a bucket, and its name into the payload.
PAYLOAD_LIMIT = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Claimed:
    """One piece of work that a worker holds. ``attempt`` counts from 1."""

    id: int
    plugin: str
    name: str
    attempt: int
    payload: bytes
    event: Mapping[str, Any]
    """Of a webhook: ``type``, ``content_type``, ``headers``."""
    once: str
    secret: str
    created_at: datetime


def growing(attempt: int) -> float:
    """6 s, 21 s, 86 s, 4 min, 10 min … at most 6 h, and up to a tenth more, so that what failed together parts."""
    return min(5 + attempt**4, 6 * 3600) * random.uniform(1, 1.1)  # noqa: S311 - spreading load is no secret


@dataclass(frozen=True, slots=True)
class Task:
    """How the work of one name is done. ``run`` raises to be called again, ``retries`` times at most."""

    run: Callable[[Claimed], Awaitable[None]]
    retries: int = 5
    timeout: float = 300
    backoff: Callable[[int], float] = growing
    """Attempt that failed → seconds until the next."""
    schedule: str | None = None


class LaterError(Exception):
    """Raised by a task: it failed, and the next try is in ``delay`` seconds, whatever the usual wait is."""

    def __init__(self, delay: float, reason: str) -> None:
        super().__init__(reason)
        self.delay = delay


class HopelessError(Exception):
    """Raised by a task: it failed, and no other try will help."""


def task(job: Job) -> Task:
    """A plugin's job as the workers run it."""

    async def run(claimed: Claimed) -> None:
        await job.run(json.loads(claimed.payload))

    return Task(run=run, retries=job.retries, timeout=job.timeout, schedule=job.schedule)
