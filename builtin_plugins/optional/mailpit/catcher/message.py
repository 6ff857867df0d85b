"""A caught message, taken apart."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage, MIMEPart
from email.utils import getaddresses, parsedate_to_datetime
from html import unescape
from typing import Any

Address = dict[str, str]


@dataclass
class Part:
    """An attachment or an inline picture."""

    id: str
    name: str
    type: str
    content_id: str
    content: bytes
    inline: bool

    def told(self) -> dict[str, Any]:
        return {
            "PartID": self.id, "FileName": self.name, "ContentType": self.type, "ContentID": self.content_id,
            "Size": len(self.content),
        }  # fmt: skip


@dataclass
class Message:
    """One message with what the API tells of it."""

    raw: bytes
    sender: str
    recipients: list[str]
    created: datetime = field(default_factory=lambda: datetime.now(UTC))
    id: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    read: bool = False

    def __post_init__(self) -> None:
        parsed = message_from_bytes(self.raw, policy=policy.default)
        assert isinstance(parsed, EmailMessage)  # noqa: S101  what this policy makes
        self.parsed = parsed
        self.subject = str(parsed.get("Subject", "") or "")
        self.text = _body(parsed, "plain")
        self.html = _body(parsed, "html")
        self.parts = list(_parts(parsed))
        named = {address["Address"].lower() for header in ("To", "Cc") for address in self.addresses(header)}
        self.bcc = [{"Name": "", "Address": r} for r in self.recipients if r.lower() not in named]

    def addresses(self, header: str) -> list[Address]:
        """The addresses of a header."""
        values = [str(value) for value in self.parsed.get_all(header, [])]
        return [{"Name": name, "Address": address} for name, address in getaddresses(values) if address]

    @property
    def author(self) -> Address:
        return next(iter(self.addresses("From")), {"Name": "", "Address": self.sender})

    def summary(self) -> dict[str, Any]:
        """As in a list of messages."""
        return {
            **self._common(),
            "Read": self.read,
            "Created": _time(self.created),
            "Attachments": sum(not part.inline for part in self.parts),
            "Snippet": " ".join((self.text or _plain(self.html)).split())[:250],
        }

    def detail(self) -> dict[str, Any]:
        """As told alone."""
        return {
            **self._common(),
            "ReturnPath": self.sender,
            "Date": _time(_date(self.parsed) or self.created),
            "Text": self.text,
            "HTML": self.html,
            "Inline": [part.told() for part in self.parts if part.inline],
            "Attachments": [part.told() for part in self.parts if not part.inline],
        }

    def headers(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for name, value in self.parsed.items():
            found.setdefault(name, []).append(str(value))
        return found

    def _common(self) -> dict[str, Any]:
        return {
            "ID": self.id,
            "MessageID": str(self.parsed.get("Message-ID", "")).strip("<> "),
            "From": self.author,
            "To": self.addresses("To"),
            "Cc": self.addresses("Cc"),
            "Bcc": self.bcc,
            "ReplyTo": self.addresses("Reply-To"),
            "Subject": self.subject,
            "Tags": [],
            "Username": "",
            "Size": len(self.raw),
        }


def _body(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    return _content(part) if part is not None else ""


def _content(part: MIMEPart) -> str:
    """The text of a part, whatever character set it claims."""
    try:
        return str(part.get_content())
    except (LookupError, UnicodeError, KeyError):
        payload = part.get_payload(decode=True)
        return payload.decode("utf-8", "replace") if isinstance(payload, bytes) else ""


def _parts(message: EmailMessage) -> list[Part]:
    bodies = {id(message.get_body(("plain",))), id(message.get_body(("html",)))}
    found = []
    for number, part in enumerate(message.walk(), 1):
        if part.is_multipart() or id(part) in bodies:
            continue
        payload = part.get_payload(decode=True)
        found.append(
            Part(
                id=str(number),
                name=part.get_filename() or f"part-{number}",
                type=part.get_content_type(),
                content_id=str(part.get("Content-ID", "")).strip("<> "),
                content=payload if isinstance(payload, bytes) else b"",
                inline=part.get_content_disposition() == "inline" or bool(part.get("Content-ID")),
            )
        )
    return found


def _date(message: EmailMessage) -> datetime | None:
    try:
        return parsedate_to_datetime(str(message["Date"]))
    except (TypeError, ValueError):
        return None


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def _plain(html: str) -> str:
    return unescape(re.sub(r"<[^>]+>", " ", re.sub(r"(?is)<(style|script)\b.*?</\1>", " ", html)))
