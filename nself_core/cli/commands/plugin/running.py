"""``nself plugin run``."""

from __future__ import annotations

import click

from nself_core.cli.commands.plugin.common import manager, name_argument, short


@click.command(
    short_help="Run a plugin's command by the plugin's name.",
    epilog="\b\nExamples:\n  nself plugin run NAME COMMAND --help",
    context_settings={"allow_interspersed_args": False},
)
@name_argument
@click.argument("args", nargs=-1, type=click.UNPROCESSED)
@click.pass_obj
def run(context: object, name: str, args: tuple[str, ...]) -> None:
    """Run a plugin's command where the plugin's name is not free as a command of its own."""
    from nself_core.cli.extensions import PluginGroup
    from nself_core.plugins.choice import known_entry

    opened = manager()
    entry = known_entry(opened, short(name))
    group = PluginGroup(opened, entry.name, name=entry.name, help=entry.summary)
    group.main(list(args) or ["--help"], prog_name=f"nself plugin run {name}", standalone_mode=False, obj=context)
