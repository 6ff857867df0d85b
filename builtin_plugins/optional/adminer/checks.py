"""That production leaves the database browser out."""

from __future__ import annotations

from collections.abc import Iterator

from hookspecs import Finding, Level, Project, Stack


def findings(project: Project, stack: Stack) -> Iterator[Finding]:
    """A warning where it is asked for in prod."""
    if project.settings["ADMINER_ENABLED"] and project.environment.is_prod:
        yield Finding(
            level=Level.WARNING,
            message=f"the database browser is a development tool and does not run in {project.environment.name}",
            where=str(project.settings.origin("ADMINER_ENABLED") or ""),
            variable="ADMINER_ENABLED",
            remedy="set ADMINER_ENABLED=false",
            code="dev-in-prod",
        )
