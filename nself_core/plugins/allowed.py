"""What the user allowed on this machine, by name: the hash of every file of a plugin, readable by its owner alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from nself_core.plugins.files import write_private
from nself_core.plugins.hashing import Files, total


class Allowed:
    """``allowed.json`` of nself's home: from then on those very bytes may be loaded, and others may not."""

    def __init__(self, home: Path) -> None:
        self._place = home / "allowed.json"
        self._records: dict[str, list[dict[str, Any]]] | None = None

    def records(self, name: str, folder: str = "") -> list[dict[str, Any]]:
        """What was allowed under that name, or of it in that folder alone: folder, version, hash and files of each."""
        found = self._all().get(name, [])
        return [record for record in found if record["folder"] == folder] if folder else found

    def add(self, name: str, folder: str, version: str, files: Files) -> str:
        """Allow these files, in place of what was allowed of that folder; returns their hash."""
        record = {"folder": folder, "version": version, "hash": total(files), "files": dict(files)}
        kept = [old for old in self.records(name) if old["folder"] != folder]
        self._save({**self._all(), name: [*kept, record]})
        return str(record["hash"])

    def remove(self, name: str, folder: str = "") -> bool:
        """Take the permission back, or that for one folder; whether there was one."""
        gone = self.records(name, folder)
        if not gone:
            return False
        kept = [record for record in self.records(name) if record not in gone]
        others = {other: records for other, records in self._all().items() if other != name}
        self._save({**others, **({name: kept} if kept else {})})
        return True

    def _all(self) -> dict[str, list[dict[str, Any]]]:
        if self._records is None:
            try:
                stored = json.loads(self._place.read_bytes())
                self._records = dict(stored["plugins"])
            except FileNotFoundError:
                self._records = {}
            except (OSError, ValueError, KeyError, TypeError) as error:
                from hookspecs.errors import UserError

                raise UserError(
                    f"the list of allowed plugins cannot be read ({error})",
                    where=str(self._place),
                    remedy="remove the file and allow each plugin anew with `nself plugin allow NAME`",
                ) from None
        return self._records

    def _save(self, records: dict[str, list[dict[str, Any]]]) -> None:
        content = json.dumps({"format": 1, "plugins": records}, indent=1, sort_keys=True) + "\n"
        write_private(self._place, content)
        self._records = records
