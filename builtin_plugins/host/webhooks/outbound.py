"""Webhooks that plugins send: Standard Webhooks, from the queue, guarded against addresses that lead inwards."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx
import orjson

from builtin_plugins.egress import EgressRefusedError, GuardedTransport
from builtin_plugins.host.jobs import Claimed, HopelessError, LaterError, Queue, Task
from builtin_plugins.host.jobs.queue import encode

from .schemes.standard import sign

if TYPE_CHECKING:
    import asyncpg

#: How the sending of a webhook is named in the queue; no job of a plugin can be named so, for the colon.
NAME = "outbound:webhook"
#: Seconds until the next try, by how many have failed: the specification's schedule, about three days.
SCHEDULE = (5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400)
#: Seconds a receiver may take in all, and bytes of its answer that are read.
TIMEOUT, _MOST_ANSWER = 15, 4096
_GONE = "SELECT true FROM nself_host.webhook_endpoints_gone WHERE plugin = $1 AND url = $2"
_LEAVE = "INSERT INTO nself_host.webhook_endpoints_gone (plugin, url) VALUES ($1, $2) ON CONFLICT DO NOTHING"


def utc_now() -> datetime:
    """The time in UTC."""
    return datetime.now(UTC)


class Outbound:
    """Queues webhooks and sends them. ``private_hosts`` may be reached though they are not public (as in development)."""

    def __init__(
        self,
        pool: asyncpg.Pool,
        queue: Queue,
        *,
        clock: Callable[[], datetime] = utc_now,
        private_hosts: Collection[str] = (),
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._pool, self._queue, self._clock = pool, queue, clock
        self._client = httpx.AsyncClient(
            transport=GuardedTransport(private_hosts, transport, schemes=("https", "http")),
            follow_redirects=False, trust_env=False, timeout=TIMEOUT, headers={"User-Agent": "nself-webhooks/1"},
        )  # fmt: skip

    async def deliver(self, plugin: str, url: str, event: str, payload: Mapping[str, Any], *, secret: str, id: str = "") -> str:
        """Queue a webhook; returns its id, which is the receiver's ``webhook-id``. The same id is queued once.

        ``secret``: one ``whsec_…`` (or ``whsk_…``, ed25519), or several side by side, which all sign (rotation). `ValueError` for
        a secret, URL, id or payload that cannot be used, and for a URL that has answered 410 (see `enable`).
        """
        ident = id or "msg_" + uuid.uuid4().hex
        if "." in ident or not ident.isascii() or not ident.isprintable() or " " in ident or len(ident) > 200:
            raise ValueError("the id of a webhook is printable ASCII without blanks and full stops, at most 200 characters")
        sign(secret, ident, 0, b"")
        _check_url(url)
        if await self._pool.fetchval(_GONE, plugin, url):
            raise ValueError(f"{_shown(url)} has answered 410 (gone): nothing is sent there until it is enabled again")
        body = {"type": event, "timestamp": self._clock().isoformat().replace("+00:00", "Z"), "data": dict(payload)}
        await self._queue.enqueue(plugin, NAME, {"url": url, "body": body}, once=ident, secret=secret)
        return ident

    def tasks(self, plugins: Iterable[str]) -> dict[tuple[str, str], Task]:
        """What the workers do to send these plugins' webhooks."""
        task = Task(run=self._send, retries=len(SCHEDULE), timeout=TIMEOUT + 5, backoff=lambda attempt: SCHEDULE[attempt - 1])
        return {(plugin, NAME): task for plugin in plugins}

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _send(self, claimed: Claimed) -> None:
        work = orjson.loads(claimed.payload)
        url: str = work["url"]
        if await self._pool.fetchval(_GONE, claimed.plugin, url):
            raise HopelessError(f"{_shown(url)} has answered 410 (gone)")
        body = encode(work["body"])
        now = int(self._clock().timestamp())
        headers = {
            "Content-Type": "application/json",
            "webhook-id": claimed.once,
            "webhook-timestamp": str(now),
            "webhook-signature": sign(claimed.secret, claimed.once, now, body),
        }
        try:
            status, text, wait = await self._post(url, body, headers)
        except EgressRefusedError as error:
            if "resolved" in str(error):
                raise
            raise HopelessError(str(error)) from None
        if 200 <= status < 300:
            return
        reason = f"{_shown(url)} answered {status}" + (f": {text}" if text else "")
        if status == 410:
            await self._pool.execute(
                "INSERT INTO nself_host.webhook_endpoints_gone (plugin, url) VALUES ($1, $2) ON CONFLICT DO NOTHING",
                claimed.plugin,
                url,
            )
            raise HopelessError(reason)
        usual = SCHEDULE[min(claimed.attempt, len(SCHEDULE)) - 1]
        raise LaterError(max(usual, wait), reason)

    async def _post(self, url: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, str, float]:
        """Status, the beginning of the answer, and how long the receiver asks us to wait (at most a day)."""
        import asyncio

        answer = b""
        async with asyncio.timeout(TIMEOUT), self._client.stream("POST", url, content=body, headers=dict(headers)) as response:
            async for chunk in response.aiter_raw():
                answer += chunk
                if len(answer) >= _MOST_ANSWER:
                    break
            asked = self._wait(response.headers.get("retry-after", ""))
        return response.status_code, answer[:200].decode("utf-8", "replace").strip(), asked

    def _wait(self, text: str) -> float:
        if text.isascii() and text.isdigit():
            return min(float(text), 86400)
        try:
            until = parsedate_to_datetime(text)
        except ValueError:
            return 0
        return min(max((until - self._clock()).total_seconds(), 0), 86400) if until.tzinfo else 0


async def enable(on: asyncpg.Connection | asyncpg.Pool, plugin: str, url: str) -> bool:
    """Let a plugin send to a URL again that had answered 410; whether it had."""
    done = await on.execute("DELETE FROM nself_host.webhook_endpoints_gone WHERE plugin = $1 AND url = $2", plugin, url)
    return bool(done != "DELETE 0")


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        right = parts.scheme in ("https", "http") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        right = False
    if not right:
        raise ValueError(f"{url!r} is no URL that webhooks can be sent to")
    if parts.username or parts.password:
        raise ValueError("the URL of a webhook holds no credentials: its signature proves who sends it")


def _shown(url: str) -> str:
    """A URL without its query, which may hold a token."""
    return url.partition("?")[0]
