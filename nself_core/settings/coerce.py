"""From the text of a ``.env`` value to a typed one. Repairs are of form only (a unit, a letter's case), each with a notice."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from nself_core.settings.declared import Declared

TRUE = frozenset({"true", "1", "yes", "y", "on", "enabled", "t"})
FALSE = frozenset({"false", "0", "no", "n", "off", "disabled", "f"})

_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_HOST = re.compile(rf"{_LABEL}(\.{_LABEL})*\Z")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(i?b)?\Z", re.IGNORECASE)
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|sec|secs|m|min|mins|h|hr|hrs|d|w|y)", re.IGNORECASE)
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "y": 31536000}
_RATE = re.compile(r"(\d+)\s*r?\s*/\s*(s|sec|second|m|min|minute)\Z", re.IGNORECASE)
_EMAIL = re.compile(r"[^\s@<>,;:\"]+@[^\s@<>,;:\"]+\Z")
_NAMED_EMAIL = re.compile(r"[^<>]*<([^<>]+)>\Z")
_URL = re.compile(r"([a-z][a-z0-9+.-]*)://([^\s/?#]+)([^\s]*)\Z", re.IGNORECASE)
# The reference grammar of the OCI distribution specification, a little stricter on the registry.
_IMAGE = re.compile(
    r"(?:(?:localhost|[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+|[A-Za-z0-9-]+(?=:))(?::\d+)?/)?[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*"
    r"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[0-9a-fA-F]{32,})?\Z"
)
_SMALLEST_BARE_SIZE = 1 << 16
"""A bare number below this, for a size, is surely meant as megabytes: nothing is limited to 64 KiB."""


class InvalidError(ValueError):
    """The value does not fit: ``str()`` is what is wrong, ``remedy`` what to write."""

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.remedy = remedy


Repair = Callable[[str], None]


def coerce(declared: Declared, text: str, repaired: Repair = lambda _: None) -> Any:
    """The typed value of a setting, or ``None`` where empty text means unset. Raises ``InvalidError``.

    ``repaired`` is told what was changed, in words that follow the variable's name.
    """
    stripped = text.strip() if not declared.secret else text
    if stripped == "" and declared.type not in {"string", "list"}:
        return None
    value = _COERCE[declared.type](stripped, repaired)
    _check(declared, value, repaired)
    if declared.choices and isinstance(value, str) and value not in declared.choices and value:
        return next(choice for choice in declared.choices if choice.lower() == value.lower())
    return value


def equal(declared: Declared | None, first: str, second: str) -> bool:
    """Whether two texts, before ``${}``, mean the same for a setting."""
    if first == second:
        return True
    if declared is None or "${" in first or "${" in second or declared.secret:
        return False
    try:
        return bool(coerce(declared, first) == coerce(declared, second))
    except InvalidError:
        return False


def _check(declared: Declared, value: Any, repaired: Repair) -> None:
    if declared.choices and isinstance(value, str) and value and value not in declared.choices:
        near = next((choice for choice in declared.choices if choice.lower() == value.lower()), None)
        if near is None:
            raise InvalidError(f"{_quoted(declared, value)} is not one of {', '.join(declared.choices)}")
        repaired(f"is read as {near}")
    if declared.choices and isinstance(value, list):
        wrong = [item for item in value if item not in declared.choices]
        if wrong:
            raise InvalidError(f"{', '.join(wrong)}: not among {', '.join(declared.choices)}")
    if declared.pattern and isinstance(value, str) and value and not re.fullmatch(declared.pattern, value):
        example = f", for example {declared.example}" if declared.example else ""
        raise InvalidError(f"{_quoted(declared, value)} has not the form wanted", f"it must match {declared.pattern}{example}")
    if isinstance(value, int | float) and not isinstance(value, bool):
        if declared.minimum is not None and value < declared.minimum:
            raise InvalidError(f"{value} is less than {_plain(declared.minimum)}")
        if declared.maximum is not None and value > declared.maximum:
            raise InvalidError(f"{value} is more than {_plain(declared.maximum)}")


def _plain(number: float) -> str:
    return str(int(number)) if number == int(number) else str(number)


def _quoted(declared: Declared, value: str) -> str:
    return "the value" if declared.secret else repr(value)


def _string(text: str, repaired: Repair) -> str:
    return text


def _bool(text: str, repaired: Repair) -> bool:
    word = _unquoted(text, repaired).lower()
    if word in TRUE:
        return True
    if word in FALSE:
        return False
    raise InvalidError(f"{text!r} is neither true nor false", "write true or false")


def _unquoted(text: str, repaired: Repair) -> str:
    """A value that was quoted twice (``"'true'"``), as some writers leave it."""
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        repaired(f"is read without its inner {text[0]} quotes")
        return text[1:-1].strip()
    return text


def _int(text: str, repaired: Repair) -> int:
    text = _unquoted(text, repaired)
    if not re.fullmatch(r"[+-]?\d+", text, re.ASCII):
        raise InvalidError(f"{text!r} is no whole number")
    return int(text)


def _float(text: str, repaired: Repair) -> float:
    text = _unquoted(text, repaired)
    if not re.fullmatch(r"[+-]?(\d+(\.\d*)?|\.\d+)", text, re.ASCII):
        raise InvalidError(f"{text!r} is no number", "write it with a point, like 0.5")
    return float(text)


def _port(text: str, repaired: Repair) -> int:
    text = _unquoted(text, repaired)
    if not re.fullmatch(r"\d+", text, re.ASCII) or not 1 <= int(text) <= 65535:
        raise InvalidError(f"{text!r} is no port", "use a number from 1 to 65535")
    return int(text)


def _size(text: str, repaired: Repair) -> int:
    text = _unquoted(text, repaired)
    match = _SIZE.match(text)
    if not match:
        raise InvalidError(f"{text!r} is no size", "write it like 512m, 256MB or 2g")
    number, unit = float(match[1]), match[2].lower()
    if not unit and not match[3] and 0 < number < _SMALLEST_BARE_SIZE:
        repaired(f"is read as {match[1]} MB, since it has no unit")
        unit = "m"
    return int(number * _UNITS[unit])


def _duration(text: str, repaired: Repair) -> int:
    text = _unquoted(text, repaired)
    if re.fullmatch(r"\d+", text, re.ASCII):
        return int(text)
    rest = _SPAN.sub("", text).strip()
    if rest or not _SPAN.search(text):
        raise InvalidError(f"{text!r} is no span of time", "write seconds, or a unit: 30s, 15m, 1h30m, 7d")
    seconds = sum(float(n) * _SECONDS[u if u in _SECONDS else u[0]] for n, u in _SPAN.findall(text.lower()))
    if seconds != int(seconds):
        raise InvalidError(f"{text!r} is not a whole number of seconds")
    return int(seconds)


def _url(text: str, repaired: Repair) -> str:
    text = _unquoted(text, repaired)
    match = _URL.match(text)
    if not match:
        raise InvalidError("it is no URL", "write it with its scheme, like https://app.example.com")
    return text


def _domain(text: str, repaired: Repair) -> str:
    return _host(_unquoted(text, repaired), repaired, "domain")


def _host(text: str, repaired: Repair, what: str) -> str:
    if "://" in text or "/" in text:
        raise InvalidError(f"{text!r} is no {what} but a URL", "write the host name alone, like example.com")
    if text != text.lower():
        repaired(f"is read as {text.lower()}")
        text = text.lower()
    if text.endswith(".") and len(text) > 1:
        repaired("is read without its last dot")
        text = text[:-1]
    if not text.isascii():
        try:
            ascii_form = text.encode("idna").decode("ascii")
        except UnicodeError:
            raise InvalidError(f"{text!r} is no {what}") from None
        repaired(f"is read as {ascii_form}")
        text = ascii_form
    if not _HOST.match(text) or len(text) > 253:
        raise InvalidError(f"{text!r} is no {what}", "use letters, digits, inner hyphens and dots, like example.com")
    if re.fullmatch(r"[\d.]+", text) and what == "domain":
        raise InvalidError(f"{text!r} is an address, not a domain", "give the machine a name; on this machine use localhost")
    return text


def _route(text: str, repaired: Repair) -> str:
    text = _unquoted(text, repaired)
    return text if text == "@" else _host(text, repaired, "route")


def _list(text: str, repaired: Repair) -> list[str]:
    text = text.strip()
    if text.startswith("["):
        try:
            items = json.loads(text)
        except ValueError:
            items = None
        if isinstance(items, list) and all(isinstance(item, str | int | float) for item in items):
            return [str(item) for item in items]
    return [item for part in text.split(",") if (item := part.strip())]


def _json(text: str, repaired: Repair) -> str:
    try:
        json.loads(text)
    except ValueError as error:
        raise InvalidError(f"it is no JSON: {error}", "write it in single quotes, so that inner quotes stay") from None
    return text


def _path(text: str, repaired: Repair) -> str:
    return text


def _image(text: str, repaired: Repair) -> str:
    text = _unquoted(text, repaired)
    if not _IMAGE.match(text):
        raise InvalidError(f"{text!r} is no image reference", "write it like registry.example.com/team/app:1.2")
    return text


def _email(text: str, repaired: Repair) -> str:
    text = _unquoted(text, repaired)
    named = _NAMED_EMAIL.match(text)
    if not _EMAIL.match(named[1].strip() if named else text):
        raise InvalidError(f"{text!r} is no e-mail address")
    return text


def _rate(text: str, repaired: Repair) -> str:
    text = _unquoted(text, repaired)
    match = _RATE.match(text)
    if not match or int(match[1]) == 0:
        raise InvalidError(f"{text!r} is no rate", "write it like 10r/s or 100r/m")
    canonical = f"{int(match[1])}r/{match[2][0].lower()}"
    if canonical != text:
        repaired(f"is read as {canonical}")
    return canonical


_COERCE: dict[str, Callable[[str, Repair], Any]] = {
    "string": _string,
    "bool": _bool,
    "int": _int,
    "float": _float,
    "port": _port,
    "size": _size,
    "duration": _duration,
    "url": _url,
    "domain": _domain,
    "route": _route,
    "list": _list,
    "json": _json,
    "path": _path,
    "image": _image,
    "email": _email,
    "rate": _rate,
}
