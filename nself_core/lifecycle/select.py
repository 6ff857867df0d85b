"""Service names as people write them: aliases count, and a misspelt one is an error that suggests the near one."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING

from hookspecs.errors import UserError

if TYPE_CHECKING:
    from hookspecs.models.stack import Stack


def chosen(stack: Stack, names: Sequence[str]) -> list[str] | None:
    """The canonical names, without repeats; ``None`` where none was given, which means all."""
    if not names:
        return None
    return list(dict.fromkeys(one(stack, name) for name in names))


def one(stack: Stack, name: str) -> str:
    """The canonical name of a service."""
    service = stack.find(name) or stack.find(name.lower().replace("_", "-"))
    if service is None:
        known = sorted(s.name for s in stack.services)
        near = get_close_matches(name, known, n=1)
        raise UserError(
            f"there is no service {name!r} in this project",
            remedy=f"did you mean {near[0]}?" if near else f"it is one of {', '.join(known)}",
            code="service-unknown",
            exit_code=2,
        )
    return service.name


def runnable(stack: Stack, name: str) -> str:
    """The canonical name of a service that can run on this runtime."""
    found = one(stack, name)
    why = stack.why_unavailable(found)
    if why:
        raise UserError(f"{found} cannot run on the {stack.runtime} runtime: {why}", code="unavailable")
    return found
