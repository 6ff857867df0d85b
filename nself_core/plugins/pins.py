"""Versions that the user holds on to: no update and no other plugin's need moves them. ``pins.json`` of nself's home."""

from __future__ import annotations

import json
from pathlib import Path

from nself_core.plugins.files import write_private


def pinned(home: Path) -> dict[str, str]:
    """Plugin → version."""
    try:
        stored = json.loads((home / "pins.json").read_bytes())
        return {str(name): str(version) for name, version in stored["plugins"].items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        from hookspecs.errors import UserError

        raise UserError(f"the list of pinned plugins cannot be read ({error})", where=str(home / "pins.json")) from None


def pin(home: Path, name: str, version: str | None) -> None:
    """Hold a plugin at a version, or with ``None`` let go of it."""
    pins = pinned(home)
    if version is None:
        pins.pop(name, None)
    else:
        pins[name] = version
    write_private(home / "pins.json", json.dumps({"format": 1, "plugins": pins}, indent=1, sort_keys=True) + "\n")
