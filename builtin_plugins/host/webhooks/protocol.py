"""uvicorn's HTTP, with a short way for webhooks: a plain POST goes from the parser to the intake, and its answer to the socket.

The ASGI way makes a task, an event, a scope and four messages of each request, which costs more than verifying and storing a
webhook does. Parsing, keep-alive, pipelining, limits and shutdown stay uvicorn's; whatever is out of the ordinary (another
method, a chunked body, HTTP/1.0, a request that waits behind another) goes the ASGI way and meets the same rules there.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from .endpoint import STORED, Answer, Entry, Intake

_log = logging.getLogger("nself.host.webhooks")

Headers = Sequence[tuple[bytes, bytes]]


class _Request:
    """A request on the short way, with what uvicorn asks of one that is under way."""

    __slots__ = (
        "_to",
        "body",
        "disconnected",
        "entry",
        "headers",
        "keep_alive",
        "message_event",
        "more_body",
        "response_complete",
    )

    def __init__(self, to: _Protocol, entry: Entry, headers: Headers, *, keep_alive: bool) -> None:
        self._to, self.entry, self.headers, self.keep_alive = to, entry, headers, keep_alive
        self.body = bytearray()
        self.more_body = True
        self.response_complete = self.disconnected = False
        self.message_event = self

    def set(self) -> None:
        """Nobody waits."""

    def answer(self, answer: Answer) -> None:
        """Write the answer, and go on to what waits behind it."""
        to = self._to
        if self.disconnected or to.transport.is_closing():
            return
        closing = (b"connection", b"close") in answer.headers or not self.keep_alive
        to.transport.write(to.stored() if answer is STORED and not closing else to.rendered(answer, closing=closing))
        self.response_complete = True
        if closing:
            to.transport.close()
        to.on_response_complete()


class _Protocol(HttpToolsProtocol):
    intake: Intake
    _stored: tuple[Headers, bytes] = ((), b"")

    def on_headers_complete(self) -> None:
        """Where the short way begins."""
        entry = None
        if (self.cycle is None or self.cycle.response_complete) and self.parser.get_method() == b"POST":
            entry = self.intake.direct(self.url.partition(b"?")[0], self.headers)
        if entry is None or self.parser.get_http_version() != "1.1":
            super().on_headers_complete()
        else:
            made = _Request(self, entry, self.headers, keep_alive=self.parser.should_keep_alive())
            self.cycle = made  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        """Whoever is slow with a body is watched."""
        super().data_received(data)
        cycle: Any = self.cycle
        if type(cycle) is _Request and cycle.more_body and not cycle.response_complete and not cycle.disconnected:
            self.flow.resume_reading()  # at most the intake's limit is held
            self.intake.wait_for(cycle.answer)

    def on_message_complete(self) -> None:
        """The body is here: take it."""
        cycle: Any = self.cycle
        if type(cycle) is not _Request or cycle.response_complete:
            super().on_message_complete()
            return
        cycle.more_body = False
        self.intake.came(cycle.answer)
        try:
            self.intake.take(cycle.entry, cycle.headers, bytes(cycle.body), cycle.answer)
        except Exception:
            _log.exception("a webhook of %s failed", cycle.entry.source.plugin)
            cycle.answer(Answer(500, b"Internal Server Error", headers=((b"connection", b"close"),)))

    def connection_lost(self, exc: Exception | None) -> None:
        """The sender is gone."""
        cycle: Any = self.cycle
        if type(cycle) is _Request:
            self.intake.came(cycle.answer)
        super().connection_lost(exc)

    def stored(self) -> bytes:
        """The usual answer, made once a second: it holds the date."""
        if self._stored[0] is not self.server_state.default_headers:
            type(self)._stored = (self.server_state.default_headers, self.rendered(STORED))
        return self._stored[1]

    def rendered(self, answer: Answer, *, closing: bool = False) -> bytes:
        """An answer as HTTP."""
        headers = [*self.server_state.default_headers, *answer.all_headers]
        if closing and (b"connection", b"close") not in headers:
            headers.append((b"connection", b"close"))
        lines = b"".join([b"%b: %b\r\n" % header for header in headers])
        return b"%b%b\r\n%b" % (STATUS_LINE[answer.status], lines, answer.body)


def protocol(intake: Intake) -> type[HttpToolsProtocol]:
    """For uvicorn's ``http``: its protocol with the short way into ``intake``."""
    return type("Protocol", (_Protocol,), {"intake": intake})
