"""Telling the outcome of a check of settings, for people and programs; shared by ``config validate`` and ``env validate``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from nself_core.cli import output

if TYPE_CHECKING:
    from nself_core.settings.problems import Problem
    from nself_core.workspace import Workspace


def tell_checked(workspace: Workspace, problems: Sequence[Problem], *, strict: bool, as_json: bool) -> None:
    """Print every fault of the settings and, where they have none, of the services they ask for.

    Ends with exit code 1 where there are errors (under ``strict``, warnings too).
    """
    from nself_core.settings.problems import Problem

    loaded = workspace.loaded
    more = workspace.stack_findings()
    problems = [*problems, *(Problem(f.level.value, f.message, f.where, f.variable, f.remedy, f.code) for f in more)]
    errors = sum(p.level == "error" or (strict and p.level == "warning") for p in problems)
    warnings = sum(p.level == "warning" for p in problems) if not strict else 0
    if as_json:
        found = [p.finding() for p in problems]
        name = loaded.in_force.name
        output.print_json({"environment": name, "valid": errors == 0, "errors": errors, "warnings": warnings, "findings": found})
    else:
        output.print_findings(p.finding() for p in problems)
        outcome = "not valid" if errors else "valid"
        output.say(f"{loaded.in_force.name} is {outcome}: {_count(errors, 'error')}, {_count(warnings, 'warning')}.")
    if errors:
        raise click.exceptions.Exit(1)


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
