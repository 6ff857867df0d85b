"""``nself config explain``: which source won for a variable, what it overrode, and who reads it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nself_core.settings.check import looks_secret
from nself_core.settings.strength import TO_BE_MADE

if TYPE_CHECKING:
    from nself_core.settings.declared import Declared
    from nself_core.settings.fold import Entry
    from nself_core.settings.loading import LoadedSettings

MASK = "********"

_BARE = re.compile(r"(\$\{[A-Za-z_][A-Za-z0-9_]*\})+\Z")


@dataclass(frozen=True, slots=True)
class Source:
    """What one place says. ``state``: ``wins``, ``overridden``, or why it does not count."""

    where: str
    spelling: str
    value: str
    state: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything there is to say of a variable. Values of secrets are masked."""

    name: str
    asked: str
    value: str | None
    where: str
    secret: bool
    owner: str
    type: str
    help: str
    default: str | None
    unused: str
    sources: tuple[Source, ...]
    """Highest first."""
    uses: tuple[str, ...]
    """Names that the winning value refers to."""


def mask(value: str, secret: bool) -> str:
    """A value as it may be shown."""
    if not secret or value in {"", TO_BE_MADE}:
        return value
    return MASK


def raw_shown(entry: Entry, secret: bool) -> str:
    """What a source says of a setting, as it may be shown: of a secret, only a bare ``${NAME}`` is no secret itself."""
    bare = not entry.literal and not entry.expanded and _BARE.match(entry.raw)
    return entry.raw if bare else mask(entry.raw, secret)


def explain(loaded: LoadedSettings, asked: str) -> Explanation:
    """Explain a variable by any of its spellings; ``sources`` is empty where nobody sets it."""
    meanings = loaded.declarations.meanings(asked)
    name = meanings[0].name if meanings else asked
    declared = meanings[0].declared if meanings else None
    secret = declared.secret if declared else looks_secret(name)
    winner = loaded.merged.winners.get(name)
    sources = []
    for candidate in reversed(loaded.merged.candidates.get(name, [])):
        entry = candidate.entry
        state = "wins" if entry is winner else candidate.ignored or "overridden"
        sources.append(Source(entry.where, entry.spelling, raw_shown(entry, secret), state))
    typed = loaded.checked.values.get(name) or loaded.checked.generic.get(name)
    text = loaded.merged.values.get(name)
    if text is None and name in loaded.checked.secrets:
        text = loaded.checked.secrets[name]
    if text is None and typed is not None and typed.value is not None:
        text = shown(typed.value)
    where = winner.where if winner else typed.source if typed else ""
    return Explanation(
        name=name,
        asked=asked,
        value=None if text is None else mask(text, secret),
        where=where,
        secret=secret,
        owner=declared.owner if declared else "",
        type=declared.type if declared else "",
        help=declared.help if declared else "",
        default=_default(declared, loaded),
        unused=declared.unused or declared.refused if declared else "",
        sources=tuple(sources),
        uses=tuple(sorted(loaded.merged.tainted.get(name, ()))),
    )


def shown(value: object) -> str:
    """A typed value in ``.env`` form."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ",".join(str(item) for item in value)
    return str(value)


def _default(declared: Declared | None, loaded: LoadedSettings) -> str | None:
    return declared.default_for(loaded.in_force.cls) if declared else None


@dataclass(frozen=True, slots=True)
class Row:
    """One line of ``nself config list``."""

    name: str
    value: str
    where: str
    owner: str
    secret: bool
    default: bool


def rows(loaded: LoadedSettings, *, everything: bool = False, show: bool = False) -> list[Row]:
    """The settings of an environment in order of name; without ``everything`` those that some source gives."""
    found = []
    names = {*loaded.merged.winners, *(loaded.checked.values if everything else ()), *loaded.to_be_made}
    for name in sorted(names):
        one = explain(loaded, name)
        winner = loaded.merged.winners.get(name)
        value = one.value if one.value is not None else raw_shown(winner, one.secret) if winner else ""
        if one.secret and show:
            value = loaded.secrets.get(name, value)
        found.append(Row(name, value, one.where, one.owner, one.secret, winner is None))
    return found
