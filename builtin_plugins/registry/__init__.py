"""``nself registry``: make, sign, publish, serve and verify a registry of plugins, and connect to one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hookspecs import hookimpl

if TYPE_CHECKING:
    import click


@hookimpl
def register_commands(cli: click.Group) -> None:
    from .operating import registry

    cli.add_command(registry)
