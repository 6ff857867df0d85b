"""``/webhooks/<plugin>[/<source>]``: verified, stored, and only then answered with 200. Plain ASGI: this is the hot path."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from hookspecs.models.manifest import Webhook

from .remote import PayPal, UnreachableError
from .schemes import SCHEMES, Delivery, RefusedError, Verified
from .schemes.model import digest, text_of
from .store import PREFIX, FullError, Row, Store

if TYPE_CHECKING:
    import asyncpg

_log = logging.getLogger("nself.host.webhooks")

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

#: Bytes of all headers, and seconds within which a body must have come.
_MOST_HEADERS, _SLOWEST = 32 * 1024, 10
_RETRY_AFTER = (b"retry-after", b"5")
#: Headers that are never kept with an event: credentials, and what concerned the connection alone.
_HIDDEN = frozenset({
    b"authorization", b"proxy-authorization", b"cookie", b"x-api-key", b"connection", b"transfer-encoding", b"keep-alive",
    b"content-length", b"accept-encoding", b"expect",
})  # fmt: skip
_START: dict[str, Any] = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]}
_END: dict[str, Any] = {"type": "http.response.body", "body": b""}


@dataclass(frozen=True, slots=True)
class Source:
    """A webhook of a plugin, with the values of its secret setting; none, or none that is usable, refuses everything."""

    plugin: str
    rule: Webhook
    secrets: Sequence[str]


@dataclass(slots=True)
class _Entry:
    source: Source
    keys: list[Any]
    name: str
    hidden: frozenset[bytes]
    exact: frozenset[str]
    starts: tuple[str, ...]

    def wants(self, kind: str) -> bool:
        return not (self.exact or self.starts) or kind in self.exact or kind.startswith(self.starts)


class Intake:
    """The ASGI application. ``base_url`` is the address senders know (Twilio signs it), ``limit`` the most bytes of a body."""

    def __init__(
        self, store: Store, *, base_url: str = "", clock: Callable[[], float] = time.time, paypal: PayPal | None = None,
        limit: int = 1024 * 1024, stored: Callable[[], None] = lambda: None,
    ) -> None:  # fmt: skip
        self._store, self._clock, self._paypal, self._limit, self._stored = store, clock, paypal, limit, stored
        self._base = base_url.rstrip("/")
        self._entries: dict[str, _Entry] = {}

    def serve(self, plugin: str, sources: Iterable[Source]) -> None:
        """Take these webhooks for a plugin, in place of those before; none withdraws it."""
        self._entries = {path: entry for path, entry in self._entries.items() if entry.source.plugin != plugin}
        found = [_entry(source) for source in sources]
        for entry in found:
            self._entries[f"/webhooks/{plugin}/{entry.source.rule.source}"] = entry
        if len(found) == 1:
            self._entries[f"/webhooks/{plugin}"] = found[0]

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await _lifespan(scope, receive, send)
            return
        try:
            reply = await self._take(scope, receive)
        except _AnswerError as answer:
            await _answer(send, answer.status, answer.text.encode(), b"text/plain; charset=utf-8", answer.headers)
            return
        if reply is not None:
            await _answer(send, 200, reply, b"application/json")
            return
        await send(_START)
        await send(_END)

    async def _take(self, scope: Mapping[str, Any], receive: Receive) -> bytes | None:
        entry = self._entries.get(scope["path"]) or self._entries.get(scope["path"].rstrip("/"))
        if entry is None:
            raise _AnswerError(404, "no plugin takes webhooks here")
        if scope["method"] != "POST":
            raise _AnswerError(405, "webhooks are sent by POST", ((b"allow", b"POST"),))
        headers = scope["headers"]
        if not entry.keys:
            _log.error("a webhook for %s was refused: %s holds no usable secret", entry.source.plugin, entry.source.rule.secret)
            raise _AnswerError(503, "this webhook is not configured yet", (_RETRY_AFTER,))
        delivery = Delivery(headers, await self._body(headers, receive), self._url(scope))
        verified = await self._verify(entry, delivery)
        if verified.reply is not None:
            return verified.reply
        kind = _rule(entry.source.rule.type, delivery) or verified.type
        if not entry.wants(kind):
            return None
        ident = _rule(entry.source.rule.id, delivery) or verified.id or digest(delivery.body)
        event = orjson.dumps({"type": kind, "form": delivery.is_form, "headers": _kept(headers, entry.hidden)}).decode()
        try:
            await self._store.add(Row(entry.source.plugin, entry.name, _short(ident), event, delivery.body))
        except Exception as error:
            if not isinstance(error, FullError):
                _log.error("a webhook for %s could not be stored: %s", entry.source.plugin, error or type(error).__name__)
            raise _AnswerError(503, "the event cannot be stored now", (_RETRY_AFTER,)) from None
        self._stored()
        return None

    async def _body(self, headers: Sequence[tuple[bytes, bytes]], receive: Receive) -> bytes:
        size = 0
        for name, value in headers:
            size += len(name) + len(value)
            if name == b"content-length" and int(value) > self._limit:
                raise _AnswerError(413, f"at most {self._limit} bytes are taken")
            if name == b"content-encoding" and value.lower() != b"identity":
                raise _AnswerError(415, "a compressed body is not taken")
        if size > _MOST_HEADERS:
            raise _AnswerError(431, f"at most {_MOST_HEADERS} bytes of headers are taken")
        try:
            async with asyncio.timeout(_SLOWEST):
                return await self._rest(receive)
        except TimeoutError:
            raise _AnswerError(408, f"the body did not come within {_SLOWEST} seconds", ((b"connection", b"close"),)) from None

    async def _rest(self, receive: Receive) -> bytes:
        body = b""
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise _AnswerError(400, "the body is not whole")
            body += message.get("body", b"")
            if len(body) > self._limit:
                raise _AnswerError(413, f"at most {self._limit} bytes are taken", ((b"connection", b"close"),))
            more = message.get("more_body", False)
        return body

    async def _verify(self, entry: _Entry, delivery: Delivery) -> Verified:
        rule = entry.source.rule
        scheme = SCHEMES[rule.scheme]
        try:
            if rule.scheme == "paypal":
                if self._paypal is None:
                    raise _AnswerError(503, "this webhook cannot be verified here", (_RETRY_AFTER,))
                from .schemes import paypal

                material = await self._paypal.gather(delivery, entry.keys)
                verified = paypal.verify(delivery, entry.keys, self._clock(), rule, material)
            else:
                verified = scheme.verify(delivery, entry.keys, self._clock(), rule)
            if delivery.body or rule.scheme != "twilio":
                _ = delivery.fields
        except RefusedError as error:
            raise _AnswerError(401, f"not taken: {error}") from None
        except UnreachableError as error:
            _log.warning("%s", error)
            raise _AnswerError(503, "this webhook cannot be verified now", (_RETRY_AFTER,)) from None
        except ValueError:
            raise _AnswerError(415, "the body is neither JSON nor a form") from None
        return verified

    def _url(self, scope: Mapping[str, Any]) -> str:
        query = scope.get("query_string", b"").decode("latin-1")
        path = scope.get("raw_path", b"").partition(b"?")[0].decode("latin-1") or scope["path"]
        if self._base:
            return f"{self._base}{path}" + (f"?{query}" if query else "")
        found = {name: value.decode("latin-1") for name, value in scope["headers"] if name in {b"host", b"x-forwarded-proto"}}
        scheme = found.get(b"x-forwarded-proto", scope.get("scheme", "http"))
        return f"{scheme}://{found.get(b'host', '')}{path}" + (f"?{query}" if query else "")


class _AnswerError(Exception):
    def __init__(self, status: int, text: str, headers: Sequence[tuple[bytes, bytes]] = ()) -> None:
        super().__init__(text)
        self.status, self.text, self.headers = status, text, headers


def _entry(source: Source) -> _Entry:
    scheme = SCHEMES[source.rule.scheme]
    keys = []
    for secret in source.secrets:
        try:
            keys.append(scheme.key(secret))
        except ValueError as error:
            _log.error(
                "%s: a value in %s is no secret of scheme %s: %s", source.plugin, source.rule.secret, source.rule.scheme, error
            )
    hidden = _HIDDEN | scheme.hides | {source.rule.header.lower().encode()}
    return _Entry(
        source, keys, PREFIX + source.rule.source, hidden, frozenset(e for e in source.rule.events if not e.endswith("*")),
        tuple(e[:-1] for e in source.rule.events if e.endswith("*")),
    )  # fmt: skip


def _kept(headers: Sequence[tuple[bytes, bytes]], hidden: frozenset[bytes]) -> dict[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in headers if name not in hidden}


def _rule(rule: str, delivery: Delivery) -> str:
    """What ``header:X-Name`` or ``body:path.to.field`` leads to; empty for no rule and for nothing found."""
    where, _, name = rule.partition(":")
    if where == "header":
        return delivery.find(name.lower().encode())
    return text_of(delivery.fields, name) if where == "body" else ""


def _short(ident: str) -> str:
    """An id the database takes: a long one, or one with a control character in it, is replaced by its hash."""
    if len(ident) <= 200 and ident.isprintable():
        return ident
    return "sha256:" + hashlib.sha256(ident.encode("utf-8", "replace")).hexdigest()


async def _answer(send: Send, status: int, body: bytes, kind: bytes, extra: Sequence[tuple[bytes, bytes]] = ()) -> None:
    headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode()), *extra]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _lifespan(scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
    while scope["type"] == "lifespan":
        message = await receive()
        await send({"type": message["type"] + ".complete"})
        if message["type"] == "lifespan.shutdown":
            return


def intake(
    pool: asyncpg.Pool, *, base_url: str = "", clock: Callable[[], float] = time.time, paypal: PayPal | None = None,
    stored: Callable[[], None] = lambda: None,
) -> Intake:  # fmt: skip
    """The ASGI application for ``/webhooks/…``, storing through ``pool``; plugins are added by `Intake.serve`.

    ``stored`` is called after each event, to wake workers in this process.
    """
    return Intake(Store(pool), base_url=base_url, clock=clock, paypal=paypal, stored=stored)


def secrets_of(value: str | None) -> tuple[str, ...]:
    """The secrets in a setting's value: several stand side by side, separated by white space or commas."""
    return tuple((value or "").replace(",", " ").split())
