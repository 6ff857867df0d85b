"""``nself plugin allow``, ``disallow``, ``enable``, ``disable`` and ``pin``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from nself_core import paths
from nself_core.cli.commands.plugin.common import document, manager, name_argument, short
from nself_core.cli.options import json_option
from nself_core.cli.output import next_step, print_json, say, tell

if TYPE_CHECKING:
    from nself_core.plugins.model import PluginEntry


@click.command(
    short_help="Allow a plugin's code on this machine and enable it here.", epilog="\b\nExamples:\n  nself plugin allow NAME"
)
@name_argument
@json_option
def allow(name: str, as_json: bool) -> None:
    """Allow a plugin's code that nobody you trust signed, as its files are now; inside a project also enable it.

    The hash of every file is recorded. If a file changes, the plugin is not loaded until you allow it again.
    """
    opened = manager()
    entry = opened.allow(short(name))
    if as_json:
        print_json(document(entry))
        return
    say(f"{name} {entry.version} is allowed on this machine{' and enabled in this project' if entry.enabled else ''}")
    if opened.root is None:
        tell("this is no project: go to one and run `nself plugin enable` there")
    else:
        next_step("commit plugins.lock; nself build")


@click.command(
    short_help="Take back the permission to load a plugin's code.", epilog="\b\nExamples:\n  nself plugin disallow NAME"
)
@name_argument
def disallow(name: str) -> None:
    """Take back the permission to load a plugin's code on this machine."""
    from nself_core.plugins.choice import disallow as take_back

    take_back(manager(), short(name))
    say(f"{name} is no longer allowed on this machine")


@click.command(epilog="\b\nExamples:\n  nself plugin enable NAME")
@name_argument
@json_option
def enable(name: str, as_json: bool) -> None:
    """Let a plugin that may be loaded take part in this project."""
    _chosen(manager().choose(short(name), True), "is enabled in this project", as_json)


@click.command(epilog="\b\nExamples:\n  nself plugin disable NAME")
@name_argument
@json_option
def disable(name: str, as_json: bool) -> None:
    """Leave a plugin out of this project. Its data and tables stay."""
    _chosen(manager().choose(short(name), False), "is disabled in this project", as_json)


def _chosen(entry: PluginEntry, what: str, as_json: bool) -> None:
    if as_json:
        print_json(document(entry))
        return
    say(f"{entry.name} {what}")
    next_step("nself build")


@click.command(
    short_help="Hold an installed plugin at its version.",
    epilog="\b\nExamples:\n  nself plugin pin notify\n  nself plugin pin notify --off",
)
@name_argument
@click.option("--off", is_flag=True, help="Let go of it.")
def pin(name: str, off: bool) -> None:
    """Hold an installed plugin at its version: no update and no other plugin's need moves it."""
    from hookspecs.errors import UserError
    from nself_core.plugins import pins
    from nself_core.plugins.install.store import Store

    name = short(name)
    store = Store(paths.home())
    held = pins.pinned(paths.home()).get(name)
    if off and held is None:
        raise UserError(f"{name} is not pinned", code="plugin-pinned")
    record = store.active().get(name)
    if not off and record is None:
        raise UserError(f"nself has not installed {name!r}: there is no version to hold", remedy="nself plugin list")
    with store.lock("plugin pin"):
        pins.pin(paths.home(), name, None if off or record is None else record.version)
    say(f"{name} is no longer pinned" if off or record is None else f"{name} is pinned to {record.version}")
