"""Full-text search."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from hookspecs import hookimpl

if TYPE_CHECKING:
    from hookspecs import Project, Route, Service


@hookimpl
def contribute_services(project: Project) -> Iterable[Service | Route]:
    from .service import contributions

    return contributions(project)
