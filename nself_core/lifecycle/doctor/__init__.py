"""What ``nself doctor`` looks at. Each check yields what it found, with a way to mend it where there is one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hookspecs.models.findings import Finding


@dataclass(frozen=True)
class Diagnosis:
    """A finding, and what would mend it: ``mend`` does it, ``offer`` says what it does."""

    check: str
    finding: Finding
    offer: str = ""
    mend: Callable[[], None] | None = None


def diagnose(env: str | None) -> Iterator[Diagnosis]:
    """Run every check. A project that cannot be opened is itself a finding, and the machine is looked at all the same."""
    from hookspecs.errors import UserError
    from nself_core.lifecycle.doctor import machine, project
    from nself_core.workspace import Workspace

    try:
        workspace = Workspace.open(env)
        workspace.require_valid()
        workspace.stack(workspace.offers()[0].name)
    except UserError as error:
        yield from project.unopened(error)
        yield from machine.checks(None)
        return
    yield from machine.checks(workspace)
    yield from project.checks(workspace)
