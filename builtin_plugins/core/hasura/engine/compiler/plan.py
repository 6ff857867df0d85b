"""What a compiled operation runs: statements with the getters of their parameters."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from .scope import Getter

MARK = re.compile("\x01(\\d+)\x01")


def numbered(sql: str) -> str:
    """Placeholders as PostgreSQL writes them; all parameters travel as text."""
    return MARK.sub(r"$\1::text", sql)


@dataclass(slots=True)
class Statement:
    """One SQL statement. `raw` keeps the internal placeholders, for multiplexing."""

    raw: str
    getters: list[Getter]
    sql: str = ""

    def __post_init__(self) -> None:
        used = sorted({int(number) for number in MARK.findall(self.raw)})
        if len(used) != len(self.getters):
            # A branch that turned out to be constant was dropped, and its parameters with it.
            places = {number: place + 1 for place, number in enumerate(used)}
            self.raw = MARK.sub(lambda match: f"\x01{places[int(match.group(1))]}\x01", self.raw)
            self.getters = [self.getters[number - 1] for number in used]
        self.sql = numbered(self.raw)

    def values(self, variables: dict[str, Any], session: dict[str, str]) -> list[Any]:
        """The parameters of one run."""
        return [getter(variables, session) for getter in self.getters]


@dataclass(slots=True)
class Step:
    """One mutation field: a statement giving its JSON and whether checks held, or a procedure, or a ready answer."""

    alias: str
    statement: Statement | None = None
    procedure: Callable[[Any, dict[str, Any], dict[str, str]], Awaitable[bytes]] | None = None
    constant: bytes | None = None
    error_path: str = "$"
    certain: bool = False
    """True when no check can fail, so that the statement may stand alone."""


@dataclass(slots=True)
class Part:
    """One answer key of a query: a column of the statement, or something answered outside SQL."""

    alias: str
    column: int | None = None
    outside: Any = None


@dataclass(slots=True)
class Plan:
    """A compiled operation."""

    kind: str
    name: str | None
    statement: Statement | None = None
    parts: list[Part] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    cacheable: bool = True
    simple: bytes | None = None
    stream: Any = None
    direct: bytes | None = None
    """For a mutation of one certain statement that needs no transaction around it: the start of the answer."""
    depth: int = 0
    nodes: int = 0
