"""What a running plugin is given in the Host, and what it hands back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from logging import Logger
from typing import Any, Protocol

from hookspecs.models.base import Model
from hookspecs.models.settings import Settings


class Event(Model):
    """A verified, stored webhook."""

    id: str
    source: str
    type: str
    payload: Mapping[str, Any]
    headers: Mapping[str, str] = {}
    received_at: datetime
    attempt: int = 1


class WebhookResult(Model):
    """What came of an event: ``ignored`` where the plugin has no use for its type."""

    handled: bool = True
    detail: str = ""


class Job(Model):
    """A background or scheduled job. ``schedule`` is a cron expression of five fields, in UTC."""

    name: str
    run: Callable[..., Awaitable[None]]
    schedule: str | None = None
    retries: int = 5
    timeout: int = 300


class HostContext(Protocol):
    """What a running plugin needs: a pool under its own role, settings, logger, clock, HTTP with egress rules, queue."""

    plugin: str
    settings: Settings
    logger: Logger

    @property
    def pool(self) -> Any:
        """An asyncpg pool under the plugin's own database role."""

    @property
    def http(self) -> Any:
        """An ``httpx.AsyncClient`` that reaches the hosts the manifest names and no private address."""

    def now(self) -> datetime:
        """The time in UTC; tests move it."""

    async def enqueue(self, job: str, payload: Mapping[str, Any], *, delay: float = 0) -> str:
        """Put a job of this plugin on the queue; returns its id."""
