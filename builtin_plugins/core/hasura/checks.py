"""What production refuses of the GraphQL API."""

from __future__ import annotations

from collections.abc import Iterator

from hookspecs import Finding, Level, Project


def console_wanted(project: Project) -> bool:
    """Whether the console is served: where it is asked for, and never in prod."""
    return bool(project.settings["HASURA_GRAPHQL_ENABLE_CONSOLE"]) and not project.environment.is_prod


def dev_mode_wanted(project: Project) -> bool:
    """Whether errors tell internals: where it is asked for, and never in prod."""
    return bool(project.settings["HASURA_GRAPHQL_DEV_MODE"]) and not project.environment.is_prod


def findings(project: Project) -> Iterator[Finding]:
    """A warning for each development switch that prod leaves off."""
    if not project.environment.is_prod or not project.settings["HASURA_ENABLED"]:
        return
    for name in ("HASURA_GRAPHQL_ENABLE_CONSOLE", "HASURA_GRAPHQL_DEV_MODE"):
        if project.settings[name]:
            yield Finding(
                level=Level.WARNING,
                message=f"{name}=true is for development and stays off in {project.environment.name}",
                where=str(project.settings.origin(name) or ""),
                variable=name,
                remedy=f"set {name}=false",
                code="dev-in-prod",
            )
