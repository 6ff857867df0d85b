"""The Host: one service that serves the installed plugins' own routes, webhooks and jobs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from hookspecs import hookimpl

if TYPE_CHECKING:
    import click

    from hookspecs import File, Finding, Migration, Project, Route, Service, Stack


@hookimpl
def contribute_services(project: Project) -> Iterable[Service | Route]:
    if not project.installed:
        return ()
    from .service import contributions

    return contributions(project)


@hookimpl
def render_config(project: Project, stack: Stack) -> Iterable[File]:
    if not project.installed:
        return ()
    from .service import files

    return files(project, stack)


@hookimpl
def pre_deploy(project: Project, target: str, stack: Stack) -> Iterable[Finding]:
    from .checks import findings

    return findings(project)


@hookimpl
def migrate_schema(project: Project) -> Iterable[Migration]:
    if not project.installed:
        return ()
    from .schema import migrations

    return migrations(project)


@hookimpl
def register_commands(cli: click.Group) -> None:
    from .commands import job, webhook

    cli.add_command(job)
    cli.add_command(webhook)
