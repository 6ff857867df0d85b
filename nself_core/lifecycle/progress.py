"""Visible progress: a live table on a terminal, one line for each change elsewhere. All on standard error."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from nself_core.cli.output import colour_wanted, tell

if TYPE_CHECKING:
    from hookspecs.models.runtime import Progress

_MARKS = {"healthy": "✓", "running": "✓", "completed": "✓", "stopped": "✓", "removed": "✓", "failed": "✗", "unhealthy": "✗"}
_COLOURS = {"✓": "green", "✗": "red", "…": "yellow"}


@contextmanager
def shown(title: str, *, quiet: bool = False) -> Iterator[Progress]:
    """A callback for ``(service, state, detail)``. Repeats of the same state are shown once."""
    if quiet:
        yield lambda service, state, detail: None
    elif sys.stderr.isatty() and colour_wanted(sys.stderr):
        with _live(title) as report:
            yield report
    else:
        tell(title)
        yield _lines()


def _lines() -> Progress:
    seen: dict[str, tuple[str, str]] = {}
    began = time.monotonic()

    def report(service: str, state: str, detail: str) -> None:
        if seen.get(service) != (state, detail):
            seen[service] = (state, detail)
            tell(f"  {time.monotonic() - began:5.1f}s  {service}: {state}{f' ({detail})' if detail else ''}")

    return report


@contextmanager
def _live(title: str) -> Iterator[Progress]:
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    states: dict[str, tuple[str, str, float]] = {}
    began = time.monotonic()

    def render() -> Any:
        text = Text(f"{title} {time.monotonic() - began:.0f}s\n", style="bold")
        width = max(map(len, states), default=0)
        for name, (state, detail, at) in states.items():
            mark = _MARKS.get(state, "…")
            text.append(f"  {mark} ", style=_COLOURS[mark])
            text.append(f"{name.ljust(width)}  {state}", style="")
            text.append(f"  {at - began:.1f}s" if mark != "…" else "", style="dim")
            text.append(f"  {detail}\n" if detail else "\n", style="dim")
        return text

    with Live(get_renderable=render, console=Console(stderr=True), refresh_per_second=8, transient=False):

        def report(service: str, state: str, detail: str) -> None:
            if states.get(service, ("", "", 0.0))[:2] != (state, detail):
                states[service] = (state, detail, time.monotonic())

        yield report
