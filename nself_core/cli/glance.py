"""``nself status`` at a glance: from what the last look remembered and one question to what runs, with nothing else imported.

The long way (``commands/status.py``) writes down in ``.nself/glance.json`` which services there are, what decides that (files, by
time and size) and which function of the runtime's plugin can tell their states quickly. Where any of it changed, where something
needs explaining, and for every option, the long way is taken; both print the same.
"""

from __future__ import annotations

import json
import os
import sys

from nself_core import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

FILE = "glance.json"
COLUMNS = ("service", "category", "state", "health", "up", "ports")
#: Process variables that choose another project, environment, runtime or look.
_OTHERS = ("NSELF_ENV", "NSELF_RUNTIME", "NSELF_DEBUG", "NSELF_TRACE_HOOKS", "FORCE_COLOR")
_COLOURS = {"running": "32", "completed": "32", "healthy": "32", "starting": "33", "stopped": "31"}


def glance(arguments: Sequence[str]) -> int | None:
    """Print the states and return the exit code; ``None`` where the long way must be taken."""
    if arguments or any(os.environ.get(name) for name in _OTHERS):
        return None
    root = _root()
    known = _known(root) if root else None
    if known is None:
        return None
    module, _, function = known["look"].partition(":")
    __import__(module)
    present = {name: told for name, told in known["services"] if not told.get("unavailable")}
    found = getattr(sys.modules[module], function)(known["project"], present)
    if found is None:
        return None
    rows: dict[str, list[tuple[str, ...]]] = {}
    for row in found:
        rows.setdefault(row[0].partition(" #")[0], []).append(row)
    absent = ("unavailable", "-", "-", "-")
    _print(known, [row for name, told in known["services"] for row in rows.get(name, [(name, told["category"], *absent)])])
    return 0


def _root() -> str | None:
    """The project that the working folder lies in: as ``paths.find_root``."""
    folder = os.getcwd()
    while True:
        if any(os.path.exists(f"{folder}/{name}") for name in (".env", ".env.dev", ".environments")):
            return folder
        above = os.path.dirname(folder)
        if above == folder:
            return None
        folder = above


def _known(root: str) -> dict[str, Any] | None:
    try:
        with open(f"{root}/.nself/{FILE}", encoding="utf-8") as file:
            known: dict[str, Any] = json.load(file)
        if known["version"] != __version__ or known["root"] != root:
            return None
        unchanged = all(signature(path) == seen for path, seen in known["inputs"].items())
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return known if unchanged else None


def signature(path: str) -> list[int] | None:
    """Modification time in nanoseconds, size and mode; ``None`` where there is nothing."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return [found.st_mtime_ns, found.st_size, found.st_mode]


def _print(known: dict[str, Any], rows: list[tuple[str, ...]]) -> None:
    colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
    lines = [f"{known['project']} ({known['environment']}) on the {known['runtime']} runtime"]
    table = [tuple(column.upper() for column in COLUMNS), *rows]
    widths = [max(len(row[index]) for row in table) for index in range(len(COLUMNS))]
    for row in table:
        cells = [text.ljust(width) for text, width in zip(row, widths, strict=True)]
        if colour and row is not table[0]:
            for index in (2, 3):
                code = _COLOURS.get(row[index])
                cells[index] = f"\x1b[{code}m{row[index]}\x1b[0m{cells[index][len(row[index]) :]}" if code else cells[index]
        lines.append("  ".join(cells).rstrip())
    gone = {name: told["unavailable"] for name, told in known["services"] if told.get("unavailable")}
    lines += [f"{name} cannot run on the {known['runtime']} runtime: {why}" for name, why in gone.items()]
    lines += [f"plugin {name} is unsigned; it runs because you allowed it" for name in known["allowed"]]
    states = [row[2] for row in rows]
    running = sum(state in {"running", "starting"} for state in states)
    counts = {
        "total": len(rows), "running": running, "healthy": sum(row[3] == "healthy" for row in rows),
        "stopped": states.count("stopped"), "completed": states.count("completed"), "unavailable": len(gone),
    }  # fmt: skip
    lines.append(", ".join(f"{number} {word}" for word, number in counts.items() if number or word == "running"))
    sys.stdout.write("\n".join(lines) + "\n")
