"""Logs: kept and searched."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from hookspecs import hookimpl

if TYPE_CHECKING:
    from hookspecs import File, Project, Service, Stack


@hookimpl
def contribute_services(project: Project) -> Iterable[Service]:
    from .service import contributions

    return contributions(project)


@hookimpl
def render_config(project: Project, stack: Stack) -> Iterable[File]:
    from .config import files

    return files(project, stack)
