"""``nself config``."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from nself_core.cli import output
from nself_core.cli.options import env_option, json_option

if TYPE_CHECKING:
    from nself_core.workspace import Workspace


@click.group(short_help="Read, change, check and explain settings.")
def command() -> None:
    """Read, change, check and explain the settings of the environment in force.

    \b
    Examples:
      nself config list
      nself config set BASE_DOMAIN example.com --env prod
      nself config explain BASE_DOMAIN
    """


def _open(env: str | None) -> Workspace:
    from nself_core.workspace import Workspace

    return Workspace.open(env, kept=False)


@command.command("get")
@click.argument("name")
@click.option("--show", is_flag=True, help="Print a secret's value instead of masking it.")
@env_option
def get_(name: str, show: bool, env: str | None) -> None:
    """Print the value of a setting. Exit code 1 where it has none.

    \b
    Examples:
      nself config get BASE_DOMAIN
    """
    from hookspecs.errors import UserError
    from nself_core.settings.unknown import nearest

    loaded = _open(env).loaded
    found = loaded.explain(name)
    if not found.owner and not found.sources and found.value is None:
        near = nearest(name, loaded.declarations)
        raise UserError(f"{name} is not known", remedy=f"did you mean {near}?" if near else "", code="setting-unknown")
    value = loaded.secrets.get(found.name) if show and found.secret else found.value
    if value is None:
        raise UserError(f"{found.name} has no value in {loaded.in_force.name}", code="setting-missing")
    output.say(value)


class _TakesKeys(click.Command):
    """A command with a value that may be a key in PEM form, whose first line looks like an option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click's, with the end of options marked before such a key: as a wrong option it would be shown."""
        at = next((n for n, word in enumerate(args) if word.startswith("-----BEGIN ")), None)
        return super().parse_args(ctx, args if at is None or "--" in args[:at] else [*args[:at], "--", *args[at:]])


@command.command("set", cls=_TakesKeys)
@click.argument("name")
@click.argument("value", required=False)
@click.option("--file", metavar="FILE", help="Write into this file of the cascade, such as .env or .env.dev.")
@click.option("--refer", is_flag=True, help="Leave ${NAME} in the value to be replaced when it is read.")
@click.option("--force", is_flag=True, help="Write a variable that is not known.")
@env_option
def set_(name: str, value: str | None, file: str | None, refer: bool, force: bool, env: str | None) -> None:
    """Set a variable. Comments and order stay; a secret goes to the environment's secrets file (0600).

    A secret is better not given as an argument, where others on this machine see it: leave VALUE out to be asked, or
    pipe it in.

    \b
    Examples:
      nself config set BASE_DOMAIN example.com --env prod
      nself config set AUTH_CLIENT_URL 'https://app.${BASE_DOMAIN}' --refer
      pass show smtp | nself config set SMTP_PASS
    """
    from nself_core.settings import change

    workspace = _open(env)
    to = change.target(workspace.loaded, name, file=file, force=force)
    if value is None:
        value = _ask(to.name, secret=to.secret)
    with workspace.lock("config set"):
        change.set_value(workspace.loaded, to, value, refer=refer)
    workspace.refresh()
    output.say(f"{to.name} is set in {to.label}.")
    _tell_overridden(workspace, to)


def _ask(name: str, *, secret: bool) -> str:
    if sys.stdin.isatty():
        return str(click.prompt(name, hide_input=secret, default="", show_default=False, err=True))
    return sys.stdin.read().removesuffix("\n")


def _tell_overridden(workspace: Workspace, to: Any) -> None:
    winner = workspace.loaded.merged.winners.get(to.name)
    if winner is None:
        output.tell(f"note: it does not count in {workspace.environment.name}; see nself config explain {to.name}")
    elif winner.source != to.label:
        output.tell(f"note: {winner.where} overrides it; see nself config explain {to.name}")
    else:
        output.next_step("nself build")


@command.command("unset")
@click.argument("name")
@env_option
def unset(name: str, env: str | None) -> None:
    """Delete a variable from the files of the environment that give it.

    \b
    Examples:
      nself config unset LOG_LEVEL
    """
    from nself_core.settings import change

    workspace = _open(env)
    to = change.target(workspace.loaded, name, force=True)
    with workspace.lock("config unset"):
        files = change.unset(workspace.loaded, to)
    if not files:
        output.say(f"No file of {workspace.environment.name} of its own gives {to.name}.")
        return
    output.say(f"{to.name} is deleted from {', '.join(files)}.")


@command.command("list")
@click.option("--all", "everything", is_flag=True, help="Also settings that stand at their default.")
@click.option("--show", is_flag=True, help="Print the values of secrets instead of masking them.")
@env_option
@json_option
def list_(everything: bool, show: bool, env: str | None, as_json: bool) -> None:
    """List settings with their values and where each comes from.

    \b
    Examples:
      nself config list
      nself config list --all --json
    """
    from nself_core.settings.explain import rows

    loaded = _open(env).loaded
    found = rows(loaded, everything=everything, show=show)
    if as_json:
        output.print_json([asdict(row) for row in found])
        return
    output.print_table(("name", "value", "from"), ((row.name, row.value, row.where) for row in found))


@command.command("validate")
@click.option("--strict", is_flag=True, help="Warnings count as errors.")
@env_option
@json_option
def validate(strict: bool, env: str | None, as_json: bool) -> None:
    """Check every setting and tell all faults at once. Exit code 1 where there are errors.

    \b
    Examples:
      nself config validate --env prod
    """
    from nself_core.cli.validation import tell_checked

    workspace = _open(env)
    tell_checked(workspace, list(workspace.loaded.problems), strict=strict, as_json=as_json)


@command.command("explain")
@click.argument("name")
@env_option
@json_option
def explain(name: str, env: str | None, as_json: bool) -> None:
    """Tell which file won for a variable, what it overrode, and who reads it. Secrets are masked.

    \b
    Examples:
      nself config explain BASE_DOMAIN
    """
    from hookspecs.errors import UserError
    from nself_core.settings.unknown import nearest

    loaded = _open(env).loaded
    found = loaded.explain(name)
    if not found.owner and not found.sources:
        near = nearest(name, loaded.declarations)
        command = loaded.declarations.owner_elsewhere(name)
        remedy = f"did you mean {near}?" if near else command or ""
        raise UserError(f"{name} is not known, and nothing sets it", remedy=remedy, code="setting-unknown")
    if as_json:
        output.print_json({**asdict(found), "environment": loaded.in_force.name})
        return
    output.say(f"{found.name} = {found.value if found.value is not None else '(not set)'}")
    output.say(f"  in {loaded.in_force.name}, from {found.where or 'nowhere'}")
    if found.asked != found.name:
        output.say(f"  {found.asked} is another spelling of {found.name}")
    if found.owner:
        kind = f"{found.type}, secret" if found.secret else found.type
        output.say(f"  read by {found.owner} ({kind}): {found.help}")
    if found.unused:
        output.say(f"  not read: {found.unused}")
    if found.default is not None:
        output.say(f"  default {found.default or '(empty)'}")
    if found.uses:
        output.say(f"  refers to {', '.join(found.uses)}")
    if found.sources:
        output.print_table(("source", "as", "value", ""), ((s.where, s.spelling, s.value, s.state) for s in found.sources))
