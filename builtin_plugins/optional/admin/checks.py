"""What a person should know before the web admin runs."""

from __future__ import annotations

from collections.abc import Iterator

from hookspecs import Finding, Level, Project, Stack

from .service import NAME


def findings(project: Project, stack: Stack) -> Iterator[Finding]:
    """That it is given the Docker socket; that prod leaves it out."""
    settings = project.settings
    if not settings["NSELF_ADMIN_ENABLED"]:
        return
    where = str(settings.origin("NSELF_ADMIN_ENABLED") or "")
    if project.environment.is_prod:
        yield Finding(
            level=Level.WARNING,
            message=f"the web admin does not run in {project.environment.name}: it would be given the Docker socket",
            where=where,
            variable="NSELF_ADMIN_ENABLED",
            remedy="set NSELF_ADMIN_ENABLED=false",
            code="dev-in-prod",
        )
    elif stack.find(NAME) is not None and stack.why_unavailable(NAME) is None:
        yield Finding(
            level=Level.WARNING,
            message="the web admin is given the Docker socket and this project's folder: whoever gets into it is root here",
            where=where,
            variable="NSELF_ADMIN_ENABLED",
            remedy="set NSELF_ADMIN_ENABLED=false unless you need it",
            code="docker-socket",
        )
