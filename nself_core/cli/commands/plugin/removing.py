"""``nself plugin uninstall``, also spelt ``remove``."""

from __future__ import annotations

from pathlib import Path

import click

from nself_core.cli.commands.plugin.common import home_and_root, name_argument, short, yes_option
from nself_core.cli.output import confirm, next_step, say, tell

_EXAMPLES = "\b\nExamples:\n  nself plugin uninstall notify\n  nself plugin uninstall notify --drop-data"


@click.command(short_help="Remove a plugin; its data stays unless you say so.", epilog=_EXAMPLES)
@name_argument
@click.option(
    "--keep-data/--drop-data", "keep", default=True, help="Leave its tables and role, or drop them too.", show_default=True
)
@yes_option
def uninstall(name: str, keep: bool, yes: bool) -> None:
    """Remove a plugin from this machine, and from this project's plugins.lock.

    --drop-data also drops its tables and its database role from this project's database, which must be running; that cannot
    be taken back, so the plugin's name has to be typed.
    """
    from hookspecs.errors import UserError
    from nself_core.plugins.install.removal import uninstall as carry_out

    home, root = home_and_root()
    plain = short(name)
    if not keep and root is None:
        raise UserError("--drop-data needs a project: its database holds the data", remedy="go to its folder", code="no-project")
    if not keep and not confirm(f"Drop every table of {plain} and what is in it?", yes=yes, typed=plain):
        raise UserError("nothing was removed", remedy="pass --yes to agree without being asked", code="declined")
    dropped: list[str] = []
    version = carry_out(
        home, root, plain, drop=None if keep or root is None else lambda: dropped.extend(_drop(root, plain)), say=tell
    )
    data = "its data stays" if keep else f"dropped: {', '.join(dropped) or 'nothing, as nothing was there'}"
    say(f"{plain} {version} is uninstalled; {data}")
    if root is not None:
        next_step("nself build, then nself start")


def _drop(root: Path, name: str) -> list[str]:
    """Drop the plugin's tables and role in the database of the project's running stack."""
    from nself_core.workspace import Workspace

    runtime = Workspace.open(start=root).runtime()
    return runtime.migrator().drop(name)


remove = click.Command(
    "remove", callback=uninstall.callback, params=uninstall.params, help=uninstall.help, epilog=_EXAMPLES,
    short_help="The same as uninstall.",
)  # fmt: skip
