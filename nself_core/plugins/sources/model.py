"""What every source of plugins offers. A release always comes as a wheel whose package folder is the signed unit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

Progress = Callable[[int], None]
"""Called with the number of bytes that came since the last call."""


@dataclass(frozen=True, slots=True)
class Release:
    """One version of a plugin, as its source vouches for it."""

    registry: str
    """Name of the source: of a registry as configured, ``embedded``, ``wheel``, ``pypi``."""
    publisher: str
    name: str
    version: str
    tier: str = "free"
    bundles: tuple[str, ...] = ()
    summary: str = ""
    level: int = 0
    """Quality level that the registry computed, 0 where it did not."""
    manifest: Mapping[str, Any] = field(default_factory=dict)
    """The whole ``plugin.json``."""
    file: str = ""
    """How the source finds it: a path or URL of its own."""
    length: int = 0
    """Bytes of the wheel."""
    sha256: str = ""
    """Of the wheel, in hexadecimal."""
    yanked: bool = False
    """Withdrawn by its publisher: installed only where a version is asked for or locked exactly."""
    revoked: str = ""
    """Why it must not run; empty where nothing is against it."""

    @property
    def full_name(self) -> str:
        """``publisher/name``."""
        return f"{self.publisher}/{self.name}" if self.publisher else self.name


class Source(Protocol):
    """Somewhere plugins come from. Its errors are ``hookspecs.UserError``: not reachable, expired, not trustworthy."""

    @property
    def name(self) -> str:
        """What the user calls it."""

    def releases(self, name: str) -> list[Release]:
        """Every release of the plugins of that short name, of whatever publisher; yanked and revoked ones too."""

    def catalogue(self) -> list[Release]:
        """The newest release of each plugin that is neither yanked nor revoked."""

    def download(self, release: Release, into: Path, progress: Progress) -> Path:
        """Fetch the wheel into the folder and return its path, length and hash verified."""
