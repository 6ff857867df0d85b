"""``/webhooks/<plugin>[/<source>]``: verified, stored, and only then answered with 200.

An ASGI application; what most senders send comes in by a shorter way (``protocol``) that ends in the same functions.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from hookspecs.models.manifest import Webhook

from .remote import PayPal, UnreachableError
from .schemes import SCHEMES, Delivery, RefusedError, Verified
from .schemes.model import digest, text_of
from .store import PREFIX, NotStoredError, Row, Store

if TYPE_CHECKING:
    import asyncpg
    from prometheus_client import Metric

_log = logging.getLogger("nself.host.webhooks")

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

#: Bytes of all headers; seconds within which a body must have come, and between two looks at that.
_MOST_HEADERS, _SLOWEST, _SWEEP = 32 * 1024, 10, 0.5
_RETRY_AFTER = (b"retry-after", b"5")
#: Headers that are never kept with an event: credentials, and what concerned the connection alone.
_HIDDEN = frozenset({
    b"authorization", b"proxy-authorization", b"cookie", b"x-api-key", b"connection", b"transfer-encoding", b"keep-alive",
    b"content-length", b"accept-encoding", b"expect",
})  # fmt: skip
#: What only the whole way through ASGI deals with.
_INDIRECT = frozenset({b"expect", b"transfer-encoding", b"upgrade"})


_TEXT, _JSON = b"text/plain; charset=utf-8", b"application/json"


class Answer(NamedTuple):
    """What a sender is told."""

    status: int
    body: bytes = b""
    kind: bytes = _TEXT
    headers: tuple[tuple[bytes, bytes], ...] = ()

    @property
    def all_headers(self) -> list[tuple[bytes, bytes]]:
        """With those that tell of the body."""
        kind = [(b"content-type", self.kind)] if self.body else []
        return [*kind, (b"content-length", str(len(self.body)).encode()), *self.headers]


#: Taken, or taken before, or not wanted: the usual answer.
STORED = Answer(200)


class _AnswerError(Exception):
    def __init__(self, status: int, text: str, headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
        super().__init__(text)
        self.answer = Answer(status, text.encode(), headers=headers)


_CLOSE = ((b"connection", b"close"),)
#: Schemes whose check needs more than headers and body: PayPal's certificate, the address that Twilio signs.
_NOT_DIRECT = frozenset({"paypal", "twilio"})


@dataclass(frozen=True, slots=True)
class Source:
    """A webhook of a plugin, with the values of its secret setting; none, or none that is usable, refuses everything."""

    plugin: str
    rule: Webhook
    secrets: Sequence[str]


class Entry:
    """A source with what is the same for all its requests."""

    def __init__(self, source: Source) -> None:
        scheme = SCHEMES[source.rule.scheme]
        self.source, self.keys = source, [*_keys(source)]
        if not self.keys:
            _log.warning(
                "webhooks from %s for %s are refused: %s is not set", source.rule.source, source.plugin, source.rule.secret
            )
        self.name = PREFIX + source.rule.source
        self._hidden = _HIDDEN | scheme.hides | {source.rule.header.lower().encode()}
        self._names: dict[bytes, str] = {}
        self.answers: Counter[int] = Counter()
        self.chosen = bool(source.rule.events)
        self._exact = frozenset(event for event in source.rule.events if not event.endswith("*"))
        self._starts = tuple(event[:-1] for event in source.rule.events if event.endswith("*"))

    def wants(self, kind: str) -> bool:
        """Whether the manifest names this type."""
        return kind in self._exact or kind.startswith(self._starts)

    def kept(self, headers: Mapping[bytes, bytes]) -> dict[str, str]:
        """The headers that are stored with the event."""
        return {shown: value.decode("latin-1") for name, value in headers.items() if (shown := self._name(name))}

    def _name(self, name: bytes) -> str:
        """A header's name as text, empty for one that is hidden; senders use the same few again and again."""
        found = self._names.get(name)
        if found is None:
            found = "" if name in self._hidden else name.decode("latin-1")
            if len(self._names) < 200:
                self._names[name] = found
        return found


