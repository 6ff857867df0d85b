"""PostgreSQL, the project's database: the service, its extensions, and the migrations of every plugin."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from hookspecs import hookimpl

if TYPE_CHECKING:
    from hookspecs import Finding, Migration, Project, Service, Stack


@hookimpl
def contribute_services(project: Project) -> Iterable[Service]:
    if not project.settings["POSTGRES_ENABLED"]:
        return ()
    from builtin_plugins.core.postgres.service import service

    return (service(project),)


@hookimpl
def migrate_schema(project: Project) -> Iterable[Migration]:
    if not project.settings["POSTGRES_ENABLED"]:
        return ()
    from builtin_plugins.core.postgres.extensions import migrations

    return migrations(project)


@hookimpl
def pre_deploy(project: Project, target: str, stack: Stack) -> Iterable[Finding]:
    if not project.settings["POSTGRES_ENABLED"]:
        return ()
    from builtin_plugins.core.postgres.extensions import missing

    return missing(project)
