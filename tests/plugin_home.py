"""Plugins of a test in a home of its own: folders linked for development, and enabled in a project."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FIXTURES = Path(__file__).parent / "fixtures"


def link(home: Path, name: str, folder: Path | None = None) -> None:
    """Link a plugin's package folder, that of the fixture of this name where none is given."""
    (home / "plugins").mkdir(parents=True, exist_ok=True)
    source = folder or FIXTURES / f"nself-plugin-{name}" / f"nself_plugin_{name.replace('-', '_')}"
    (home / "plugins" / name).symlink_to(source)


def write(home: Path, place: Path, name: str, code: str, files: dict[str, str] | None = None, **manifest: Any) -> Path:
    """Write a plugin of one module into ``place`` and link it."""
    folder = place / name
    folder.mkdir(parents=True)
    fields = {"name": name, "version": "1.0.0", "summary": "A plugin of a test.", **manifest}
    (folder / "plugin.json").write_text(json.dumps(fields))
    (folder / "__init__.py").write_text(code)
    for path, text in (files or {}).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    link(home, name, folder)
    return folder


def enable(root: Path, *names: str) -> None:
    """Enable plugins in a project."""
    root.mkdir(exist_ok=True)
    pins = {name: {"enabled": True, "hash": "", "version": "1.0.0"} for name in names}
    (root / "plugins.lock").write_text(json.dumps({"format": 1, "plugins": pins}))
