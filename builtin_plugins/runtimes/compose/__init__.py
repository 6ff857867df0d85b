"""The Compose runtime: the stack as containers of a Docker Engine, through Docker Compose v2 or v1."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from hookspecs import hookimpl

if TYPE_CHECKING:
    from hookspecs import File, Offer, Project, Stack

#: Before the local processes, which serve where no engine answers.
PRIORITY = 20


@hookimpl
def provide_runtime(project: Project | None) -> Offer:
    from builtin_plugins.runtimes.compose.offer import offer

    return offer(PRIORITY)


@hookimpl
def render_config(project: Project, stack: Stack) -> Iterable[File]:
    if project.runtime == "compose":
        from builtin_plugins.runtimes.compose.files import files

        yield from files(project, stack)
