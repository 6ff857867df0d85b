"""Reading one ``.env`` file with python-dotenv's parser: lines that know where they stand, and what is wrong with the file.

The dialect: ``NAME=value``, ``export NAME=value``, comments after white space, double quotes with escapes, single quotes
literal (nothing in them is replaced), values over several lines inside quotes. ``${NAME}`` is left for ``expand``.
"""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import NamedTuple

from nself_core.settings.problems import Problem

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_QUOTE = re.compile(r"\s*(?:export[^\S\r\n]+)?(?:'[^']+'|[^=#\s]+)[^\S\r\n]*=[^\S\r\n]*(['\"]?)")
_INNER = re.compile(r"^(?:export[^\S\r\n]+)?[A-Z][A-Z0-9_]{2,}=", re.MULTILINE)
_LARGEST = 1 << 20
"""Bytes. A settings file beyond this is something else."""


class Line(NamedTuple):
    """One assignment as written: ``value`` before ``${}`` is replaced; ``literal`` where single quotes forbid that."""

    name: str
    value: str
    line: int
    literal: bool = False


class DotenvFile(NamedTuple):
    """A parsed file. ``label`` is its path as messages show it, relative to the project."""

    label: str
    lines: tuple[Line, ...] = ()
    problems: tuple[Problem, ...] = ()
    digest_input: bytes = b""

    def last(self, name: str) -> Line | None:
        """The last assignment of a name: within one file the later line wins."""
        return next((line for line in reversed(self.lines) if line.name == name), None)


def read(path: Path, label: str) -> DotenvFile | None:
    """Parse a file; ``None`` where there is none. What is wrong is told in ``problems``, never raised."""
    try:
        if path.exists() and not (path.is_file() or path.is_dir()):  # a pipe or a device may never end
            return _broken(label, "this is a pipe or a device, not a file", "write its content into a file", "env-unreadable")
        data = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        if not path.is_symlink():
            return None
        remedy = "put the file there, or remove the link"
        return _broken(label, f"is a link to {path.readlink()}, which is not there", remedy, "env-unreadable")
    except IsADirectoryError:
        return _broken(label, "this is a folder, not a file", "move it away, or give the file another name", "env-unreadable")
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        return _broken(label, f"cannot be read: {reason}", f"chmod u+r {label}, or give it to your user", "env-unreadable")
    return parse(data, label)


def parse(data: bytes, label: str) -> DotenvFile:
    """Parse the bytes of a file."""
    if len(data) > _LARGEST:
        return _broken(label, "is larger than 1 MiB and surely no settings file", "move it away", "env-binary")
    if data[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        return _broken(label, "is UTF-16, not UTF-8", f"convert it: iconv -f UTF-16 -t UTF-8 {label}", "env-encoding")
    if b"\0" in data:
        line = data[: data.index(b"\0")].count(b"\n") + 1
        return _broken(label, "holds binary data, not text", "restore it from a copy", "env-binary", line)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        remedy = f"convert it: iconv -f ISO-8859-1 -t UTF-8 {label}"
        return _broken(label, "holds bytes that are not UTF-8 text", remedy, "env-encoding", line)
    problems = []
    if data.startswith(b"\xef\xbb\xbf"):
        problems.append(Problem("note", "a byte order mark stands at the start; it is ignored", f"{label}:1", code="env-bom"))
    crlf = 0 < data.count(b"\n") == data.count(b"\r\n")
    if b"\r\n" in data:
        line = data[: data.index(b"\r\n")].count(b"\n") + 1
        message = "lines end in CR LF (Windows); they are read as plain line ends"
        problems.append(Problem("note", message, f"{label}:{line}", code="env-crlf"))
    lines: list[Line] = []
    _parse_lines(text.replace("\r\n", "\n") if crlf else text, label, lines, problems)
    return DotenvFile(label, tuple(lines), tuple(problems), data)


def _parse_lines(text: str, label: str, lines: list[Line], problems: list[Problem]) -> None:
    from dotenv.parser import parse_stream

    for binding in parse_stream(io.StringIO(text, newline="")):
        original = binding.original.string
        lead = original[: len(original) - len(original.lstrip())]
        line = binding.original.line + len(re.findall(r"\r\n|\n|\r", lead))
        if binding.error:
            problems.append(_syntax(original.strip(), f"{label}:{line}"))
            continue
        if binding.key is None:
            continue
        if not _NAME.match(binding.key):
            message = f"{_shown(binding.key)} is no name of a variable"
            remedy = "use letters, digits and underscores, not starting with a digit"
            problems.append(Problem("error", message, f"{label}:{line}", remedy=remedy, code="env-syntax"))
            continue
        if binding.value is None:
            message = f"{binding.key} has no value"
            remedy = f"write {binding.key}=value, or put # before it"
            problems.append(Problem("error", message, f"{label}:{line}", binding.key, remedy, "env-syntax"))
            continue
        value = binding.value
        quote = _QUOTE.match(original)
        literal = quote is not None and quote[1] == "'"
        if "\n" in value and (inner := _INNER.search(value)):
            message = f"the quote opened here runs over another assignment ({inner[0]}…)"
            remedy = "close the quote at the end of its line if that is not meant"
            problems.append(Problem("warning", message, f"{label}:{line}", binding.key, remedy, "env-quote"))
        lines.append(Line(binding.key, value, line, literal))


def _syntax(original: str, where: str) -> Problem:
    name, equals, value = original.partition("=")
    name = name.removeprefix("export ").strip()
    shown = name if _NAME.match(name) else ""
    quote = value.strip()[:1]
    if equals and shown and quote in {"'", '"'}:
        closed = value.strip().count(quote) > 1
        message = f"text follows the closing {quote} of {shown}" if closed else f"the {quote} of {shown} is never closed"
        remedy = f"write {shown}={quote}…{quote} with nothing but a comment behind it"
        return Problem("error", message, where, shown, remedy, "env-quote")
    message = "this line is no assignment" if not equals else f"{_shown(name) or 'nothing'} before = is no name of a variable"
    return Problem("error", message, where, remedy="write NAME=value, or put # before it", code="env-syntax")


def _shown(text: str) -> str:
    """A name for a message: short, on one line, printable."""
    clean = "".join(c if c.isprintable() else "?" for c in text[:40])
    return f"{clean!r}" if clean else ""


def _broken(label: str, message: str, remedy: str, code: str, line: int | None = None) -> DotenvFile:
    where = f"{label}:{line}" if line else label
    return DotenvFile(label, (), (Problem("error", message, where, remedy=remedy, code=code),))
