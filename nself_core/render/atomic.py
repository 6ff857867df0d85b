"""Writing files so that a reader finds the old one or the new one, never half of either."""

from __future__ import annotations

import os
import tempfile
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
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".new", dir=path.parent)
    staged = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            if sync:
                os.fsync(file.fileno())
        staged.chmod(mode)
    except BaseException:
        staged.unlink(missing_ok=True)
        raise
    return staged
