"""The root command."""

from __future__ import annotations

import click

from nself_core.cli.lazy import LazyGroup


@click.group(
    cls=LazyGroup,
    invoke_without_command=True,
    subcommand_metavar="COMMAND [ARGS]...",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="`nself COMMAND --help` explains one command. Exit codes: 0 done, 1 failed, 2 wrong usage.",
)
@click.option("--version", "version", is_flag=True, help="Print the version and exit.")
@click.pass_context
def root(ctx: click.Context, version: bool) -> None:
    """A complete backend on machines you own, assembled from .env files."""
    if version:
        from nself_core import __version__

        click.echo(f"nself {__version__}")
        ctx.exit()
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())
    else:
        from nself_core.cli.context import ProjectContext

        ctx.obj = ProjectContext()  # what commands of plugins take by `click.pass_obj`
