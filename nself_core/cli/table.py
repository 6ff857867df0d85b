"""The core's commands as data: a name, its module, its line of help and its section, so that help imports none of them."""

from __future__ import annotations

from typing import NamedTuple

#: Sections of ``nself --help``, in this order; plugins' own sections follow.
SECTIONS = ("Start here", "Look", "Settings", "Plugins and runtimes", "Tidy up", "This program")


class Entry(NamedTuple):
    """A command of the core. ``aliases`` are other words for the very same command."""

    name: str
    section: str
    help: str
    aliases: tuple[str, ...] = ()

    @property
    def module(self) -> str:
        """The module that exports it as ``command``."""
        return f"nself_core.cli.commands.{self.name}"


COMMANDS = (
    Entry("init", "Start here", "Make a project here: settings, secrets and a first .env.dev."),
    Entry("build", "Start here", "Write every generated file from the settings."),
    Entry("start", "Start here", "Start the stack and wait until it is healthy.", ("up",)),
    Entry("stop", "Start here", "Stop the stack; data stays.", ("down",)),
    Entry("restart", "Start here", "Restart services and wait until they are healthy."),
    Entry("status", "Look", "List the services and the state of each."),
    Entry("health", "Look", "Run the health probes now; the exit code answers."),
    Entry("logs", "Look", "Show what the services write."),
    Entry("urls", "Look", "List where each service is reached."),
    Entry("exec", "Look", "Run a command in a service."),
    Entry("doctor", "Look", "Find what is wrong here, and offer to mend it."),
    Entry("explain", "Look", "Tell which plugin, hook and variable produced a value."),
    Entry("env", "Settings", "List, switch, create, compare and check environments."),
    Entry("config", "Settings", "Read, change, check and explain settings."),
    Entry("secrets", "Settings", "Generate, list and rotate secrets."),
    Entry("trust", "Settings", "Make this machine trust the local certificate authority."),
    Entry("plugin", "Plugins and runtimes", "Find, install, trust, enable and write plugins."),
    Entry("license", "Plugins and runtimes", "Set, show and remove the licence for paid plugins."),
    Entry("runtime", "Plugins and runtimes", "Show how the stack runs, or move it to another runtime."),
    Entry("eject", "Plugins and runtimes", "Write a folder that runs the stack without nself."),
    Entry("clean", "Tidy up", "Remove what can be made again."),
    Entry("destroy", "Tidy up", "Remove the stack with its data, after a typed confirmation."),
    Entry("completion", "This program", "Print the completion script of a shell."),
    Entry("version", "This program", "Print the version."),
)

#: Every word of the core, aliases too, to its entry.
BY_WORD = {word: entry for entry in COMMANDS for word in (entry.name, *entry.aliases)}
