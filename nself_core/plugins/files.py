"""Small files of our own, written whole or not at all."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def write_private(path: Path, content: str) -> None:
    """Write a file that its owner alone may read (0600)."""
    _write(path, content, 0o600, 0o700)


def write_public(path: Path, content: str) -> None:
    """Write a file that belongs in version control (0644)."""
    _write(path, content, 0o644, 0o755)


def _write(path: Path, content: str, mode: int, folder_mode: int) -> None:
    import tempfile

    path.parent.mkdir(mode=folder_mode, parents=True, exist_ok=True)
    handle, made = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with open(handle, "w", encoding="utf-8") as file:  # noqa: PTH123  a descriptor, not a path
            os.fchmod(file.fileno(), mode)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(made).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(made).unlink()
        raise
