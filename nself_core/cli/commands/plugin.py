"""``nself plugin``: which plugins there are, which may be loaded, which take part in this project."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from nself_core import paths
from nself_core.cli.completion import plugins
from nself_core.cli.options import json_option
from nself_core.cli.output import next_step, print_json, print_table, say, style, tell

if TYPE_CHECKING:
    from nself_core.plugins.manager import PluginManager
    from nself_core.plugins.model import PluginEntry

_COLOURS = {"core": "green", "allowed": "green", "development": "cyan", "unsigned": "yellow", "modified": "red", "revoked": "red"}

name_argument = click.argument("name", shell_complete=plugins)


def _manager() -> PluginManager:
    from nself_core.plugins import PluginManager

    return PluginManager.open(paths.home(), paths.find_root())


_EXAMPLES = """\b
Examples:
  nself plugin list
  nself plugin status NAME
  nself plugin allow NAME      load it from now on, and enable it here
"""


@click.group(epilog=_EXAMPLES)
def command() -> None:
    """List, allow, enable and disable plugins.

    A plugin's code is imported only if it is nself's own, or if you allowed these very files on this machine. It takes
    part in a project only where plugins.lock enables it; commit that file.
    """


@command.command("list", epilog="\b\nExamples:\n  nself plugin list\n  nself plugin list --others --json")
@click.option("--others", is_flag=True, help="Leave out the plugins that are part of nself.")
@json_option
def list_(others: bool, as_json: bool) -> None:
    """List the plugins that are there, with the state of each."""
    entries = [entry for entry in _manager().known() if not (others and entry.source == "core")]
    if as_json:
        print_json([_document(entry) for entry in entries])
        return
    if not entries:
        say("no plugins are installed beside nself's own")
        return
    print_table(
        ("name", "version", "state", "enabled", "summary"),
        [(e.name, e.version or "-", _state(e), "yes" if e.usable else "no", e.reason or e.summary) for e in entries],
    )


@command.command(
    "status",
    short_help="Show one plugin, or all that want attention.",
    epilog="\b\nExamples:\n  nself plugin status\n  nself plugin status NAME --json",
)
@click.argument("name", required=False, shell_complete=plugins)
@json_option
def status(name: str | None, as_json: bool) -> None:
    """Show one plugin, or all that want attention: left out, changed, not allowed."""
    from nself_core.plugins.choice import known_entry

    manager = _manager()
    if name is None:
        _attention(manager, as_json)
        return
    entry = known_entry(manager, name)
    if as_json:
        print_json(_document(entry))
        return
    rows = [
        ("name", entry.name),
        ("version", entry.version or "-"),
        ("summary", entry.summary or "-"),
        ("state", _state(entry)),
        ("enabled", "yes" if entry.enabled else "no"),
        ("path", entry.path or "-"),
        ("hooks", ", ".join(entry.manifest.get("hooks", ())) or "none: data alone"),
        ("commands", ", ".join(one["name"] for one in entry.manifest.get("commands", ())) or "-"),
        ("depends on", ", ".join(entry.manifest.get("depends_on", ())) or "-"),
        ("settings", str(len(entry.manifest.get("settings", ())))),
        ("permissions", _permissions(entry)),
    ]
    for label, value in rows:
        say(f"{label:<12}{value}")
    if entry.reason:
        say(f"{'left out':<12}{entry.reason}")
    if entry.remedy:
        next_step(entry.remedy)


def _attention(manager: PluginManager, as_json: bool) -> None:
    entries = [entry for entry in manager.known() if entry.reason]
    gone = [name for name in sorted(manager.lock.pins) if manager.lock.enabled(name) and manager.find(name) is None]
    if as_json:
        print_json({"attention": [_document(entry) for entry in entries], "not_installed": gone})
        return
    for name in gone:
        say(f"{name}: {manager.reason(name)}")
    for entry in entries:
        say(f"{entry.name} ({_state(entry)}): {entry.reason}")
        if entry.remedy:
            say(f"  → {entry.remedy}")
    if not entries and not gone:
        say(f"{len(manager.known())} plugins, nothing to say against any")


@command.command(
    short_help="Allow a plugin's code on this machine and enable it here.", epilog="\b\nExamples:\n  nself plugin allow NAME"
)
@name_argument
@json_option
def allow(name: str, as_json: bool) -> None:
    """Allow a plugin's code on this machine, as its files are now; inside a project also enable it.

    The hash of every file is recorded. If a file changes, the plugin is not loaded until you allow it again.
    """
    manager = _manager()
    entry = manager.allow(name)
    if as_json:
        print_json(_document(entry))
        return
    say(f"{name} {entry.version} is allowed on this machine{' and enabled in this project' if entry.enabled else ''}")
    if manager.root is None:
        tell("this is no project: go to one and run `nself plugin enable` there")
    else:
        next_step("commit plugins.lock; nself build")


@command.command(
    short_help="Take back the permission to load a plugin's code.", epilog="\b\nExamples:\n  nself plugin disallow NAME"
)
@name_argument
def disallow(name: str) -> None:
    """Take back the permission to load a plugin's code on this machine."""
    from nself_core.plugins.choice import disallow as take_back

    take_back(_manager(), name)
    say(f"{name} is no longer allowed on this machine")


