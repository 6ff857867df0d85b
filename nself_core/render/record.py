"""What the last build wrote, so that the next one can tell a user's edit from its own work.

``.nself/build.json`` maps each path to the hash that was written. Before anything is staged beside its place the paths and new
hashes are put into ``.nself/build.pending.json``; a build killed after that is understood, and tidied up, by the next one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nself_core.render.atomic import unfinished, write_atomically

RECORD = "build.json"
PENDING = "build.pending.json"


@dataclass
class Record:
    """Hashes by path, and the stamp of the inputs they came from."""

    files: dict[str, str] = field(default_factory=dict)
    once: list[str] = field(default_factory=list)
    stamp: dict[str, Any] = field(default_factory=dict)
    pending: dict[str, str] = field(default_factory=dict)
    staged: list[str] = field(default_factory=list)
    """What the pending build was to write, scaffolds too."""

    @classmethod
    def read(cls, state: Path) -> Record:
        """The record of a project; an unreadable one counts as none, so that every file is looked at again."""
        known = _load(state / RECORD)
        pending = _load(state / PENDING)
        try:
            return cls(
                files=dict(known.get("files", {})),
                once=list(known.get("once", [])),
                stamp=dict(known.get("stamp", {})),
                pending=dict(pending.get("files", {})),
                staged=list(pending.get("staged", [])),
            )
        except (TypeError, ValueError):
            return cls()

    def ours(self, path: str, digest: str) -> bool:
        """Whether a file with that hash is what a build wrote."""
        return digest in (self.files.get(path), self.pending.get(path))

    def announce(self, state: Path, files: Mapping[str, str], staged: Sequence[str]) -> None:
        """Say what is about to be written: the hashes of what stays ours, and every path."""
        document = {"files": {**self.pending, **files}, "staged": sorted({*self.staged, *staged})}
        write_atomically(state / PENDING, _dump(document), 0o600)

    def tidy(self, root: Path) -> None:
        """Remove what a killed build had staged and not put in place."""
        for path in self.staged:
            for left in unfinished(root / path):
                left.unlink(missing_ok=True)

    def save(self, state: Path) -> None:
        """Write the record; nothing is pending afterwards."""
        document = {"files": dict(sorted(self.files.items())), "once": sorted(self.once), "stamp": self.stamp}
        write_atomically(state / RECORD, _dump(document), 0o600)
        (state / PENDING).unlink(missing_ok=True)
        self.pending, self.staged = {}, []


def digest_of(path: Path) -> str | None:
    """SHA-256 of a file, ``None`` where there is none."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None


def _load(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}


def _dump(document: Mapping[str, Any]) -> bytes:
    return (json.dumps(document, sort_keys=True) + "\n").encode()  # no indent: json's C encoder has none
