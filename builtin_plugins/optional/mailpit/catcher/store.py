"""The caught messages, newest first, and searching them."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterable

from builtin_plugins.optional.mailpit.catcher.message import Message

_TERM = re.compile(r'(?P<no>[-!])?(?:(?P<field>[A-Za-z]+):)?(?:"(?P<quoted>[^"]*)"|(?P<word>\S+))')


class Store:
    """At most ``limit`` messages; the oldest go first."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._messages: OrderedDict[str, Message] = OrderedDict()

    def add(self, message: Message) -> None:
        self._messages[message.id] = message
        while len(self._messages) > self._limit:
            self._messages.popitem(last=False)

    def get(self, name: str) -> Message | None:
        """The message of that id; ``latest`` is the newest."""
        if name == "latest":
            return next(reversed(self._messages.values()), None)
        return self._messages.get(name)

    def all(self) -> list[Message]:
        return list(reversed(self._messages.values()))

    def remove(self, ids: Iterable[str] | None) -> None:
        """Remove these, or all where ``ids`` is ``None``."""
        if ids is None:
            self._messages.clear()
            return
        for name in ids:
            self._messages.pop(name, None)

    def unread(self) -> int:
        return sum(not message.read for message in self._messages.values())

    def search(self, query: str) -> list[Message]:
        """Messages that match every term: a word or "phrase" anywhere, or ``to:``, ``from:``, ``subject:`` …, ``-`` for not."""
        terms = [
            (bool(m["no"]), (m["field"] or "").lower(), (m["quoted"] or m["word"] or "").lower()) for m in _TERM.finditer(query)
        ]
        return [m for m in self.all() if all(_matches(m, name, text) != negated for negated, name, text in terms)]


def _matches(message: Message, name: str, text: str) -> bool:  # noqa: PLR0911  one for each field
    def among(*headers: str) -> bool:
        found = [a for header in headers for a in message.addresses(header)]
        return any(text in f"{a['Name']} {a['Address']}".lower() for a in found)

    match name:
        case "to":
            return among("To")
        case "cc":
            return among("Cc")
        case "bcc":
            return any(text in address["Address"].lower() for address in message.bcc)
        case "from":
            return among("From") or text in message.sender.lower()
        case "addressed":
            return among("From", "To", "Cc", "Reply-To") or any(text in r.lower() for r in message.recipients)
        case "subject":
            return text in message.subject.lower()
        case "id" | "message-id":
            return text in (message.id.lower(), str(message.parsed.get("Message-ID", "")).strip("<> ").lower())
        case "is":
            return {"read": message.read, "unread": not message.read}.get(text, False)
        case "has":
            return text in {"attachment", "attachments"} and any(not part.inline for part in message.parts)
        case "":
            everywhere = f"{message.subject}\n{message.text}\n{message.html}".lower()
            return text in everywhere or among("From", "To", "Cc") or any(text in r.lower() for r in message.recipients)
        case _:
            return f"{name}:{text}" in f"{message.subject}\n{message.text}".lower()
