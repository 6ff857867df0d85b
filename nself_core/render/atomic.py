"""Writing files so that a reader finds the old one or the new one, never half of either."""

from __future__ import annotations

import os
import re
from pathlib import Path


def write_atomically(path: Path, content: bytes, mode: int = 0o644) -> None:
    """Write ``path`` through a temporary file in its folder and one rename. The folder must exist."""
    staged = stage(path, content, mode)
    try:
        staged.replace(path)
    except BaseException:
        staged.unlink(missing_ok=True)
        raise


def stage(path: Path, content: bytes, mode: int, *, sync: bool = True) -> Path:
    """Write the content beside ``path``, with its mode, ready to be renamed over it.

    ``sync`` waits until it is on disk. What can be made again goes without: a hundred waits cost more than a build.
    """
    staged = path.with_name(f".{path.name}.{os.urandom(6).hex()}.new")
    handle = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fchmod(handle, mode)
            if sync:
                os.fsync(handle)
    except BaseException:
        staged.unlink(missing_ok=True)
        raise
    return staged


def unfinished(path: Path) -> list[Path]:
    """What a process that was killed had staged for ``path``."""
    ours = re.compile(rf"\.{re.escape(path.name)}\.[0-9a-f]{{12}}\.new")
    try:
        return [entry for entry in path.parent.iterdir() if ours.fullmatch(entry.name)]
    except (FileNotFoundError, NotADirectoryError):
        return []
