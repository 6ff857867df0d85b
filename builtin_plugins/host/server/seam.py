"""Where the queue and outbound webhooks join: what ``HostContext.enqueue`` and ``deliver`` call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol


class Work(Protocol):
    """Called from any plugin's loop."""

    async def enqueue(
        self, plugin: str, job: str, payload: Mapping[str, Any], *, delay: float, priority: int | None, key: str
    ) -> str:
        """See ``HostContext.enqueue``."""

    async def deliver(self, plugin: str, url: str, event: str, payload: Mapping[str, Any], *, secret: str, id: str) -> str:
        """See ``HostContext.deliver``."""


class NoWork:
    """While no queue runs."""

    async def enqueue(
        self, plugin: str, job: str, payload: Mapping[str, Any], *, delay: float, priority: int | None, key: str
    ) -> str:
        raise RuntimeError("the queue does not run")

    async def deliver(self, plugin: str, url: str, event: str, payload: Mapping[str, Any], *, secret: str, id: str) -> str:
        raise RuntimeError("the queue does not run")
