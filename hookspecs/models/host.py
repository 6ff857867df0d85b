"""What a running plugin is given in the Host, and what it hands back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from logging import Logger
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from pydantic import Field

from hookspecs.models.base import Model
from hookspecs.models.settings import Settings

if TYPE_CHECKING:
    import asyncpg
    import httpx
    import prometheus_client


class Event(Model):
    """A verified, stored webhook. ``id`` is the sender's own, unique per source; ``attempt`` counts from 1."""

    id: str
    source: str
    type: str
    payload: Mapping[str, Any]
    """The body as JSON; a form-encoded body as its fields; JSON that is no object under ``data``."""
    headers: Mapping[str, str] = {}
    """In lower case, without those that hold a signature or a credential."""
    received_at: datetime
    attempt: int = 1


class WebhookResult(Model):
    """What came of an event; ``handled=False`` where the plugin has no use for it."""

    handled: bool = True
    detail: str = ""


class Job(Model):
    """A background or scheduled job of a plugin.

    ``run`` is called with the payload (empty for a scheduled run), at least once; a raise retries it with growing delay,
    ``retries`` times, then it stands in the dead-letter list. ``schedule`` is a cron expression of five fields, in UTC.
    """

    name: str = Field(pattern=r"^[a-z][a-z0-9_-]*$")
    run: Callable[[Mapping[str, Any]], Awaitable[None]]
    schedule: str | None = None
    retries: int = Field(default=5, ge=0)
    timeout: int = Field(default=300, ge=1)
    """Seconds after which a run is given up and counts as failed."""
    priority: int = 0
    """Higher runs first."""


class HostContext(Protocol):
    """What a running plugin needs: a pool under its own role, settings, logger, clock, HTTP with egress rules, queue.

    All of it is the plugin's own: one plugin sees nothing of another's.
    """

    plugin: str
    settings: Settings
    """Its own settings and those under ``uses``; a secret's value is had by ``secret``."""
    logger: Logger
    data: Path
    """A folder of its own that outlives restarts."""
    url: str
    """Where its routes are reached from outside, without a trailing slash."""

    @property
    def pool(self) -> asyncpg.Pool:
        """Connections under the plugin's own database role; JSON and JSONB come and go as Python values."""

    @property
    def http(self) -> httpx.AsyncClient:
        """Reaches the hosts that ``permissions.network`` names and nothing else; private addresses only under ``stack``.

        A refused address raises ``httpx.ConnectError`` with the reason.
        """

    @property
    def metrics(self) -> prometheus_client.CollectorRegistry:
        """What is registered here is served at the Host's ``/metrics`` with the label ``plugin``."""

    def now(self) -> datetime:
        """The time in UTC; tests move it."""

    def secret(self, name: str) -> str | None:
        """The value of a secret setting among ``settings``; ``None`` where it has none. ``KeyError`` for any other name."""

    def capability(self, name: str, attribute: str) -> str | None:
        """An attribute of whoever provides a capability (``capability("cache", "url")``); ``None`` where nobody does.

        ``smtp`` is the project's mail server, the catcher in development: host, port, user, password, secure, sender.
        """

    async def enqueue(
        self, job: str, payload: Mapping[str, Any], *, delay: float = 0, priority: int | None = None, key: str = ""
    ) -> str:
        """Put one of this plugin's jobs on the queue, to run ``delay`` seconds from now; returns its id.

        ``key``: while a job of that name and key waits for its first run, no second one is queued, and that one's id is
        returned. ``ValueError`` for a job the plugin has not, and a payload that is no JSON or over 1 MiB.
        """

    async def deliver(self, url: str, event: str, payload: Mapping[str, Any], *, secret: str, id: str = "") -> str:
        """Queue an outbound webhook, signed by the Standard Webhooks specification with a ``whsec_`` secret; returns its id.

        Private addresses are refused, redirects too; retried on the specification's schedule, then dead-lettered. Several
        secrets side by side all sign (rotation). The same ``id`` is sent once. ``ValueError`` for what cannot be sent, and a URL
        that has answered 410.
        """
