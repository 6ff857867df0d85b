"""Work that recurses over a whole schema: graphql-core walks from type to type, which 600 related tables make deep."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable
from typing import TypeVar

STACK_BYTES = 256 * 1024 * 1024
"""Address space alone; pages are used as they are reached."""
DEPTH = 50_000

T = TypeVar("T")
_one = asyncio.Lock()


async def deeply(work: Callable[[], T]) -> T:
    """Run this in a thread with a large stack, one at a time, and wait for it."""
    async with _one:
        return await _in_thread(work)


async def _in_thread(work: Callable[[], T]) -> T:
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def tell(value: T | None, error: BaseException | None) -> None:
        if done.done():
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(value)  # type: ignore[arg-type]

    def run() -> None:
        value, problem = None, None
        before = sys.getrecursionlimit()
        sys.setrecursionlimit(DEPTH)
        try:
            value = work()
        except BaseException as error:
            problem = error
        finally:
            sys.setrecursionlimit(before)
        loop.call_soon_threadsafe(tell, value, problem)

    size = threading.stack_size(STACK_BYTES)
    try:
        threading.Thread(target=run, daemon=True).start()
    finally:
        threading.stack_size(size)
    return await done
