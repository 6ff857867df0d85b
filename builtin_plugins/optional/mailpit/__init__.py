"""Mailpit catches all mail in development; the native runtime runs a catcher of our own with the same API."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from hookspecs import hookimpl

if TYPE_CHECKING:
    from hookspecs import Finding, Project, Route, Service, Stack


@hookimpl
def contribute_services(project: Project) -> Iterable[Service | Route]:
    if not project.settings["MAILPIT_ENABLED"] or project.environment.is_prod:
        return ()
    from builtin_plugins.optional.mailpit.service import contribution

    return contribution(project)


@hookimpl
def pre_deploy(project: Project, target: str, stack: Stack) -> Iterable[Finding]:
    if not project.settings["MAILPIT_ENABLED"] or not project.environment.is_prod:
        return ()
    from hookspecs import Finding, Level

    origin = project.settings.origin("MAILPIT_ENABLED")
    return (
        Finding(
            level=Level.WARNING,
            message="Mailpit is left out in prod: it would swallow all mail",
            where=str(origin or ""),
            variable="MAILPIT_ENABLED",
            remedy=f"set MAILPIT_ENABLED=false for {project.environment.name} and name a mail server for what sends mail",
            code="mailpit-prod",
        ),
    )
