"""Waiting for jobs without polling: one connection listens for the database's word and wakes whoever waits."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hookspecs import HostContext


class Bell:
    """Rings when jobs were enqueued. It listens from the first wait on, and again after the connection was lost."""

    def __init__(self, host: HostContext) -> None:
        self._host = host
        self._event = asyncio.Event()
        self._listening: asyncio.Task[None] | None = None

    def next(self) -> asyncio.Event:
        """The next ring. Take it before looking into the queue, so that none is missed in between."""
        return self._event

    async def wait(self, rang: asyncio.Event, seconds: float) -> None:
        """Wait for a ring, at most ``seconds``."""
        if self._listening is None or self._listening.done():
            self._listening = asyncio.create_task(self._listen())
        try:
            async with asyncio.timeout(seconds):
                await rang.wait()
        except TimeoutError:
            return

    def _ring(self, *_: Any) -> None:
        event, self._event = self._event, asyncio.Event()
        event.set()

    async def _listen(self) -> None:
        async with self._host.pool.acquire() as connection:
            lost = asyncio.Event()
            connection.add_termination_listener(lambda _: lost.set())
            await connection.add_listener("np_jobs", self._ring)
            self._ring()  # what came before this moment
            await lost.wait()
