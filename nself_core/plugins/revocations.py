"""What registries have revoked, remembered in ``revoked.json`` of nself's home, so that it also holds offline and at load.

A registry that no longer lists a revocation does not lift it; that takes removing the line from the file.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nself_core.plugins.files import write_private

if TYPE_CHECKING:
    from nself_core.plugins.sources.model import Release


class Revocations:
    """Keys and releases that must not count any more, each with the reason."""

    def __init__(self, home: Path) -> None:
        self._place = home / "revoked.json"

    @cached_property
    def _stored(self) -> dict[str, Any]:
        try:
            stored = json.loads(self._place.read_bytes())
            return {"format": 1, "keys": dict(stored["keys"]), "releases": dict(stored["releases"])}
        except FileNotFoundError:
            return {"format": 1, "keys": {}, "releases": {}}
        except (OSError, ValueError, KeyError, TypeError) as error:
            from hookspecs.errors import UserError

            raise UserError(
                f"the list of what was revoked cannot be read ({error})",
                where=str(self._place),
                remedy="put it back from a backup, or remove it and run `nself plugin outdated` to fetch it anew",
            ) from None

    @property
    def any(self) -> bool:
        """Whether anything was ever revoked."""
        return bool(self._stored["keys"] or self._stored["releases"])

    def reason(self, full_name: str, version: str, key: str = "") -> str:
        """Why this version (``publisher/name``), or the key it is signed with, is revoked; empty where it is not."""
        if key and key in self._stored["keys"]:
            return f"the key {key} that signed it was revoked: {self._stored['keys'][key]}"
        return str(self._stored["releases"].get(f"{full_name} {version}", ""))

    def remember(self, releases: Iterable[Release] = (), keys: Mapping[str, str] | None = None) -> None:
        """Add what a registry says is revoked: releases, and keys by id with the reason."""
        told = {f"{one.full_name} {one.version}": one.revoked for one in releases if one.revoked}
        new_keys = dict(keys or {})
        stored = self._stored
        if told.items() <= stored["releases"].items() and new_keys.items() <= stored["keys"].items():
            return
        stored["releases"] |= told
        stored["keys"] |= new_keys
        write_private(self._place, json.dumps(stored, indent=1, sort_keys=True) + "\n")
