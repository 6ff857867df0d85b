"""``nself secrets``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from nself_core.cli import output
from nself_core.cli.commands.start import TIMEOUT_HELP
from nself_core.cli.options import env_option, json_option

if TYPE_CHECKING:
    from nself_core.settings import LoadedSettings
    from nself_core.workspace import Workspace


@click.group(short_help="Generate, list and rotate secrets.")
def command() -> None:
    """Generate, list and rotate the secrets of an environment. Values are printed only with --show.

    \b
    Examples:
      nself secrets list
      nself secrets generate --env prod
    """


def _open(env: str | None) -> Workspace:
    from nself_core.workspace import Workspace

    return Workspace.open(env, kept=False)


@command.command("list")
@click.option("--show", is_flag=True, help="Print the values.")
@env_option
@json_option
def list_(show: bool, env: str | None, as_json: bool) -> None:
    """List the secrets with where each comes from; a missing one that is made at the next build is shown as such.

    \b
    Examples:
      nself secrets list --env prod --json
    """
    from nself_core.settings.explain import MASK

    loaded = _open(env).loaded
    rows = []
    for name, value in sorted(loaded.secrets.items()):
        typed = loaded.checked.values[name]
        made = name in loaded.to_be_made
        where = "to be made" if made else f"{typed.source}:{typed.line}" if typed.line else typed.source
        row = {"name": name, "where": where, "length": None if made else len(value)}
        if show and not made:
            row["value"] = value
        rows.append(row)
    if as_json:
        output.print_json(rows)
        return
    headers = ("name", "value", "from")
    output.print_table(headers, ((r["name"], r.get("value", "-" if r["length"] is None else MASK), r["where"]) for r in rows))


@command.command("generate")
@click.option("--show", is_flag=True, help="Print the values made.")
@env_option
@json_option
def generate(show: bool, env: str | None, as_json: bool) -> None:
    """Make the secrets that are missing and that only services share. What is there already is never changed.

    \b
    Examples:
      nself secrets generate --env prod
    """
    from nself_core.settings.provision import provision

    workspace = _open(env)
    name = workspace.environment.name
    wanted = dict(workspace.loaded.to_be_made)
    if wanted:
        with workspace.lock("secrets generate"):
            provision(workspace.root, name, wanted)
        workspace.refresh()
    _tell(workspace, sorted(wanted), "Made", show=show, as_json=as_json)


@command.command("rotate")
@click.argument("names", nargs=-1)
@click.option("--all", "every", is_flag=True, help="Every secret that nself makes.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@click.option("--show", is_flag=True, help="Print the new values.")
@click.option("--timeout", type=click.FloatRange(min=1), help=TIMEOUT_HELP)
@env_option
@json_option
def rotate(
    names: tuple[str, ...], every: bool, yes: bool, show: bool, timeout: float | None, env: str | None, as_json: bool
) -> None:
    """Replace secrets by new ones and put them in force.

    A service that keeps a copy in its data is told first (the database's password is changed, and proven by a login), then the
    environment's secrets file is written, then what refers to the secret is restarted, and nothing else. A rotation that was
    cut off is finished by the next one, or by nself start.

    \b
    Examples:
      nself secrets rotate NAME
      nself secrets rotate --all --env staging --yes
    """
    from hookspecs.errors import UserError
    from nself_core.lifecycle import progress, rotation, starting
    from nself_core.settings import strength
    from nself_core.workspace import Workspace

    workspace = Workspace.open(env)
    loaded, environment = workspace.loaded, workspace.environment.name
    left = rotation.pending(workspace)
    if not names and not every and not left:
        raise click.UsageError("name the secrets to rotate, or say --all")
    wanted = _all(loaded) if every else dict(_one(loaded, name) for name in names)
    wanted = {name: length for name, length in wanted.items() if name not in left}
    loaded.forgive(wanted)
    workspace.require_valid()
    listed = ", ".join(sorted({*wanted, *left})) or "nothing"
    if not output.confirm(f"Replace {listed} in {environment}, and restart what uses it?", yes=yes):
        raise UserError("nothing was rotated", remedy="pass --yes to rotate without being asked", code="declined")
    with workspace.lock("secrets rotate"):
        values = {name: strength.made(length) for name, length in wanted.items()}
        with progress.shown(f"Rotating {listed}", quiet=as_json) as report:
            done = rotation.rotate(workspace, values, timeout=starting.patience(workspace, timeout), progress=report)
    _tell(workspace, done.names, "Rotated", show=show, as_json=as_json, told=done.told, restarted=done.restarted)
    bad = starting.failures(done.states)
    if bad:
        starting.tell_failures(workspace.runtime(), bad)
        raise click.exceptions.Exit(1)


def _one(loaded: LoadedSettings, written: str) -> tuple[str, int]:
    from hookspecs.errors import UserError
    from nself_core.settings.provision import overrides

    meanings = loaded.declarations.meanings(written)
    declared = meanings[0].declared if meanings else None
    if declared is None or not declared.secret:
        raise UserError(f"{written} is no secret that is known", remedy="nself secrets list", exit_code=2)
    if not declared.generate:
        remedy = f"nself config set {meanings[0].name}"
        raise UserError(f"{written} is held by someone outside: nself cannot make it", remedy=remedy, exit_code=2)
    if declared.rotate_with:
        raise UserError(f"{written} is replaced by a command of its own", remedy=declared.rotate_with, exit_code=2)
    name = meanings[0].name
    above = overrides(loaded, name)
    if above:
        remedy = "change it there: nself does not rewrite a secret in a file you wrote"
        raise UserError(f"{name} is given by {above}, which overrides the secrets file", where=above, remedy=remedy)
    return name, declared.generate


def _all(loaded: LoadedSettings) -> dict[str, int]:
    """What nself makes and may replace; what has its own command is named."""
    from nself_core.settings.provision import overrides

    mine = [d for name in loaded.secrets if (d := loaded.declarations.find(name)) is not None and d.generate and not d.numbered]
    for declared in mine:
        if declared.rotate_with:
            output.tell(f"{declared.name} is left as it is: {declared.rotate_with} replaces it.")
    return {d.name: d.generate for d in mine if d.generate and not d.rotate_with and not overrides(loaded, d.name)}


def _tell(workspace: Workspace, names: list[str], verb: str, *, show: bool, as_json: bool, **services: list[str]) -> None:
    file = f".environments/{workspace.environment.name}/.env.secrets"
    values = {name: workspace.loaded.secrets[name] for name in names} if show else {}
    if as_json:
        output.print_json(
            {
                "environment": workspace.environment.name,
                "file": file,
                "names": names,
                **services,
                **({"values": values} if show else {}),
            }
        )
        return
    if not names:
        output.say("Nothing to do: no secret is missing.")
        return
    output.say(f"{verb} {len(names)} in {file}:")
    for name in names:
        output.say(f"  {name}={values[name]}" if show else f"  {name}")
    for words, key in (("Changed in", "told"), ("Restarted", "restarted")):
        if services.get(key):
            output.say(f"{words}: {', '.join(dict.fromkeys(services[key]))}.")
    if services.get("restarted") == []:
        output.next_step("nself start: nothing that refers to them runs here")
