"""``nself env``."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from nself_core.cli import output
from nself_core.cli.completion import environments as complete
from nself_core.cli.options import json_option

if TYPE_CHECKING:
    from nself_core.settings.environments import Difference
    from nself_core.workspace import Workspace


@click.group(short_help="List, switch, create, compare and check environments.")
def command() -> None:
    """List, switch, create, compare and check environments.

    \b
    Examples:
      nself env list
      nself env switch staging
      nself env diff staging prod
    """


def _open(env: str | None = None) -> Workspace:
    from nself_core.workspace import Workspace

    return Workspace.open(env, kept=False)


@command.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List the environments, with a mark on the one in force.

    \b
    Examples:
      nself env list --json
    """
    import os

    from nself_core.settings import environments
    from nself_core.settings.environment import in_force
    from nself_core.workspace import find_root

    root = find_root()
    now = in_force(root, env=None, environ=os.environ)
    found = environments.known(root, now.name)
    if as_json:
        output.print_json([asdict(one) for one in found])
        return
    body = (("*" if one.current else "", one.name, one.cls, ", ".join(one.files) or "-", one.server or "-") for one in found)
    output.print_table(("", "name", "class", "files", "server"), body)
    output.tell(f"{now.name} is in force (chosen by {now.chosen_by})")


@command.command("switch")
@click.argument("name", shell_complete=complete)
@click.option("--quiet", "-q", is_flag=True, help="Say nothing.")
def switch(name: str, quiet: bool) -> None:
    """Make an environment the one in force on this machine. No .env file is changed.

    \b
    Examples:
      nself env switch staging
    """
    import os

    from nself_core.settings import environments
    from nself_core.settings.environment import in_force
    from nself_core.workspace import find_root

    root = find_root()
    clean = environments.switch(root, name)
    if quiet:
        return
    output.say(f"{clean} is in force on this machine now.")
    now = in_force(root, env=None, environ=os.environ)
    if now.name != clean:
        output.tell(f"note: {now.chosen_by} says {now.name}, and comes first")
    output.next_step("nself build")


@command.command("create")
@click.argument("name")
@click.argument("template", required=False)
@click.option("--like", metavar="NAME", help="What it is like: dev, staging, prod, or an environment there is.")
@json_option
def create(name: str, template: str | None, like: str | None, as_json: bool) -> None:
    """Make an environment: its settings, its secrets file and its server.json, below .environments.

    Like another environment, its settings are copied and its secrets are not. Without --like it is like staging.

    \b
    Examples:
      nself env create qa --like staging
      nself env create demo prod
    """
    from nself_core.settings import environments
    from nself_core.settings.environment import CLASSES, normalise
    from nself_core.workspace import find_root

    clean = normalise(name)
    model = like or template or (clean if clean in CLASSES else "staging")
    root = find_root()
    made = environments.create(root, clean, model)
    if as_json:
        output.print_json({"name": clean, "like": model, "files": made})
        return
    output.say(f"Made {clean}, like {model}:")
    for file in made:
        output.say(f"  {file}")
    output.next_step(f"put its settings into .environments/{clean}/.env, then nself env validate {clean}")


@command.command("diff")
@click.argument("first", shell_complete=complete)
@click.argument("second", shell_complete=complete)
@click.option("--values", is_flag=True, help="Show the values too; secrets stay masked.")
@json_option
def diff(first: str, second: str, values: bool, as_json: bool) -> None:
    """Compare what two environments set, after the cascade, and their servers.

    \b
    Examples:
      nself env diff staging prod --values
    """
    from nself_core.settings import environments
    from nself_core.workspace import find_root

    root = find_root()
    one, two = environments.require(root, first), environments.require(root, second)
    found = environments.compare(_open(one).loaded, _open(two).loaded)
    if as_json:
        output.print_json({"first": one, "second": two, "count": found.count, **_document(found, values=values)})
        return
    _print_diff(found, one, two, values=values)


def _document(found: Difference, *, values: bool) -> dict[str, object]:
    data = asdict(found)
    if values:
        return data
    return {**{key: sorted(data[key]) for key in ("different", "only_first", "only_second")}, "server": data["server"]}


def _print_diff(found: Difference, one: str, two: str, *, values: bool) -> None:
    if found.different:
        output.say(f"Different ({len(found.different)}):")
        for name, (a, b) in found.different.items():
            output.say(f"  {name}: {a} | {b}" if values else f"  {name}")
    for title, only in ((one, found.only_first), (two, found.only_second)):
        if only:
            output.say(f"Only in {title} ({len(only)}):")
            for name, value in only.items():
                output.say(f"  {name}: {value}" if values else f"  {name}")
    if found.server:
        output.say("Server:")
        for name, (a, b) in found.server.items():
            output.say(f"  {name}: {a or '-'} | {b or '-'}")
    output.say(f"{found.count} differences between {one} and {two}." if found.count else f"{one} and {two} are the same.")


@command.command("validate")
@click.argument("name", required=False, shell_complete=complete)
@click.argument("mode", required=False, type=click.Choice(["strict"]))
@click.option("--strict", is_flag=True, help="Warnings count as errors.")
@json_option
def validate(name: str | None, mode: str | None, strict: bool, as_json: bool) -> None:
    """Check an environment: its files, settings, secrets and server. Exit code 1 where there are errors.

    \b
    Examples:
      nself env validate prod --strict
    """
    from nself_core.cli.validation import tell_checked
    from nself_core.settings import environments
    from nself_core.workspace import find_root

    workspace = _open(environments.require(find_root(), name) if name else None)
    strict = strict or mode == "strict"
    tell_checked(workspace, environments.check(workspace.loaded, strict=strict), strict=strict, as_json=as_json)
