"""What is known of a plugin before its code is imported. Start-up reads these, so they are plain frozen classes."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Literal, NamedTuple

#: Where a plugin was found. ``core``: one of ours; ``entry-point``: a Python distribution; ``store``: installed by
#: nself below its home; ``linked``: a folder of the user's that nself's home links to; ``project``: the ``nselffile.py`` of the
#: project at hand.
Source = Literal["core", "entry-point", "store", "linked", "project"]


class State(StrEnum):
    """How far a plugin is trusted, settled before its code is imported. New states may be added."""

    CORE = "core"
    """Ours, from an installed distribution."""
    DEVELOPMENT = "development"
    """Ours in a source checkout, or a folder the user linked."""
    ALLOWED = "allowed"
    """The user allowed these very files."""
    SIGNED = "signed"
    HMAC = "hmac"
    LOCAL = "local"
    UNSIGNED = "unsigned"
    """Nobody vouches for it: not imported."""
    MODIFIED = "modified"
    """Its files are not those that were allowed or signed: not imported."""
    REVOKED = "revoked"

    @property
    def runnable(self) -> bool:
        """Whether the plugin's code may be imported."""
        return self not in {State.UNSIGNED, State.MODIFIED, State.REVOKED}


class Found(NamedTuple):
    """A plugin as discovery found it. With a ``problem`` it is known by name and cannot be used."""

    name: str
    source: Source
    module: str
    """The canonical name its package is imported by."""
    folder: str
    """The folder of ``plugin.json``; empty where it was not found."""
    distribution: str
    manifest: Mapping[str, Any] = {}
    problem: str = ""

    @property
    def full_name(self) -> str:
        """``publisher/name``, or the name alone of a plugin without a publisher."""
        publisher = self.manifest.get("publisher", "")
        return f"{publisher}/{self.name}" if publisher else self.name

    @property
    def hooks(self) -> tuple[str, ...]:
        return tuple(self.manifest.get("hooks", ()))

    @property
    def depends_on(self) -> tuple[str, ...]:
        """The names of the plugins it depends on, without version ranges."""
        from nself_core.plugins.versions import names_of

        return names_of(tuple(self.manifest.get("depends_on", ())))


class PluginEntry(NamedTuple):
    """A plugin as this project sees it."""

    name: str
    version: str
    state: State
    enabled: bool
    """Whether it takes part in this project (built-ins always do)."""
    path: str
    summary: str
    reason: str
    """Why it is left out, empty where it is not."""
    manifest: Mapping[str, Any]
    source: Source
    remedy: str = ""

    @property
    def usable(self) -> bool:
        """Whether it contributes here: enabled, and nothing speaks against it."""
        return self.enabled and not self.reason
