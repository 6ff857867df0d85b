"""How an installation talks to the person at the terminal: what will happen, what is asked for, how far it is."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from nself_core.cli.output import confirm, tell

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from nself_core.plugins.install.plan import Plan, Step


class Terminal:
    """See ``nself_core.plugins.install.transaction.Talk``."""

    def __init__(self, *, yes: bool) -> None:
        self._yes = yes
        self._progress: Progress | None = None
        self._tasks: dict[str, TaskID] = {}

    def agree(self, plan: Plan) -> bool:
        """Show each step; ask where a plugin wants to reach more than its own, or than it could before."""
        asked = False
        for step in plan.steps:
            tell(_line(step))
            for kind, what in step.permissions.items():
                asked = True
                tell(f"  {'may also reach' if step.before else 'may reach'} {kind}: {', '.join(what)}")
        if asked and not confirm("Go on?", yes=self._yes):
            return False
        if sys.stderr.isatty():
            self._show({step.release.name: step.release.length for step in plan.steps})
        return True

    def fetched(self, name: str, more: int) -> None:
        """Move the plugin's bar."""
        if self._progress is not None and name in self._tasks:
            self._progress.advance(self._tasks[name], more)

    def say(self, text: str) -> None:
        """A line."""
        tell(f"{text} …")

    @contextmanager
    def talking(self) -> Iterator[Terminal]:
        """The bars stand until the end of this."""
        try:
            yield self
        finally:
            if self._progress is not None:
                self._progress.stop()

    def _show(self, lengths: dict[str, int]) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

        columns: list[Any] = [TextColumn("{task.description}"), BarColumn(), DownloadColumn()]
        self._progress = Progress(*columns, console=Console(stderr=True), transient=True)
        self._tasks = {name: self._progress.add_task(name, total=length or None) for name, length in lengths.items()}
        self._progress.start()


def _line(step: Step) -> str:
    release = step.release
    where = f"linked to {release.file}" if release.registry == "folder" else f"from {release.registry}"
    if step.before is not None and step.kind in {"update", "downgrade"}:
        return f"{step.kind} {release.full_name} {step.before.version} → {release.version} {where}"
    needed = "" if step.asked else ", which another plugin needs"
    return f"{step.kind} {release.full_name} {release.version} {where}{needed}"
