"""Carries one ASGI connection from the Host's loop to a plugin's, so that a plugin that blocks its own blocks no other."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

T = TypeVar("T")


async def across(coroutine: Coroutine[Any, Any, T], loop: asyncio.AbstractEventLoop) -> T:
    """Run it on another thread's loop and wait for it here; cancelling this cancels it there."""
    return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(coroutine, loop))


class Bridge:
    """One connection. ``begun`` and ``ended`` tell how far the plugin's answer is."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.begun = self.ended = False
        self.status = 0
        self._scope = scope
        self._receive = receive
        self._send = send
        self._home = asyncio.get_running_loop()
        self._first: Message | None = None
        self._held: Message | None = None

    async def run(self, app: ASGIApp, loop: asyncio.AbstractEventLoop, patience: float) -> None:
        """Serve it by an app on another loop. ``TimeoutError`` where that has not begun its answer in time."""
        if self._scope["type"] == "http":
            self._first = await self._receive()  # most bodies are one piece, and cross together with the request
        job = asyncio.ensure_future(across(self._there(app), loop))
        try:
            done, _ = await asyncio.wait([job], timeout=patience)
            if not done and not self.begun:
                raise TimeoutError
            await job
        finally:
            if not job.done():
                job.cancel()

    async def _there(self, app: ASGIApp) -> None:
        """On the plugin's loop. What would end a thread ends this request alone."""
        try:
            await app(self._scope, self._receive_there, self._send_there)
        except (SystemExit, KeyboardInterrupt, GeneratorExit) as error:
            raise RuntimeError(f"{type(error).__name__} raised in a request") from error

    async def _receive_there(self) -> Message:
        first, self._first = self._first, None
        return first if first is not None else await across(_awaited(self._receive()), self._home)

    async def _send_there(self, message: Message) -> None:
        if message["type"] == "http.response.start" and self._held is None:
            self._held = message  # it crosses together with the first piece of the body
            return
        held, self._held = self._held, None
        await across(self._send_home(*([held] if held else []), message), self._home)

    async def _send_home(self, *messages: Message) -> None:
        for message in messages:
            self.begun = True
            if message["type"] == "http.response.start":
                self.status = message["status"]
            elif message["type"] == "http.response.body":
                self.ended = not message.get("more_body", False)
            await self._send(message)


async def _awaited(awaitable: Any) -> Any:
    return await awaitable
