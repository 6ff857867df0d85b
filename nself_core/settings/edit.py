"""Changing one assignment of a ``.env`` file: comments, order and everything else stay as they are."""

from __future__ import annotations

import io
import re
from pathlib import Path

from hookspecs.errors import UserError

_PLAIN = re.compile(r"[A-Za-z0-9_./:@%+,=~-]+\Z")
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t", "\a": "\\a", "\b": "\\b", "\f": "\\f", "\v": "\\v"}
_COMMENT = re.compile(r"[^\S\r\n]+#[^\r\n]*")


def quote(value: str, *, refer: bool = False) -> str:
    """A value in ``.env`` form that reads back the same; with ``refer`` the ``${}`` in it is left to be replaced."""
    if "\0" in value:
        raise UserError("a value cannot hold a NUL byte", remedy="leave it out", exit_code=2)
    if _PLAIN.match(value):
        return value
    if refer or ("${" not in value and re.search(r"['\\\x00-\x1f\x7f]", value)):
        return '"' + "".join(_ESCAPES.get(c, c) for c in value) + '"'
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def assign(text: str, name: str, value: str, *, refer: bool = False, spellings: frozenset[str] = frozenset()) -> str:
    """``text`` with ``name`` set: in place of its last assignment (of any of the ``spellings``), else at the end."""
    written = quote(value, refer=refer) if value else ""
    pieces = _pieces(text)
    wanted = {name, *spellings}
    places = [i for i, (_, key) in enumerate(pieces) if key in wanted]
    if places:
        for i in places:
            pieces[i] = (_replaced(pieces[i][0], name, written), name)
        return _checked("".join(piece for piece, _ in pieces), name, value)
    end = "\r\n" if "\r\n" in text else "\n"
    joined = "".join(piece for piece, _ in pieces)
    if joined and not joined.endswith(("\n", "\r")):
        joined += end
    return _checked(f"{joined}{name}={written}{end}", name, value)


def _checked(text: str, name: str, value: str) -> str:
    """``text``, once it is sure that the value reads back as given."""
    from nself_core.settings import dotenv

    line = dotenv.parse(text.encode(), "").last(name)
    if line is None or line.value != value:
        raise UserError(f"this value of {name} cannot be written into a .env file", remedy="leave out its line ends (CR)")
    return text


def remove(text: str, names: frozenset[str]) -> str:
    """``text`` without the assignments of these names; comments stay."""
    return "".join(_lead(piece) if key in names else piece for piece, key in _pieces(text))


def text_of(path: Path) -> str | None:
    """The text of a file as it stands, line ends too; ``None`` where there is none. ``UserError`` where it is no clean file."""
    from nself_core.settings import dotenv

    label = str(path)
    parsed = dotenv.read(path, label)
    if parsed is None:
        return None
    faults = [p for p in parsed.problems if p.level == "error"]
    if faults:
        first = faults[0]
        raise UserError(
            f"cannot be changed: {first.message}",
            where=first.where,
            remedy=first.remedy,
            code=first.code,
            findings=[p.finding() for p in faults[1:]],
        )
    return parsed.digest_input.decode("utf-8")


def write(path: Path, text: str, *, mode: int | None = None) -> None:
    """Write a file whole or not at all. ``mode`` ``None`` keeps the file's own, 0644 for a new one."""
    from nself_core.render.atomic import write_atomically

    try:
        if mode is None:
            mode = path.stat().st_mode & 0o777 if path.exists() else 0o644
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path.resolve() if path.is_symlink() else path, text.encode(), mode)
    except OSError as error:
        reason = error.strerror or str(error)
        raise UserError(f"cannot be written: {reason}", where=str(path), remedy="mend its permissions, or make room") from error


def _pieces(text: str) -> list[tuple[str, str | None]]:
    """The text cut into bindings, each with the name it assigns."""
    from dotenv.parser import parse_stream

    mark = "\ufeff" if text.startswith("\ufeff") else ""
    found: list[tuple[str, str | None]] = [(mark, None)] if mark else []
    for binding in parse_stream(io.StringIO(text.removeprefix("\ufeff"), newline="")):
        found.append((binding.original.string, None if binding.error else binding.key))
    return found


def _lead(piece: str) -> str:
    return piece[: len(piece) - len(piece.lstrip())]


def _replaced(piece: str, name: str, written: str) -> str:
    """A binding with another value: white space before, ``export``, the comment behind and the line's end stay."""
    lead = _lead(piece)
    body = piece[len(lead) :]
    export = re.match(r"export[^\S\r\n]+", body)
    end = re.search(r"[^\S\r\n]*(\r\n|\n|\r)?\Z", body)
    line_end = (end[1] or "") if end else ""
    comment = _comment_of(body)
    return f"{lead}{export[0] if export else ''}{name}={written}{comment}{line_end}"


def _comment_of(body: str) -> str:
    head = re.match(r"(?:export[^\S\r\n]+)?(?:'[^']+'|[^=#\s]+)[^\S\r\n]*=?", body)
    rest = body[head.end() :] if head else body
    quoted = re.match(r"[^\S\r\n]*('(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\")", rest, re.DOTALL)
    found = _COMMENT.search(rest, quoted.end() if quoted else 0)
    return found[0].rstrip() if found else ""
