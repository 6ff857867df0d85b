"""``nself plugin new``: a plugin to start from, and ``check``: how far one is."""

from __future__ import annotations

from pathlib import Path

import click

from nself_core.cli.commands.plugin.common import as_folder
from nself_core.cli.options import json_option
from nself_core.cli.output import next_step, print_json, say, style, tell

_KINDS = ("service", "integration", "engine", "infra")


@click.command(
    short_help="Make a plugin to start from.",
    epilog="\b\nExamples:\n  nself plugin new hello\n  nself plugin new acme-crm --kind integration --publisher acme",
)
@click.argument("name")
@click.option("--kind", type=click.Choice(_KINDS), default="service", show_default=True, help="What it is to be.")
@click.option("--publisher", default="me", show_default=True, help="Who publishes it: the name your signing key goes by.")
@click.option("--summary", default="", help="One line that says what it does.")
@click.option(
    "--into", type=click.Path(file_okay=False, path_type=Path), default=None, help="The folder to make; by default ./NAME."
)
@json_option
def new(name: str, kind: str, publisher: str, summary: str, into: Path | None, as_json: bool) -> None:
    """Make a plugin to start from, whose tests pass as they are.

    \b
    service      routes, tables, jobs and a command, in the Host
    integration  a mirror of an outside API: webhooks and syncs
    engine       a program of its own, as a service of the stack
    infra        generated files and checks
    """
    from nself_core.plugins.template import render

    folder = into or Path(name)
    files = render(name, kind, publisher=publisher, summary=summary, into=folder)
    if as_json:
        print_json({"name": name, "kind": kind, "folder": str(folder), "files": files})
        return
    for file in files:
        say(f"  {folder / file}")
    next_step(f"cd {folder} && pytest; in a project: nself plugin install {as_folder(folder)}")


@click.command(
    short_help="Tell how far a plugin is, level by level.",
    epilog="\b\nExamples:\n  nself plugin check ./hello\n  nself plugin check ./hello --level 4      exit 1 below that",
)
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--level", type=click.IntRange(1, 8), default=None, help="Fail below this level.")
@json_option
def check(folder: Path, level: int | None, as_json: bool) -> None:
    """Run a plugin in a project of its own and compute its level: nothing that it says of itself counts.

    \b
    1  installs             its manifest is valid, it installs and builds
    2  verifies             signed, it loads; with a byte changed it does not
    3  migrates and undoes  its tables come, go without a trace, and come again
    4  serves               its routes, services and jobs come up
    5  survives restarts    killed, it comes back with what it had
    6  backs up             a dump of its tables restores to the same rows
    7  documented           README, help of every command, setting and route
    8  no warnings          nothing warns of it
    """
    from nself_core.plugins.levels import check as compute

    report = compute(folder, say=lambda line: None if as_json else tell(line))
    if as_json:
        print_json(report)
    else:
        for rule in report.rules:
            mark = {"done": style("✓", fg="green"), "exempt": "–", "missing": style("✗", fg="red")}[rule.outcome]
            say(f"{mark} {rule.level} {rule.name}{f': {rule.reason}' if rule.reason else ''}")
        say(f"level {report.level} of {len(report.rules)}")
    if level is not None and report.level < level:
        raise click.exceptions.Exit(1)
