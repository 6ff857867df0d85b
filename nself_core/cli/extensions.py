"""Plugins on the command line: their words come from manifests alone; code is imported when a word is asked for.

A built-in claims top-level words. Another plugin's commands are ``nself <plugin> <command>`` where that word is free, and always
``nself plugin run <plugin> <command>``. A plugin whose one command bears its own name is that command.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from nself_core import paths
from nself_core.cli.table import BY_WORD
from nself_core.plugins.index import load
from nself_core.plugins.manager import PluginManager

if TYPE_CHECKING:
    from nself_core.plugins.model import Found


class Word(NamedTuple):
    """A top-level word of a plugin. ``command`` is empty where the word stands for all of the plugin's commands."""

    name: str
    plugin: str
    command: str
    section: str
    help: str
    manager: PluginManager


def plugin_words() -> dict[str, Word]:
    """The words of plugins that take part here. The core's own words are never given away, nor a built-in's to another.

    Where the project's or the home's record of plugins cannot be read, only ours count: help is for such moments too.
    """
    try:
        manager = open_here()
    except Exception as error:
        from hookspecs.errors import UserError

        if not isinstance(error, UserError):
            raise
        manager = PluginManager(paths.home(), None, tuple(one for one in load(paths.home()) if one.source == "core"))
    claiming = [found for found in manager.claiming() if found.manifest.get("commands")]
    words: dict[str, Word] = {}
    for found in sorted(claiming, key=lambda found: (found.source != "core", found.name)):
        for word in _words_of(found, manager):
            if word.name not in BY_WORD:
                words.setdefault(word.name, word)
    return words


def open_here() -> PluginManager:
    """The plugins as the project around the working folder sees them; ``UserError`` where a record of them is broken."""
    return PluginManager.open(paths.home(), paths.find_root())


def _words_of(entry: Found, manager: PluginManager) -> list[Word]:
    commands = entry.manifest["commands"]
    if entry.source == "core":
        return [
            Word(one["name"], entry.name, one["name"], one.get("section", "Plugins"), one["help"], manager) for one in commands
        ]
    single = commands[0]["name"] if len(commands) == 1 and commands[0]["name"] == entry.name else ""
    return [
        Word(entry.name, entry.name, single, "Plugins", commands[0]["help"] if single else entry.manifest["summary"], manager)
    ]


def load_word(word: Word) -> click.Command:
    """The command behind a word. ``UserError`` where its plugin takes no part."""
    word.manager.require(word.plugin)
    group = PluginGroup(word.manager, word.plugin, name=word.name, help=word.help)
    if not word.command:
        return group
    command = group.get_command(click.Context(group), word.command)
    if command is None:
        raise KeyError(f"{word.command} is not in the manifest of {word.plugin}")
    return command


class PluginGroup(click.Group):
    """The commands of one plugin: listed from its manifest, imported when one is asked for."""

    def __init__(self, manager: PluginManager, plugin: str, **attributes: Any) -> None:
        super().__init__(**attributes)
        self._manager = manager
        self._plugin = plugin
        entry = manager.find(plugin)
        declared = entry.manifest.get("commands", []) if entry else []
        self._declared: Mapping[str, str] = {one["name"]: one["help"] for one in declared}

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self._declared)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self._declared:
            return None
        group = click.Group()
        self._manager.register_commands(self._plugin, group)
        command = group.commands.get(cmd_name)
        if command is None:
            from hookspecs.errors import UserError

            raise UserError(
                f"plugin {self._plugin} declares the command {cmd_name!r} and does not register it",
                remedy="report it to the plugin's author",
                code="plugin-command",
            )
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(self._declared.items()))
