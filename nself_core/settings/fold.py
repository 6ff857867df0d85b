"""From lines as written to settings by canonical name: other spellings are folded within each file, before files are merged.

So a higher file wins whatever the spelling, and two spellings in one file that say different things are an error.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from typing import NamedTuple

from nself_core.settings.declared import GENERIC_ENDS, Declarations, Meaning
from nself_core.settings.problems import Problem

#: Ends of names that mean the same for every service, with the canonical end first.
GENERIC = {
    "_REPLICAS": "_REPLICAS",
    "_MEMORY_LIMIT": "_MEMORY_LIMIT",
    "_MEM_LIMIT": "_MEMORY_LIMIT",
    "_MEMORY": "_MEMORY_LIMIT",
    "_CPU_LIMIT": "_CPU_LIMIT",
    "_CPU": "_CPU_LIMIT",
    "_IMAGE": "_IMAGE",
}
_GENERIC = re.compile(rf"([A-Z][A-Z0-9_]*?)({'|'.join(GENERIC_ENDS)})\Z")


class Entry(NamedTuple):
    """One setting as one source gives it. ``raw`` is before ``${}`` is replaced; ``spelling`` is the name as written."""

    name: str
    spelling: str
    raw: str
    source: str
    line: int | None = None
    literal: bool = False
    expanded: bool = False
    """Whether ``${}`` was replaced already (fields of a JSON value)."""

    @property
    def where(self) -> str:
        return f"{self.source}:{self.line}" if self.line else self.source


class Folded(NamedTuple):
    """What one source gives, by canonical name, and what was found on the way."""

    entries: dict[str, Entry]
    problems: list[Problem]


#: Name, value, line, literal.
Assignment = tuple[str, str, int | None, bool]


def fold(
    assignments: Iterable[Assignment],
    source: str,
    declarations: Declarations,
    *,
    expand: Callable[[str], str | None],
    same: Callable[[str, str, str], bool],
) -> Folded:
    """Fold the assignments of one source.

    ``expand`` replaces ``${}`` where a JSON value must be read first (``None`` where it cannot yet);
    ``same(name, a, b)`` tells whether two raw values mean the same for a setting's type.
    """
    folded = Folded({}, [])
    written: dict[tuple[str, str], Entry] = {}
    for name, value, line, literal in assignments:
        entry = Entry(name, name, value, source, line, literal)
        for one in _meanings(entry, declarations, expand, folded.problems):
            before = written.get((one.name, one.spelling))
            if before is not None and not same(one.name, before.raw, one.raw):
                folded.problems.append(_twice(before, one))
            written[one.name, one.spelling] = one  # a later line of the same spelling wins
    for (name, _), entry in written.items():
        first = folded.entries.get(name)
        if first is None:
            folded.entries[name] = entry
        elif same(name, first.raw, entry.raw):
            # keep the canonical spelling where both stand
            if entry.spelling == name:
                folded.entries[name] = entry
        elif not entry.raw or not first.raw:
            folded.entries[name] = entry if entry.raw else first
        else:
            folded.problems.append(_conflict(name, first, entry))
            if entry.spelling == name:
                folded.entries[name] = entry
    return folded


def _meanings(
    entry: Entry, declarations: Declarations, expand: Callable[[str], str | None], problems: list[Problem]
) -> list[Entry]:
    meanings = declarations.meanings(entry.spelling)
    if not meanings:
        generic = generic_name(entry.spelling)
        if generic and generic != entry.spelling:
            known = declarations.meanings(generic)
            name = known[0].name if known else generic
            problems.append(_prefer(entry, name))
            return [_as(entry, name, entry.raw)]
        return [entry]
    found: list[Entry] = []
    preferred = False
    for meaning in meanings:
        spelling = meaning.spelling
        if spelling is None:
            found.append(_as(entry, meaning.name, entry.raw))
        elif spelling.json_fields:
            found += _json_fields(entry, meaning, expand, problems)
            preferred = True
        elif spelling.values:
            value = spelling.values.get(entry.raw.strip().lower(), spelling.values.get(entry.raw.strip()))
            if value is not None:
                found.append(_as(entry, meaning.name, value))
            preferred = preferred or spelling.preferred
        else:
            found.append(_as(entry, meaning.name, entry.raw))
            if not spelling.preferred and not preferred:
                problems.append(_prefer(entry, meaning.name))
    return found


def _as(entry: Entry, name: str, raw: str) -> Entry:
    return Entry(name, entry.spelling, raw, entry.source, entry.line, entry.literal, entry.expanded)


def _json_fields(entry: Entry, meaning: Meaning, expand: Callable[[str], str | None], problems: list[Problem]) -> list[Entry]:
    assert meaning.spelling is not None  # noqa: S101  only called for one
    text, expanded = entry.raw, False
    if not text.strip():
        return []
    data = _object(text)
    if data is None and not entry.literal and "${" in text:
        whole = expand(text)
        if whole is None:  # an unset name: told where the line is expanded
            return [_as(entry, meaning.name, text)]
        data, expanded = _object(whole), True
    if data is None:
        message = f"{entry.spelling} is no JSON object"
        fields = ", ".join(f'"{field}": "…"' for field in meaning.spelling.json_fields)
        remedy = f"write {entry.spelling}='{{{fields}}}' in single quotes, or set {meaning.name}"
        if _single_backslash(text):
            message += ": a backslash in it stands alone"
            remedy = f"write each backslash twice, the whole in single quotes, or set {meaning.name}"
        problems.append(Problem("error", message, entry.where, entry.spelling, remedy, "setting-json"))
        return []
    found = []
    for field, name in meaning.spelling.json_fields.items():
        value = data.get(field)
        if value is None:
            continue
        raw = value if isinstance(value, str) else json.dumps(value)
        found.append(Entry(name, entry.spelling, raw, entry.source, entry.line, entry.literal, expanded))
    unknown = sorted(set(data) - set(meaning.spelling.json_fields))
    if unknown:
        message = f"{entry.spelling}: {', '.join(unknown)} of the JSON {'is' if len(unknown) == 1 else 'are'} not read"
        problems.append(Problem("note", message, entry.where, entry.spelling, code="setting-json-field"))
    return found


def _object(text: str) -> dict[str, object] | None:
    try:
        data = json.loads(text)
    except ValueError:
        return None
    return data if isinstance(data, dict) else None


def _single_backslash(text: str) -> bool:
    """Whether a backslash stands alone where JSON wants two."""
    try:
        json.loads(text)
    except ValueError as error:
        return "escape" in str(error)
    return False


def generic_name(name: str) -> str | None:
    """The canonical form of a name that sets something for any service (``X_MEMORY`` is ``X_MEMORY_LIMIT``), else ``None``."""
    match = _GENERIC.match(name)
    return match[1] + GENERIC[match[2]] if match else None


def _prefer(entry: Entry, name: str) -> Problem:
    message = f"{entry.spelling} is read as {name}"
    return Problem("note", message, entry.where, entry.spelling, f"prefer the name {name}", "setting-alias")


def _conflict(name: str, first: Entry, second: Entry) -> Problem:
    message = f"{first.spelling} and {second.spelling} both set {name}, to different values"
    where = f"{first.where} and {second.line}" if second.line else first.where
    return Problem("error", message, where, name, f"keep {name} alone", "setting-conflict")


def _twice(first: Entry, second: Entry) -> Problem:
    message = f"{second.spelling} stands twice in this file (line {first.line} too), with different values; the later line counts"
    return Problem("warning", message, second.where, second.spelling, "delete one of them", "setting-twice")
