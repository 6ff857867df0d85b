"""An enabled plugin that is not nself's own, as the parts that run it are told of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from hookspecs.models.base import Model
from hookspecs.models.manifest import Manifest


class InstalledPlugin(Model):
    """What runs a plugin's code needs to know to load it: nothing else is searched for, and only these bytes are run.

    ``files`` maps each file's path below ``folder`` to its SHA-256; ``None`` for a folder under development, whose files may
    change from one start to the next.
    """

    name: str
    version: str
    module: str
    """The canonical name its package is imported by."""
    folder: str
    state: str
    """How far it is trusted: ``signed``, ``allowed``, ``development`` …"""
    files: Mapping[str, str] | None = None
    manifest: Manifest
    environment: str = ""
    """The Python environment of its own (``bin/python`` is in it), where its manifest asks for one and it is installed."""

    @property
    def hooks(self) -> tuple[str, ...]:
        return self.manifest.hooks


class PluginLoader(Protocol):
    """Gives what runs plugins their code; handed to the function that ``python -m nself_core.plugins.serve`` calls."""

    def hook(self, plugin: InstalledPlugin, name: str) -> Callable[..., Any]:
        """The plugin's implementation of a hook, called with arguments by name.

        The first call imports the plugin, from verified bytes. ``UserError`` where it may not or cannot be imported, or lacks the
        hook.
        """
