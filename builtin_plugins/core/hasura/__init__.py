"""The GraphQL API: Hasura's image in containers, an engine of our own natively."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from hookspecs import hookimpl

if TYPE_CHECKING:
    import click

    from hookspecs import Finding, Project, Route, Service, Stack


@hookimpl
def contribute_services(project: Project) -> Iterable[Service | Route]:
    from .service import contributions

    return contributions(project)


@hookimpl
def pre_deploy(project: Project, target: str, stack: Stack) -> Iterable[Finding]:
    from .checks import findings

    return findings(project)


@hookimpl
def register_commands(cli: click.Group) -> None:
    from .commands import hasura

    cli.add_command(hasura)