@command.command(epilog="\b\nExamples:\n  nself plugin enable NAME")
@name_argument
@json_option
def enable(name: str, as_json: bool) -> None:
    """Let a plugin that may be loaded take part in this project."""
    _chosen(_manager().choose(name, True), "is enabled in this project", as_json)


@command.command(epilog="\b\nExamples:\n  nself plugin disable NAME")
@name_argument
@json_option
def disable(name: str, as_json: bool) -> None:
    """Leave a plugin out of this project. Its data and tables stay."""
    _chosen(_manager().choose(name, False), "is disabled in this project", as_json)


def _chosen(entry: PluginEntry, what: str, as_json: bool) -> None:
    if as_json:
        print_json(_document(entry))
        return
    say(f"{entry.name} {what}")
    next_step("nself build")


@command.command(
    short_help="Run a plugin's command by the plugin's name.",
    epilog="\b\nExamples:\n  nself plugin run NAME COMMAND --help",
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@name_argument
@click.argument("args", nargs=-1, type=click.UNPROCESSED)
@click.pass_obj
def run(context: object, name: str, args: tuple[str, ...]) -> None:
    """Run a plugin's command where the plugin's name is not free as a command of its own."""
    from nself_core.cli.extensions import PluginGroup
    from nself_core.plugins.choice import known_entry

    manager = _manager()
    entry = known_entry(manager, name)
    group = PluginGroup(manager, name, name=name, help=entry.summary)
    group.main(list(args) or ["--help"], prog_name=f"nself plugin run {name}", standalone_mode=False, obj=context)


@command.command(epilog="\b\nExamples:\n  nself plugin schema > plugin.schema.json")
def schema() -> None:
    """Print the JSON schema of plugin.json, for editors."""
    from hookspecs import Manifest

    print_json({"$schema": "https://json-schema.org/draft/2020-12/schema", **Manifest.model_json_schema()})


def _document(entry: PluginEntry) -> dict[str, Any]:
    return {
        "name": entry.name,
        "version": entry.version,
        "state": str(entry.state),
        "enabled": entry.enabled,
        "in_use": entry.usable,
        "reason": entry.reason,
        "remedy": entry.remedy,
        "summary": entry.summary,
        "source": entry.source,
        "path": entry.path,
        "hooks": list(entry.manifest.get("hooks", ())),
        "commands": [one["name"] for one in entry.manifest.get("commands", ())],
        "depends_on": list(entry.manifest.get("depends_on", ())),
    }


def _state(entry: PluginEntry) -> str:
    return style(str(entry.state), fg=_COLOURS.get(entry.state, "white"))


def _permissions(entry: PluginEntry) -> str:
    asked = entry.manifest.get("permissions", {})
    return "; ".join(f"{kind}: {', '.join(what)}" for kind, what in asked.items() if what) or "none asked for"
