"""``nself exec``."""

from __future__ import annotations

import sys

import click

from nself_core.cli.options import env_option


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@env_option
@click.option("-u", "--user", metavar="USER", help="Run as this user.")
@click.option("--set", "variables", multiple=True, metavar="NAME=VALUE", help="Set a variable for the command; may be repeated.")
@click.option("-T", "--no-tty", is_flag=True, help="No terminal, even where there is one.")
@click.argument("service")
@click.argument("argv", nargs=-1, required=True, type=click.UNPROCESSED)
@click.pass_context
def command(
    ctx: click.Context,
    *,
    env: str | None,
    user: str | None,
    variables: tuple[str, ...],
    no_tty: bool,
    service: str,
    argv: tuple[str, ...],
) -> None:
    """Run a command in a service's surroundings, with this terminal's input and output; its exit code is ours.

    \b
    Examples:
      nself exec db psql
      cat dump.sql | nself exec db psql
      nself exec -u root api sh -c 'id; env'
    """
    from hookspecs.errors import UserError
    from nself_core.lifecycle import select
    from nself_core.workspace import Workspace

    given = dict(_pair(item) for item in variables)
    workspace = Workspace.open(env)
    name = workspace.runtime_name()
    found = select.runnable(workspace.stack(name), service)
    if workspace.recorded_runtime() is None:
        raise UserError(f"{found} does not run: nothing was started here yet", remedy="nself start", code="not-started")
    tty = not no_tty and sys.stdin.isatty() and sys.stdout.isatty()
    ctx.exit(workspace.runtime(name).exec(found, list(argv), tty=tty, user=user, env=given))


def _pair(item: str) -> tuple[str, str]:
    name, sign, value = item.partition("=")
    if not sign or not name:
        raise click.BadParameter(f"{item!r} is not NAME=VALUE", param_hint="--set")
    return name, value
