"""The verification seam: what a plugin's state is, settled from its files before any of its code is imported.

``nself plugin allow NAME`` records the hash of every file of a plugin in nself's home, readable by its owner alone; from
then on those very bytes are allowed, and others are not. Signatures join here: each is one more way to a state.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from nself_core import __version__
from nself_core.plugins.discovery import OUR_FOLDER
from nself_core.plugins.files import write_private
from nself_core.plugins.model import Found, State

Files = Mapping[str, str]
"""Relative POSIX path to the SHA-256 of its bytes, in hexadecimal."""

#: Never read: the loader compiles the source it verified.
_SKIPPED = "__pycache__"


class Verdict(NamedTuple):
    """A state and, where the plugin may not be imported, why. ``files`` is what the loader must find again, byte for byte."""

    state: State
    reason: str = ""
    remedy: str = ""
    files: Files | None = None


class Allowed:
    """What the user allowed on this machine, kept in ``allowed.json`` of nself's home."""

    def __init__(self, home: Path) -> None:
        self._place = home / "allowed.json"
        self._records: dict[str, list[dict[str, Any]]] | None = None

    def records(self, name: str) -> list[dict[str, Any]]:
        """What was allowed under that name: folder, version, hash and files of each."""
        return self._all().get(name, [])

    def add(self, found: Found) -> str:
        """Allow the plugin's files as they are now, in place of what was allowed of that folder; returns their hash."""
        files = hash_files(found.folder)
        record = {"folder": found.folder, "version": found.manifest["version"], "hash": total(files), "files": dict(files)}
        kept = [old for old in self.records(found.name) if old["folder"] != found.folder]
        self._save({**self._all(), found.name: [*kept, record]})
        return str(record["hash"])

    def remove(self, name: str) -> bool:
        """Take the permission back; whether there was one."""
        records = dict(self._all())
        if records.pop(name, None) is None:
            return False
        self._save(records)
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


def judge(found: Found, allowed: Allowed) -> Verdict:
    """The plugin's state now, from its files as they are now."""
    if found.source == "core":
        return Verdict(State.CORE if in_wheel() else State.DEVELOPMENT)
    if found.source == "linked":
        return Verdict(State.DEVELOPMENT)
    remedy = f"nself plugin allow {found.name}"
    records = allowed.records(found.name)
    if not records:
        return Verdict(State.UNSIGNED, "nobody has signed it and you have not allowed it", remedy)
    try:
        files = hash_files(found.folder)
    except (OSError, ValueError) as error:
        return Verdict(State.MODIFIED, f"its files cannot be verified: {error}")
    if any(record["files"] == files for record in records):
        return Verdict(State.ALLOWED, files=files)
    same = [record for record in records if record["folder"] == found.folder] or records
    what = _difference(same[-1]["files"], files)
    return Verdict(State.MODIFIED, f"its files are not those you allowed: {what}", f"look at the change, then {remedy}")


def in_wheel() -> bool:
    """Whether this nself is an installed distribution and no source checkout."""
    return os.path.isdir(os.path.join(os.path.dirname(OUR_FOLDER), f"nself-{__version__}.dist-info"))  # noqa: PTH112, PTH118, PTH120


def hash_files(folder: str) -> dict[str, str]:
    """The SHA-256 of every file below ``folder``. ``ValueError`` for a link to a folder, whose content could be anything."""
    import hashlib

    hashes: dict[str, str] = {}
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name != _SKIPPED)
        for name in folders:
            if os.path.islink(os.path.join(place, name)):  # noqa: PTH114, PTH118
                raise ValueError(f"{os.path.join(place, name)} is a link to a folder")  # noqa: PTH118
        for name in sorted(names):
            path = os.path.join(place, name)  # noqa: PTH118
            with open(path, "rb") as file:  # noqa: PTH123
                digest = hashlib.sha256(file.read()).hexdigest()
            hashes[os.path.relpath(path, folder).replace(os.sep, "/")] = digest
    return hashes


def total(files: Files) -> str:
    """One hash for a set of files."""
    import hashlib

    lines = "".join(f"{digest}  {name}\n" for name, digest in sorted(files.items()))
    return f"sha256:{hashlib.sha256(lines.encode()).hexdigest()}"


def _difference(before: Files, now: Files) -> str:
    told = [f"{name} changed" for name in sorted(before.keys() & now.keys()) if before[name] != now[name]]
    told += [f"{name} is new" for name in sorted(now.keys() - before.keys())]
    told += [f"{name} is gone" for name in sorted(before.keys() - now.keys())]
    return ", ".join(told[:3]) + (f" and {len(told) - 3} more" if len(told) > 3 else "")
