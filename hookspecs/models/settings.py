"""The merged, typed view of one environment's ``.env`` cascade, as plugins read it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

from hookspecs.models.base import Model
from hookspecs.models.values import Secret
from hookspecs.patterns import match_pattern


class Origin(Model):
    """Where a value came from: a file of the cascade with its line, ``environment``, ``default`` or ``generated``."""

    source: str
    line: int | None = None

    def __str__(self) -> str:
        return f"{self.source}:{self.line}" if self.line else self.source


class SettingValue(Model):
    """One setting: its canonical name, typed value, and origin. A secret's ``value`` is ``None``: use ``Secret``."""

    name: str
    value: Any
    origin: Origin
    secret: bool = False
    provided: bool = False
    """Whether the user gave it (a file or the process environment), not a default or a generated secret."""
    owner: str = ""
    """The plugin that declares it."""


class Settings(Model):
    """Typed settings by canonical name.

    Every declared setting with a default or a value is present; ``settings["X"]`` raises ``KeyError`` for an
    undeclared name (a plugin must declare what it reads) and gives ``None`` for one that is unset.
    Types: str, int, bool, float, list[str] (``list``), int bytes (``size``), int seconds (``duration``).
    """

    entries: Mapping[str, SettingValue]
    declared: frozenset[str] = frozenset()

    def __getitem__(self, name: str) -> Any:
        entry = self.entries.get(name)
        if entry is not None:
            if entry.secret:
                raise KeyError(f"{name} is a secret: use settings.secret({name!r})")
            return entry.value
        if name in self.declared or self._is_numbered(name):
            return None
        raise KeyError(f"{name} is not declared: add it to `settings` or `uses` of the plugin's plugin.json")

    def get(self, name: str, default: Any = None) -> Any:
        """The typed value, or ``default`` where it is unset or not declared."""
        entry = self.entries.get(name)
        return default if entry is None or entry.value is None else entry.value

    def secret(self, name: str) -> Secret | None:
        """A reference to a secret setting, or ``None`` where it has no value."""
        entry = self.entries.get(name)
        return Secret(name=name) if entry is not None else None

    def is_provided(self, name: str) -> bool:
        """Whether the user gave this setting a value."""
        entry = self.entries.get(name)
        return entry is not None and entry.provided

    def origin(self, name: str) -> Origin | None:
        """Where the value came from, ``None`` where there is none."""
        entry = self.entries.get(name)
        return entry.origin if entry is not None else None

    def because(self, name: str) -> Origin | None:
        """The origin as provenance of a field that the setting decided: ``CACHE_VERSION (.env.dev:12)``."""
        origin = self.origin(name)
        return Origin(source=f"{name} ({origin})") if origin is not None else None

    def matching(self, pattern: str) -> Iterator[tuple[tuple[str, ...], SettingValue]]:
        """Every setting whose name fits a declared pattern such as ``CS_{N}_ROUTE``, with what the braces matched.

        ``{N}`` is a number from 1, any other brace a run of capitals, digits and underscores. Sorted by number, then name.
        """
        start = pattern.partition("{")[0]
        near = ((name, entry) for name, entry in self.entries.items() if name.startswith(start))
        found = [(match.groups(), entry) for name, entry in near if (match := match_pattern(pattern, name))]
        return iter(sorted(found, key=lambda item: [(int(g), "") if g.isdigit() else (0, g) for g in item[0]]))

    def slots(self, pattern: str) -> list[int]:
        """The numbers in use of a pattern with one ``{N}``, ascending: ``slots("CS_{N}")`` is ``[1, 2, 4]``."""
        return [int(groups[0]) for groups, _ in self.matching(pattern)]

    def _is_numbered(self, name: str) -> bool:
        return any(match_pattern(pattern, name) for pattern in self._patterns)

    @cached_property
    def _patterns(self) -> tuple[str, ...]:
        return tuple(declared for declared in self.declared if "{" in declared)
