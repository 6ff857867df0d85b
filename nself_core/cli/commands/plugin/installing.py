"""``nself plugin install``, ``update`` and ``rollback``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from nself_core.cli.commands.plugin.common import home_and_root, name_argument, permissions, short, yes_option
from nself_core.cli.commands.plugin.talking import Terminal
from nself_core.cli.completion import plugins
from nself_core.cli.options import json_option
from nself_core.cli.output import next_step, print_json, say, tell

if TYPE_CHECKING:
    from pathlib import Path

    from nself_core.plugins.install.transaction import Outcome

_EXAMPLES = """\b
Examples:
  nself plugin install notify
  nself plugin install acme/notify==1.2.3 cron
  nself plugin install ./my-plugin            a folder of yours, taken as it is
  nself plugin install ./nself_plugin_x-1.0.0-py3-none-any.whl
  nself plugin install pypi:nself-plugin-x
  nself plugin install                        what plugins.lock enables
"""


@click.command(short_help="Install plugins, and enable them in this project.", epilog=_EXAMPLES)
@click.argument("what", nargs=-1)
@click.option("--force", is_flag=True, help="Install again what is here already.")
@click.option("--allow-unsigned", is_flag=True, help="Allow what is named here to load although nobody signed it.")
@yes_option
@json_option
def install(what: tuple[str, ...], force: bool, allow_unsigned: bool, yes: bool, as_json: bool) -> None:
    """Install plugins and what they depend on; inside a project also enable them.

    Names are looked for in registries alone. Everything is fetched and verified aside first: a fault in one leaves all as it
    was. What a plugin may reach is shown, and asked again when an update wants more.
    """
    from hookspecs.errors import UserError
    from nself_core.plugins.install.transaction import install as carry_out
    from nself_core.plugins.sources.request import parse

    home, root = home_and_root()
    if not what and root is None:
        raise UserError("name a plugin, or go to a project with a plugins.lock", remedy="nself plugin search", exit_code=2)
    requests = [parse(text) for text in what]
    with Terminal(yes=yes).talking() as talk:
        outcome = carry_out(home, root, requests, talk, force=force, unsigned=allow_unsigned)
    _tell(outcome, root, as_json)


@click.command(epilog="\b\nExamples:\n  nself plugin update\n  nself plugin update notify")
@click.argument("names", nargs=-1, shell_complete=plugins)
@yes_option
@json_option
def update(names: tuple[str, ...], yes: bool, as_json: bool) -> None:
    """Replace installed plugins by their newest versions; without names, all that are not pinned.

    The version before stays in the store: `nself plugin rollback NAME` goes back to it.
    """
    from nself_core.plugins.install.transaction import install as carry_out
    from nself_core.plugins.install.updates import choose

    home, root = home_and_root()
    chosen = choose(home, [short(name) for name in names])
    for reason in chosen.left_out:
        tell(f"left out: {reason}")
    if not chosen.requests:
        if as_json:
            print_json({"done": [], "kept": [], "enabled": []})
        else:
            say("nothing to update" if chosen.left_out else "every installed plugin is the newest there is")
        return
    with Terminal(yes=yes).talking() as talk:
        outcome = carry_out(home, root, chosen.requests, talk, renew=True, catalogue=chosen.catalogue)
    _tell(outcome, root, as_json)


@click.command(epilog="\b\nExamples:\n  nself plugin rollback notify\n  nself plugin rollback notify --to 1.2.3")
@name_argument
@click.option("--to", "version", help="The version to go back to; without it, the one before the present one.")
@yes_option
@json_option
def rollback(name: str, version: str | None, yes: bool, as_json: bool) -> None:
    """Go back to a version of a plugin that is still in the store. Nothing is fetched; data stays as it is."""
    from nself_core.plugins.install.transaction import rollback as carry_out

    home, root = home_and_root()
    with Terminal(yes=yes).talking() as talk:
        outcome = carry_out(home, root, short(name), version, talk)
    _tell(outcome, root, as_json)


def _tell(outcome: Outcome, root: Path | None, as_json: bool) -> None:
    from nself_core.plugins.permissions import asked

    for reason in outcome.away.values():
        tell(f"not asked: {reason}")
    if as_json:
        print_json(_document(outcome))
        return
    for one in outcome.done:
        release = one.step.release
        signed = f" ({one.verdict.state})"
        say(f"{release.full_name} {release.version}{signed} is installed")
        if wanted := asked(release.manifest):
            say(f"  may reach {permissions(wanted)}")
    for kept in outcome.kept if not outcome.done else ():
        say(f"{kept.full_name} {kept.version} is here already")
    if outcome.enabled:
        say(f"enabled in this project: {', '.join(outcome.enabled)}")
    if root is None and outcome.done:
        names = " ".join(one.step.release.name for one in outcome.done if one.step.asked)
        next_step(f"in a project: nself plugin enable {names}")
    elif outcome.done or outcome.enabled:
        next_step("commit plugins.lock; nself build, then nself start")


def _document(outcome: Outcome) -> dict[str, Any]:
    from nself_core.plugins.permissions import asked

    return {
        "done": [
            {
                "name": one.step.release.name,
                "publisher": one.step.release.publisher,
                "version": one.step.release.version,
                "before": one.step.before.version if one.step.before else None,
                "registry": one.step.release.registry,
                "state": str(one.verdict.state),
                "hash": one.hash,
                "asked": one.step.asked,
                "permissions": asked(one.step.release.manifest),
            }
            for one in outcome.done
        ],
        "kept": [{"name": one.name, "version": one.version} for one in outcome.kept],
        "enabled": outcome.enabled,
    }
