"""What a signature scheme reads and says."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

import orjson

from hookspecs.models.manifest import Webhook

_FORM = b"application/x-www-form-urlencoded"


class RefusedError(Exception):
    """The request is not what it claims to be, or not provably so; the text is short and says nothing of the secret."""


class Delivery:
    """A request as it came: header names in lower case, the body raw, the URL as the sender wrote it."""

    __slots__ = ("_doubled", "_fields", "body", "headers", "is_form", "url")

    def __init__(self, headers: Sequence[tuple[bytes, bytes]], body: bytes = b"", url: str = "") -> None:
        self.headers = dict(headers)
        self.body, self.url = body, url
        self._fields: dict[str, Any] | None = None
        self._doubled: set[bytes] | None = None
        if len(self.headers) != len(headers):
            names = [name for name, _ in headers]
            self._doubled = {name for name in names if names.count(name) > 1}
        self.is_form = self.headers.get(b"content-type", b"").lower().startswith(_FORM)

    def find(self, name: bytes) -> str:
        """A header's value, empty where it is missing. Refused where it is there twice, or is not plain ASCII."""
        if self._doubled is not None and name in self._doubled:
            raise RefusedError(f"{name.decode()} is given more than once")
        try:
            return self.headers.get(name, b"").decode("ascii")
        except UnicodeDecodeError:
            raise RefusedError(f"{name.decode()} holds other than ASCII") from None

    def header(self, name: bytes) -> str:
        """A header's value. Refused where it is missing, empty, there twice, or not plain ASCII."""
        found = self.find(name)
        if not found:
            raise RefusedError(f"{name.decode()} is missing")
        return found

    @property
    def fields(self) -> dict[str, Any]:
        """The body as an object: JSON, or a form's fields (the last of a name). JSON that is no object stands under ``data``.

        ``ValueError`` for a body that is neither.
        """
        if self._fields is None:
            self._fields = read(self.body, form=self.is_form)
        return self._fields


def read(body: bytes, *, form: bool) -> dict[str, Any]:
    """A body as an object, by the rules of `Delivery.fields`."""
    if form:
        return dict(parse_qsl(body.decode("utf-8"), keep_blank_values=True, strict_parsing=bool(body), max_num_fields=1000))
    found = orjson.loads(body)
    return found if isinstance(found, dict) else {"data": found}


class Verified(NamedTuple):
    """What a scheme found; ``id`` empty where the sender gives none. ``reply``: what is answered, where nothing is stored."""

    id: str = ""
    type: str = ""
    reply: bytes | None = None


@dataclass(frozen=True, slots=True)
class Scheme:
    """``key`` turns one configured secret into what ``verify`` takes, or raises ``ValueError``.

    ``verify(delivery, keys, now, rule)`` raises `RefusedError`. ``hides`` are headers that are not kept with the event.
    """

    key: Callable[[str], Any]
    verify: Callable[[Delivery, Sequence[Any], float, Webhook], Verified]
    hides: frozenset[bytes]


def mac_key(secret: bytes, algorithm: str = "sha256") -> hmac.HMAC:
    """A secret ready to sign with: copying this costs a fifth of making it anew for each message."""
    if not secret:
        raise ValueError("the secret is empty")
    return hmac.new(secret, digestmod=algorithm)


def text_key(secret: str) -> hmac.HMAC:
    """A secret that is used as it is written, for HMAC-SHA256."""
    return mac_key(secret.encode())


def same_mac(keys: Iterable[hmac.HMAC], message: bytes, given: Iterable[bytes]) -> bool:
    """Whether any of the signatures given is the HMAC of ``message`` under any of the keys, compared in constant time."""
    candidates = list(given)
    right = False
    for key in keys:
        mac = key.copy()
        mac.update(message)
        expected = mac.digest()
        for candidate in candidates:
            right |= hmac.compare_digest(expected, candidate)
    return right


def check_time(signed: str, now: float, tolerance: float) -> None:
    """Refuse a signed time, in seconds since the epoch, that is farther from now than ``tolerance``."""
    if not (signed.isascii() and signed.isdigit() and len(signed) <= 12):
        raise RefusedError("the signed time is no number of seconds")
    if int(signed) < now - tolerance:
        raise RefusedError("the signed time is too old")
    if int(signed) > now + tolerance:
        raise RefusedError("the signed time lies in the future")


def hexadecimal(text: str) -> bytes:
    """Bytes of exactly the hexadecimal form; nothing (which matches no signature) for anything else."""
    try:
        return binascii.unhexlify(text)
    except ValueError:
        return b""


def base64_or_nothing(text: str) -> bytes:
    """Bytes of exactly the Base64 form; nothing for anything else."""
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        return b""


def digest(*parts: bytes) -> str:
    """An id for what has none: the hash of what was signed."""
    return "sha256:" + hashlib.sha256(b"\0".join(parts)).hexdigest()


def text_of(fields: dict[str, Any], path: str) -> str:
    """A text or number in an object, by ``a.b.c``; empty where there is none."""
    found: Any = fields
    for step in path.split("."):
        found = found.get(step) if isinstance(found, dict) else None
    return str(found) if isinstance(found, str | int) and not isinstance(found, bool) else ""
