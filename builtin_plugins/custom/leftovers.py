"""Companion variables that nothing reads: the slot is not there, or the environment they name is not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hookspecs.models.findings import Finding
    from hookspecs.models.project import Project

_COMPANION = re.compile(r"CS_([1-9][0-9]*)_([A-Z0-9_]+)\Z")
_USUAL = {"dev", "development", "staging", "prod", "production"}


def leftovers(project: Project) -> Iterator[Finding]:
    """One warning for each such variable that the user gave."""
    slots = set(project.settings.slots("CS_{N}"))
    known = _environments(project)
    for name, entry in sorted(project.settings.entries.items()):
        match = _COMPANION.match(name)
        if match is None or not entry.provided:
            continue
        number, suffix = int(match[1]), match[2]
        if number not in slots:
            yield _warning(name, str(entry.origin), f"there is no CS_{number}", f"set CS_{number}, or remove {name}")
        elif suffix.endswith("_ROUTE") and (named := suffix.removesuffix("_ROUTE").lower().replace("_", "-")) not in known:
            remedy = f"it is one of {', '.join(sorted(known))}"
            yield _warning(name, str(entry.origin), f"this project has no environment {named!r}", remedy)


def _environments(project: Project) -> set[str]:
    """The environments the project has: the usual ones, ``.environments/*``, ``.env.<name>`` and the one in force."""
    known = {*_USUAL, project.environment.name}
    folder = project.root / ".environments"
    known |= {p.name for p in folder.iterdir() if p.is_dir()} if folder.is_dir() else set()
    return known | {_suffix(p) for p in project.root.glob(".env.*")} - {"local", "secrets", "example"}


def _suffix(path: Path) -> str:
    return path.name.removeprefix(".env.")


def _warning(name: str, where: str, message: str, remedy: str) -> Finding:
    from hookspecs.models.findings import Finding, Level

    message = f"{name} has no effect: {message}"
    return Finding(level=Level.WARNING, message=message, where=where, variable=name, remedy=remedy, code="custom-leftover")