def _keys(source: Source) -> Iterable[Any]:
    for secret in source.secrets:
        try:
            yield SCHEMES[source.rule.scheme].key(secret)
        except ValueError as error:
            _log.error("%s: a value in %s is no secret of %s: %s", source.plugin, source.rule.secret, source.rule.scheme, error)


class Intake:
    """The ASGI application. ``base_url`` is the address senders know (Twilio signs it), ``limit`` the most bytes of a body."""

    def __init__(
        self, store: Store, *, base_url: str = "", clock: Callable[[], float] = time.time, paypal: PayPal | None = None,
        limit: int = 1024 * 1024, stored: Callable[[], None] = lambda: None,
    ) -> None:  # fmt: skip
        self._store, self._clock, self._paypal, self._limit, self._stored = store, clock, paypal, limit, stored
        self._base = base_url.rstrip("/")
        self._entries: dict[str, Entry] = {}
        self._direct: dict[bytes, Entry] = {}
        self._slow: dict[Callable[[Answer], None], float] = {}
        self._reading: dict[asyncio.Task[Any], float] = {}
        self._sweeper: asyncio.TimerHandle | None = None

    def serve(self, plugin: str, sources: Iterable[Source]) -> None:
        """Take these webhooks for a plugin, in place of those before; none withdraws it."""
        self._entries = {path: entry for path, entry in self._entries.items() if entry.source.plugin != plugin}
        found = [Entry(source) for source in sources]
        for entry in found:
            self._entries[f"/webhooks/{plugin}/{entry.source.rule.source}"] = entry
        if len(found) == 1:
            self._entries[f"/webhooks/{plugin}"] = found[0]
        self._direct = {
            path.encode(): entry for path, entry in self._entries.items() if entry.source.rule.scheme not in _NOT_DIRECT
        }

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await _lifespan(scope, receive, send)
            return
        entry = self._entries.get(scope["path"]) or self._entries.get(scope["path"].rstrip("/"))
        if entry is None:
            await _send(send, Answer(404, b"no plugin takes webhooks here"))
            return
        try:
            answer = await self._take(entry, scope, receive)
        except _AnswerError as error:
            answer = error.answer
        entry.answers[answer.status] += 1
        await _send(send, answer)

    def direct(self, path: bytes, headers: Sequence[tuple[bytes, bytes]]) -> Entry | None:
        """What takes a POST to this path without ASGI: by `take`, with its body, as long as its headers say. ``None``: nothing
        does, by this path or with these headers."""
        entry = self._direct.get(path)
        length = b""
        for name, value in headers if entry is not None else ():
            if name in _INDIRECT or (name == b"content-length" and length):
                return None
            if name == b"content-length":
                length = value
        return entry if length.isdigit() and len(length) < 10 and int(length) <= self._limit else None

    def take(self, entry: Entry, headers: Sequence[tuple[bytes, bytes]], body: bytes, answer: Callable[[Answer], None]) -> None:
        """Take a request that is here whole; ``answer`` is called once, now or when it is stored."""
        try:
            delivery = self._opened(entry, headers)
            delivery.body = body
            found = self._judge(entry, delivery, lambda: self._verified(entry, delivery))
            if isinstance(found, Answer):
                entry.answers[found.status] += 1
                answer(found)
                return
            self._store.add(found, partial(self._stored_or_not, entry, answer))
        except (_AnswerError, NotStoredError) as error:
            told = error.answer if isinstance(error, _AnswerError) else _not_stored().answer
            entry.answers[told.status] += 1
            answer(told)

    def _stored_or_not(self, entry: Entry, answer: Callable[[Answer], None], stored: bool) -> None:
        told = STORED if stored else _not_stored().answer
        if stored:
            self._stored()
        entry.answers[told.status] += 1
        answer(told)

    def wait_for(self, answer: Callable[[Answer], None]) -> None:
        """A body has not come whole: ``answer`` is called with 408 in some seconds, unless `came` is before."""
        self._slow.setdefault(answer, time.monotonic())
        self._sweep_soon()

    def came(self, answer: Callable[[Answer], None]) -> None:
        """The body is whole, or never will be."""
        self._slow.pop(answer, None)

    def collect(self) -> Iterable[Metric]:
        """For a Prometheus registry, as its ``register`` asks: what was answered."""
        from prometheus_client.core import CounterMetricFamily

        family = CounterMetricFamily("nself_webhooks", "Webhooks answered, by status.", labels=("plugin", "source", "status"))
        for entry in set(self._entries.values()):
            for status, number in entry.answers.items():
                family.add_metric((entry.source.plugin, entry.source.rule.source, str(status)), number)
        return (family,)

    async def _take(self, entry: Entry, scope: Mapping[str, Any], receive: Receive) -> Answer:
        if scope["method"] != "POST":
            raise _AnswerError(405, "webhooks are sent by POST", ((b"allow", b"POST"),))
        delivery = self._opened(entry, scope["headers"])
        delivery.body = await self._body(receive)
        scheme = entry.source.rule.scheme
        if scheme == "twilio":
            delivery.url = self._url(scope)
        if scheme == "paypal":
            verify = await self._paypal_check(entry, delivery)
        else:
            verify = partial(self._verified, entry, delivery)
        found = self._judge(entry, delivery, verify)
        if isinstance(found, Answer):
            return found
        try:
            await self._store.store(found)
        except NotStoredError:
            raise _not_stored() from None
        self._stored()
        return STORED

    def _opened(self, entry: Entry, headers: Sequence[tuple[bytes, bytes]]) -> Delivery:
        if not entry.keys:
            raise _AnswerError(503, "this webhook is not configured yet", (_RETRY_AFTER,))
        delivery = Delivery(headers)
        self._measure(delivery.headers)
        return delivery

    def _judge(self, entry: Entry, delivery: Delivery, verify: Callable[[], Verified]) -> Row | Answer:
        """What is to be stored, or an answer without that; `_AnswerError` for what is not taken."""
        rule = entry.source.rule
        try:
            verified = verify()
            if delivery.body or rule.scheme != "twilio":
                _ = delivery.fields
        except RefusedError as error:
            raise _AnswerError(401, f"not taken: {error}") from None
        except ValueError:
            raise _AnswerError(415, "the body is neither JSON nor a form") from None
        if verified.reply is not None:
            return Answer(200, verified.reply, _JSON)
        kind = _plain(_rule(rule.type, delivery) if rule.type else verified.type)
        if entry.chosen and not entry.wants(kind):
            return STORED
        ident = _plain((_rule(rule.id, delivery) if rule.id else verified.id) or digest(delivery.body))
        event = orjson.dumps({"type": kind, "form": delivery.is_form, "headers": entry.kept(delivery.headers)}).decode()
        return Row(entry.source.plugin, entry.name, ident, event, delivery.body)

    def _verified(self, entry: Entry, delivery: Delivery) -> Verified:
        rule = entry.source.rule
        return SCHEMES[rule.scheme].verify(delivery, entry.keys, self._clock(), rule)

    def _measure(self, headers: Mapping[bytes, bytes]) -> None:
        if sum(map(len, headers)) + sum(map(len, headers.values())) > _MOST_HEADERS:
            raise _AnswerError(431, f"at most {_MOST_HEADERS} bytes of headers are taken")
        if int(headers.get(b"content-length", b"0")) > self._limit:
            raise _AnswerError(413, f"at most {self._limit} bytes are taken")
        if headers.get(b"content-encoding", b"identity").lower() != b"identity":
            raise _AnswerError(415, "a compressed body is not taken")

    async def _body(self, receive: Receive) -> bytes:
        """All of it. What `_sweep` ends is 408; a timer for each request would cost more than all else that is done here."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine is run by a task
        self._reading[task] = time.monotonic()
        self._sweep_soon()
        body, more = bytearray(), True
        try:
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise _AnswerError(400, "the body is not whole")
                body += message.get("body", b"")
                if len(body) > self._limit:
                    raise _AnswerError(413, f"at most {self._limit} bytes are taken", _CLOSE)
                more = message.get("more_body", False)
        except asyncio.CancelledError:
            if task in self._reading:
                raise
            task.uncancel()
            raise _too_slow() from None
        finally:
            self._reading.pop(task, None)
        return bytes(body)

    def _sweep_soon(self) -> None:
        if self._sweeper is None:
            self._sweeper = asyncio.get_running_loop().call_later(_SWEEP, self._sweep)

    def _sweep(self) -> None:
        """End what has been read for too long."""
        self._sweeper = None
        oldest = time.monotonic() - _SLOWEST
        for task in [task for task, began in self._reading.items() if began < oldest]:
            del self._reading[task]
            task.cancel()
        for answer in [answer for answer, began in self._slow.items() if began < oldest]:
            del self._slow[answer]
            answer(_too_slow().answer)
        if self._reading or self._slow:
            self._sweep_soon()

    async def _paypal_check(self, entry: Entry, delivery: Delivery) -> Callable[[], Verified]:
        """The check, once PayPal's certificate or its own word is here."""
        if self._paypal is None:
            raise _AnswerError(503, "this webhook cannot be verified here", (_RETRY_AFTER,))
        from .schemes import paypal

        try:
            material = await self._paypal.gather(delivery, entry.keys)
        except RefusedError as error:
            raise _AnswerError(401, f"not taken: {error}") from None
        except UnreachableError as error:
            _log.warning("%s", error)
            raise _AnswerError(503, "this webhook cannot be verified now", (_RETRY_AFTER,)) from None
        except ValueError:
            raise _AnswerError(415, "the body is neither JSON nor a form") from None
        return lambda: paypal.verify(delivery, entry.keys, self._clock(), entry.source.rule, material)

    def _url(self, scope: Mapping[str, Any]) -> str:
        query = scope.get("query_string", b"").decode("latin-1")
        path = scope.get("raw_path", b"").partition(b"?")[0].decode("latin-1") or scope["path"]
        if self._base:
            return f"{self._base}{path}" + (f"?{query}" if query else "")
        found = {name: value.decode("latin-1") for name, value in scope["headers"] if name in {b"host", b"x-forwarded-proto"}}
        scheme = found.get(b"x-forwarded-proto", scope.get("scheme", "http"))
        return f"{scheme}://{found.get(b'host', '')}{path}" + (f"?{query}" if query else "")


def _rule(rule: str, delivery: Delivery) -> str:
    """What ``header:X-Name`` or ``body:path.to.field`` leads to; empty for no rule and for nothing found."""
    where, _, name = rule.partition(":")
    if where == "header":
        return delivery.find(name.lower().encode())
    return text_of(delivery.fields, name) if where == "body" else ""


def _plain(text: str) -> str:
    """An id or type as the database takes it: a long one, or one with a control character in it, is replaced by its hash."""
    return text if len(text) <= 200 and text.isprintable() else digest(text.encode("utf-8", "replace"))


def _not_stored() -> _AnswerError:
    return _AnswerError(503, "the event cannot be stored now", (_RETRY_AFTER,))


def _too_slow() -> _AnswerError:
    return _AnswerError(408, f"the body did not come within {_SLOWEST} seconds", _CLOSE)


async def _send(send: Send, answer: Answer) -> None:
    await send({"type": "http.response.start", "status": answer.status, "headers": answer.all_headers})
    await send({"type": "http.response.body", "body": answer.body})


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
