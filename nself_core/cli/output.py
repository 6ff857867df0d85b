"""What commands print: text for people, JSON for programs, colours only on a terminal."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from hookspecs.models.findings import Finding

_COLOURS = {"error": "red", "warning": "yellow", "note": "cyan"}


def colour_wanted(stream: Any = None) -> bool:
    """Whether to colour: a terminal, and neither ``NO_COLOR`` nor ``TERM=dumb``."""
    stream = stream or sys.stdout
    return bool(stream.isatty()) and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"


def style(text: str, *, err: bool = False, **styles: Any) -> str:
    """``click.style`` where colour is wanted, the text itself elsewhere."""
    return click.style(text, **styles) if colour_wanted(sys.stderr if err else sys.stdout) else text


def say(text: str = "") -> None:
    """A line on standard output."""
    click.echo(text)


def tell(text: str = "") -> None:
    """A line for the person at the terminal, on standard error: progress, notes, hints."""
    click.echo(text, err=True)


def next_step(text: str) -> None:
    """What to do next, on standard error."""
    tell(style("next: ", err=True, bold=True) + text)


def print_json(data: Any) -> None:
    """One JSON document on standard output. Paths, dates and models are written as strings and objects."""
    click.echo(json.dumps(data, indent=2, ensure_ascii=False, default=_plain))


def _plain(value: Any) -> Any:
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    if isinstance(value, frozenset | set):
        return sorted(value)
    return str(value)


def print_table(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Columns under headers, as wide as their content."""
    body = [[str(cell) for cell in row] for row in rows]
    widths = [max([len(head), *(len(click.unstyle(row[i])) for row in body)]) for i, head in enumerate(headers)]
    click.echo("  ".join(style(head.upper().ljust(w), bold=True) for head, w in zip(headers, widths, strict=True)).rstrip())
    for row in body:
        padded = (cell + " " * (w - len(click.unstyle(cell))) for cell, w in zip(row, widths, strict=True))
        click.echo("  ".join(padded).rstrip())


def print_findings(findings: Iterable[Finding]) -> None:
    """Errors, warnings and notes on standard error, each with where and what to do."""
    for finding in findings:
        level = str(finding.level)
        where = f"{finding.where}: " if finding.where else ""
        tell(f"{style(level, err=True, fg=_COLOURS[level], bold=True)}: {where}{finding.message}")
        if finding.remedy:
            tell(f"  {style('→', err=True, dim=True)} {finding.remedy}")


def confirm(question: str, *, yes: bool, typed: str | None = None) -> bool:
    """Ask before something that cannot be taken back; ``typed`` asks for that very word. Without a terminal only ``yes`` does."""
    if yes:
        return True
    if not sys.stdin.isatty():
        tell(f"{question} Not asked, as this is no terminal; pass --yes to go on.")
        return False
    if typed is None:
        return click.confirm(question, err=True)
    return click.prompt(f"{question} Type {typed!r} to go on", default="", show_default=False, err=True) == typed
