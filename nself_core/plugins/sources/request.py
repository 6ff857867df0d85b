"""What the user writes after ``nself plugin install``: a name, a wheel, a folder, or ``pypi:`` and a distribution."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal, NamedTuple

from hookspecs.errors import UserError
from nself_core.plugins.manifest import is_name

_NAMED = re.compile(r"(?:(?P<publisher>[a-z0-9.-]+)/)?(?P<name>[a-z0-9-]+)(?P<range>(?:\s*(?:[<>=!~]=|[<>]).*)?)\Z")
_PYPI = re.compile(r"(?P<name>nself[-_.]plugin[-_.][A-Za-z0-9._-]+?)(?P<range>(?:\s*(?:[<>=!~]=|[<>]).*)?)\Z")


class Request(NamedTuple):
    """One thing to install. ``range`` is a version range (PEP 440), empty for any."""

    kind: Literal["name", "wheel", "folder", "pypi"]
    text: str
    name: str = ""
    publisher: str = ""
    range: str = ""


def parse(text: str) -> Request:
    """Understand one argument; ``UserError`` says what the forms are."""
    if text.startswith("pypi:"):
        found = _PYPI.match(text.removeprefix("pypi:"))
        if found is None:
            raise UserError(f"{text!r} names no plugin", remedy="write pypi:nself-plugin-NAME", exit_code=2)
        return Request("pypi", text, found["name"], "", _range(found["range"], text))
    place = Path(text).expanduser()
    if text.endswith(".whl"):
        if not place.is_file():
            raise UserError("there is no such wheel", where=text, exit_code=2)
        return Request("wheel", str(place.absolute()))
    if "/" in text and (text.startswith((".", "/", "~")) or place.is_dir()):
        if not place.is_dir():
            raise UserError("there is no such folder", where=text, exit_code=2)
        return Request("folder", str(place.absolute()))
    found = _NAMED.match(text)
    if found is None or not is_name(found["name"]):
        remedy = "write NAME, NAME==1.2.3, PUBLISHER/NAME, ./folder, file.whl or pypi:nself-plugin-NAME"
        raise UserError(f"{text!r} names no plugin", remedy=remedy, exit_code=2)
    return Request("name", text, found["name"], found["publisher"] or "", _range(found["range"], text))


def requirement(text: str) -> Request:
    """One entry of ``depends_on``: ``jobs``, ``acme/jobs`` or ``notify>=1.2,<2``; ``ValueError`` where it is none."""
    found = _NAMED.match(text)
    if found is None or not is_name(found["name"]):
        raise ValueError(f"{text!r} names no plugin")
    try:
        return Request("name", text, found["name"], found["publisher"] or "", _range(found["range"], text))
    except UserError as error:
        raise ValueError(error.message) from None


def _range(text: str, whole: str) -> str:
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        return str(SpecifierSet(text.strip()))
    except InvalidSpecifier:
        raise UserError(f"{whole!r} has no valid version range", remedy="write it like >=1.2,<2", exit_code=2) from None
