"""Variables that nobody declares: the nearest name, or the plugin that would read them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from nself_core.settings.coerce import FALSE
from nself_core.settings.declared import Declarations
from nself_core.settings.fold import GENERIC, Entry
from nself_core.settings.problems import Problem

_CLOSE = 0.8
"""How alike two names must be to suggest one for the other (difflib's ratio)."""


def problem(entry: Entry, text: str, declarations: Declarations) -> Problem:
    """What to say of an unknown variable."""
    name = entry.spelling
    command = declarations.owner_elsewhere(name, prefixes=False)
    near = None if command else nearest(name, declarations)
    if not command and near is None:
        command = declarations.owner_elsewhere(name)
    if command:
        off = text.strip().lower() in FALSE and name.endswith("_ENABLED")
        plugin = command.split()[-1]
        message = f"{name} belongs to the plugin {plugin}, which is not {'enabled' if ' allow ' in command else 'installed'}"
        return Problem("note" if off else "warning", message, entry.where, name, command, "setting-of-plugin")
    remedy = f"did you mean {near}?" if near else "delete it, or refer to it with ${} where it is needed"
    return Problem("warning", f"{name} is not known", entry.where, name, remedy, "setting-unknown")


def nearest(name: str, declarations: Declarations) -> str | None:
    """The declared name most like one, numbers in it kept: ``CS_1_RUOTE`` gives ``CS_1_ROUTE``."""
    numbers = [part for part in name.split("_") if part.isdigit()]
    candidates = list(declarations.names())
    if numbers:
        number = numbers[0].lstrip("0") or "1"  # slots count from 1, without leading zeros
        candidates += [pattern.replace("{N}", number) for pattern in declarations.patterns() if "{N}" in pattern]
        renumbered = name.replace(numbers[0], number, 1)
        if renumbered in candidates:
            return renumbered
    found = get_close_matches(name, candidates, n=1, cutoff=_CLOSE)
    return found[0] if found else None


def generic_problems(generic: Mapping[str, Any], services: Iterable[str], declarations: Declarations) -> list[Problem]:
    """Settings for any service whose service there is none of. ``services`` are names as the Stack has them."""
    known = {service.upper().replace("-", "_"): service for service in services}
    found = []
    for name, typed in sorted(generic.items()):
        end = next(end for end in sorted(GENERIC, key=len, reverse=True) if name.endswith(end))
        service = name[: -len(end)]
        if service in known or service.removeprefix("PLUGIN_") in known:
            continue
        where = f"{typed.source}:{typed.line}" if typed.line else typed.source
        if declarations.meanings(f"{service}_ENABLED"):
            message = f"{name} is read by nothing: the service is off"
            found.append(Problem("note", message, where, name, f"turn it on with {service}_ENABLED=true", "setting-off"))
            continue
        near = get_close_matches(service, known, n=1, cutoff=0.6)
        near = near or get_close_matches(name, declarations.names(), n=1, cutoff=_CLOSE)
        command = declarations.owner_elsewhere(name)
        if not near and command:
            message = f"{name} belongs to the plugin {command.split()[-1]}, which is not installed"
            found.append(Problem("warning", message, where, name, command, "setting-of-plugin"))
            continue
        suggestion = near[0] + end if near and near[0] in known else near[0] if near else ""
        remedy = f"did you mean {suggestion}?" if suggestion else f"services: {', '.join(sorted(known.values()))}"
        found.append(Problem("warning", f"{name} fits no service", where, name, remedy, "setting-unknown-service"))
    return found
