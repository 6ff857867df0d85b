"""The root command group: it knows every command by name and imports only the one that is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

from nself_core.cli.completion import BY_ARGUMENT
from nself_core.cli.table import BY_WORD, COMMANDS, SECTIONS

if TYPE_CHECKING:
    from nself_core.cli.extensions import Word


class LazyGroup(click.Group):
    """Core commands from the static table, plugins' commands from the compiled index."""

    _words: Mapping[str, Word] | None = None

    @property
    def words(self) -> Mapping[str, Word]:
        """The top-level words of plugins that count here, read from the index once."""
        if self._words is None:
            from nself_core.cli.extensions import plugin_words

            self._words = plugin_words()
        return self._words

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*BY_WORD, *self.words]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in BY_WORD:
            return _with_completion(_core_command(cmd_name))
        word = self.words.get(cmd_name)
        if word is None:
            return None
        from nself_core.cli.extensions import load_word

        return _with_completion(load_word(word))

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        word = args[0]
        command = self.get_command(ctx, word)
        if command is not None:
            return word, command, args[1:]
        if word.startswith("-"):
            raise click.NoSuchOption(word, ctx=ctx)
        from nself_core.cli.extensions import open_here

        open_here()  # a broken record of plugins hides their words: say that, not that there is no such command
        known = self.list_commands(ctx)
        begun = [name for name in known if name.startswith(word)]
        near = begun if len(begun) == 1 else get_close_matches(word, known, n=1, cutoff=0.6)
        hint = f"did you mean `nself {near[0]}`?" if near else "`nself --help` lists the commands."
        raise click.UsageError(f"{word!r} is no command; {hint}", ctx)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for section, rows in self._sections().items():
            with formatter.section(section):
                formatter.write_dl(rows)

    def _sections(self) -> dict[str, list[tuple[str, str]]]:
        sections: dict[str, list[tuple[str, str]]] = {name: [] for name in SECTIONS}
        for entry in COMMANDS:
            sections[entry.section].append((", ".join((entry.name, *entry.aliases)), entry.help))
        for name in sorted(self.words):
            word = self.words[name]
            sections.setdefault(word.section, []).append((name, word.help))
        return sections

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[Any]:
        from click.shell_completion import CompletionItem

        if incomplete.startswith("-"):
            return click.Command.shell_complete(self, ctx, incomplete)
        known = {word: entry.help for word, entry in BY_WORD.items()} | {name: word.help for name, word in self.words.items()}
        return [CompletionItem(name, help=known[name]) for name in sorted(known) if name.startswith(incomplete)]


def _core_command(word: str) -> click.Command:
    entry = BY_WORD[word]
    try:
        command = import_module(entry.module).command
    except ModuleNotFoundError as error:
        if error.name != entry.module:
            raise
        raise click.UsageError(f"{word!r} is not part of this build of nself.") from None
    if not isinstance(command, click.Command):
        raise TypeError(f"{entry.module}.command is no click command")
    return command


def _with_completion(command: click.Command) -> click.Command:
    """Let the shell complete arguments that go by a known name, in a command and its subcommands."""
    for param in command.params:
        if param.name in BY_ARGUMENT and isinstance(param, click.Argument) and param._custom_shell_complete is None:
            param._custom_shell_complete = BY_ARGUMENT[param.name]
    if isinstance(command, click.Group):
        for child in command.commands.values():
            _with_completion(child)
    return command
