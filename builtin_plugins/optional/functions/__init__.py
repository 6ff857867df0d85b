"""Serverless functions: a file of the ``functions`` folder is a route."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from hookspecs import hookimpl

if TYPE_CHECKING:
    from hookspecs import File, Finding, Project, Route, Service, Stack


@hookimpl
def contribute_services(project: Project) -> Iterable[Service | Route]:
    """The functions service and its route."""
    if not project.settings["FUNCTIONS_ENABLED"]:
        return ()
    from builtin_plugins.optional.functions.service import route, service

    return service(project), route(project)


@hookimpl
def render_config(project: Project, stack: Stack) -> Iterable[File]:
    """A sample function, where the folder has nothing yet."""
    if not project.settings["FUNCTIONS_ENABLED"] or stack.addressing != "names":
        return ()
    from builtin_plugins.optional.functions.folder import sample

    return sample(project)


@hookimpl
def pre_deploy(project: Project, target: str, stack: Stack) -> Iterable[Finding]:
    """The image ends at once without a lock file: say so before it does."""
    if not project.settings["FUNCTIONS_ENABLED"] or stack.addressing != "names":
        return ()
    from builtin_plugins.optional.functions.folder import check

    return check(project)
