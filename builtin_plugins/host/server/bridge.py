"""Carries one ASGI connection from the Host's loop to a plugin's, so that a plugin that blocks its own blocks no other.

Each crossing wakes another thread, so few are made: the request goes over with its first piece of body, the answer's start comes
back with the first piece of its own, and nobody waits for the last to have arrived.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

T = TypeVar("T")


async def across(coroutine: Coroutine[Any, Any, T], loop: asyncio.AbstractEventLoop) -> T:
    """Run it on another thread's loop and wait for it here; cancelling this cancels it there."""
    return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(coroutine, loop))


class _Sent(NamedTuple):
    """What the plugin sends; ``taken`` is set, on its loop, when more may come."""

    messages: tuple[Message, ...]
    taken: asyncio.Event | None


class _End(NamedTuple):
    error: BaseException | None


class Bridge:
    """One connection. ``begun`` and ``ended`` tell how far the plugin's answer is."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.begun = self.ended = False
        self.status = 0
        self._scope = scope
        self._receive = receive
        self._send = send
        self._home = asyncio.get_running_loop()
        self._came: asyncio.Queue[_Sent | _End] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None
        self._first: Message | None = None
        self._start: Message | None = None

    # -- on the Host's loop

    async def run(self, app: ASGIApp, loop: asyncio.AbstractEventLoop, patience: float) -> None:
        """Serve it by an app on another loop. ``TimeoutError`` where that has not begun its answer in time."""
        if self._scope["type"] == "http":
            self._first = await self._receive()
        loop.call_soon_threadsafe(self._begin, app, loop)
        try:
            async with asyncio.timeout(patience):
                came = await self._came.get()
            while isinstance(came, _Sent):
                await self._pass_on(came, loop)
                came = await self._came.get()
        except BaseException:
            loop.call_soon_threadsafe(self._give_up)
            raise
        if came.error is not None:
            raise came.error

    async def _pass_on(self, sent: _Sent, loop: asyncio.AbstractEventLoop) -> None:
        for message in sent.messages:
            self.begun = True
            if message["type"] == "http.response.start":
                self.status = message["status"]
            elif message["type"] == "http.response.body":
                self.ended = not message.get("more_body", False)
            await self._send(message)
        if sent.taken is not None:
            loop.call_soon_threadsafe(sent.taken.set)

    # -- on the plugin's loop

    def _begin(self, app: ASGIApp, loop: asyncio.AbstractEventLoop) -> None:
        self._task = loop.create_task(self._there(app))

    def _give_up(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _there(self, app: ASGIApp) -> None:
        """What would end a thread ends this request alone."""
        end = _End(None)
        try:
            await app(self._scope, self._receive_there, self._send_there)
        except (SystemExit, KeyboardInterrupt, GeneratorExit) as error:
            end = _End(RuntimeError(f"{type(error).__name__} raised in a request"))
        except asyncio.CancelledError:
            end = _End(RuntimeError("the request was given up"))
        except Exception as error:
            end = _End(error)
        self._home.call_soon_threadsafe(self._came.put_nowait, end)

    async def _receive_there(self) -> Message:
        first, self._first = self._first, None
        return first if first is not None else await across(_awaited(self._receive()), self._home)

    async def _send_there(self, message: Message) -> None:
        if message["type"] == "http.response.start" and self._start is None:
            self._start = message
            return
        start, self._start = self._start, None
        last = message["type"] == "http.response.body" and not message.get("more_body", False)
        taken = None if last else asyncio.Event()
        sent = _Sent((*([start] if start else []), message), taken)
        self._home.call_soon_threadsafe(self._came.put_nowait, sent)
        if taken is not None:
            await taken.wait()


async def _awaited(awaitable: Any) -> Any:
    return await awaitable
