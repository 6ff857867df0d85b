"""``plugins.lock``: which plugins take part in a project. Users commit it; it permits nothing by itself.

JSON, sorted, so that two people who enable the same plugins get the same bytes::

    {"format": 1, "plugins": {"example": {"enabled": true, "hash": "sha256:…", "publisher": "acme", "registry": "main",
     "version": "1.0.0"}}}
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from nself_core.plugins.files import write_public

NAME = "plugins.lock"


class Pin(NamedTuple):
    """One plugin of a project: whether it takes part, and which content was enabled."""

    enabled: bool
    version: str
    hash: str
    publisher: str = ""
    registry: str = ""
    """Where it came from: a registry's name, ``wheel``, ``pypi``, or ``folder``."""


class Lock:
    """The lock of one project. Outside a project it is empty."""

    def __init__(self, root: Path | None) -> None:
        self.place = root / NAME if root else None
        self.pins = self._read()

    def enabled(self, name: str) -> bool:
        pin = self.pins.get(name)
        return pin is not None and pin.enabled

    def put(self, name: str, pin: Pin) -> None:
        """Record a plugin; ``ValueError`` outside a project."""
        self.change({name: pin})

    def change(self, pins: Mapping[str, Pin | None]) -> None:
        """Record plugins, or take out those without a pin; ``ValueError`` outside a project."""
        if self.place is None:
            raise ValueError("there is no project to record it in")
        merged = {**self.pins, **pins}
        self.pins = {name: pin for name, pin in merged.items() if pin is not None}
        plugins = {name: {k: v for k, v in pin._asdict().items() if v != ""} for name, pin in self.pins.items()}
        content = {"format": 1, "plugins": {name: {"hash": "", **pin} for name, pin in plugins.items()}}
        write_public(self.place, json.dumps(content, indent=2, sort_keys=True) + "\n")

    def _read(self) -> dict[str, Pin]:
        if self.place is None:
            return {}
        try:
            stored = json.loads(self.place.read_bytes())
            return {name: _pin(pin) for name, pin in stored["plugins"].items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            from hookspecs.errors import UserError

            raise UserError(
                f"the project's list of plugins cannot be read ({error})",
                where=str(self.place),
                remedy="put back the committed file, or remove it and run `nself plugin enable NAME` for each plugin",
            ) from None


def _pin(stored: Mapping[str, object]) -> Pin:
    texts = {key: str(stored.get(key, "")) for key in ("publisher", "registry")}
    return Pin(bool(stored["enabled"]), str(stored["version"]), str(stored["hash"]), **texts)
