"""``nself plugin migrate``: schema changes of plugins, as the database knows them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from nself_core.cli.commands.plugin.common import name_argument, short, yes_option
from nself_core.cli.options import env_option, json_option
from nself_core.cli.output import confirm, next_step, print_json, print_table, say, style

if TYPE_CHECKING:
    from hookspecs.models.runtime import Migrator

_COLOURS = {"applied": "green", "pending": "yellow", "changed": "red", "orphaned": "yellow"}
_EXAMPLES = """\b
Examples:
  nself plugin migrate status
  nself plugin migrate up
  nself plugin migrate down notify
"""


def _migrator(env: str | None) -> Migrator:
    from nself_core.workspace import Workspace

    return Workspace.open(env).runtime().migrator()


@click.group(epilog=_EXAMPLES)
def migrate() -> None:
    """Show, apply and undo the schema changes of plugins. The database must be running.

    `nself start` applies what is new by itself, each change in one transaction with its line in the ledger.
    """


@migrate.command(epilog="\b\nExamples:\n  nself plugin migrate status\n  nself plugin migrate status notify --json")
@click.argument("name", required=False)
@env_option
@json_option
def status(name: str | None, env: str | None, as_json: bool) -> None:
    """List the schema changes of all plugins, or of one, with the state of each."""
    wanted = short(name) if name else None
    found = [one for one in _migrator(env).status() if wanted in {None, one.plugin}]
    if as_json:
        print_json([one.model_dump() for one in found])
        return
    if not found:
        say("there are none")
        return
    rows = [
        (
            one.plugin,
            one.id,
            style(one.state, fg=_COLOURS[one.state]),
            one.applied_at[:19] or "-",
            "yes" if one.reversible else "no",
        )
        for one in found
    ]
    print_table(("plugin", "change", "state", "applied", "can be undone"), rows)


@migrate.command(epilog="\b\nExamples:\n  nself plugin migrate up")
@env_option
@json_option
def up(env: str | None, as_json: bool) -> None:
    """Apply what is new, in order. One that fails leaves nothing of itself, and those after it wait."""
    applied = _migrator(env).apply()
    if as_json:
        print_json([{"plugin": plugin, "id": id_} for plugin, id_ in applied])
        return
    for plugin, id_ in applied:
        say(f"applied {plugin}: {id_}")
    if not applied:
        say("nothing is new")


@migrate.command(
    epilog="\b\nExamples:\n  nself plugin migrate down notify\n  nself plugin migrate down notify --to 001_initial --yes"
)
@name_argument
@click.option("--to", "down_to", metavar="CHANGE", help="Undo all after this one; without it, the latest alone.")
@click.option("--all", "everything", is_flag=True, help="Undo all of the plugin's.")
@env_option
@yes_option
def down(name: str, down_to: str | None, everything: bool, env: str | None, yes: bool) -> None:
    """Undo a plugin's latest schema change. What it removes, rows among it, cannot be brought back.

    All that is asked for is undone together, or nothing where one change does not say how.
    """
    from hookspecs.errors import UserError

    if down_to and everything:
        raise UserError("--to and --all exclude each other", exit_code=2, code="usage")
    plain = short(name)
    what = "every schema change" if everything else f"what came after {down_to}" if down_to else "the latest schema change"
    if not confirm(f"Undo {what} of {plain}? Data in what it removes is lost.", yes=yes):
        raise UserError("nothing was undone", remedy="pass --yes to agree without being asked", code="declined")
    undone = _migrator(env).undo(plain, down_to="" if everything else down_to)
    for id_ in undone:
        say(f"undid {plain}: {id_}")
    if not undone:
        say(f"{plain} has nothing applied that could be undone")
    else:
        next_step(f"nself start applies them again; nself plugin disable {plain} to leave the plugin out")
