"""Small files of our own, written whole or not at all."""

from __future__ import annotations

from pathlib import Path


def write_private(path: Path, content: str) -> None:
    """Write a file that its owner alone may read (0600), in a folder of the same kind."""
    _write(path, content, 0o600, 0o700)


def write_public(path: Path, content: str) -> None:
    """Write a file that belongs in version control (0644)."""
    _write(path, content, 0o644, 0o755)


def _write(path: Path, content: str, mode: int, folder_mode: int) -> None:
    from nself_core.render.atomic import write_atomically

    path.parent.mkdir(mode=folder_mode, parents=True, exist_ok=True)
    write_atomically(path, content.encode(), mode)
