"""The store: every installed version of a plugin below ``store/<name>/``, and the one in use as a link in ``plugins``.

``store/<name>/<version>-<hash>/`` is the package folder as it was signed; ``….json`` beside it says where it came from. What
is in use is decided by links alone, and they change by a journal: it is written, whole and synced, by one rename; from then
on the change is done, and whoever comes next finishes it (``recover``). Before, nothing counts but leftovers.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from nself_core.plugins.allowed import Allowed
from nself_core.plugins.files import write_private
from nself_core.plugins.index import JOURNAL

STAGING = ".staging"
#: Versions of a plugin that are kept beside the one in use, for ``nself plugin rollback``.
KEPT = 2


@dataclass(frozen=True, slots=True)
class Installed:
    """One version in the store."""

    name: str
    version: str
    hash: str
    """``total`` of its files."""
    publisher: str = ""
    registry: str = ""
    """The source it came from: a registry's name, ``wheel`` or ``pypi``."""
    sha256: str = ""
    """Of the wheel."""
    asked: bool = True
    """Whether the user asked for it; else another plugin needs it."""
    at: str = ""
    """When it was installed, in UTC."""


@dataclass(slots=True)
class Change:
    """What a transaction does once it counts. Paths are absolute."""

    links: dict[str, str | None] = field(default_factory=dict)
    """Path below ``plugins`` → folder it shall lead to, ``None`` to remove it."""
    allowed: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Unsigned plugins the user allows by name: folder, version and files of each."""
    locks: dict[str, dict[str, Any]] = field(default_factory=dict)
    """``plugins.lock`` of a project → plugin → its pin as JSON, or ``None`` to take it out."""
    delete: list[str] = field(default_factory=list)
    """Folders below the home that are no longer needed."""


class Store:
    """The store of one home."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.folder = home / "store"
        self.links = home / "plugins"

    # What is there

    def active(self) -> dict[str, Installed]:
        """The versions in use, by name; folders that the user linked are not among them."""
        from nself_core.plugins.discovery import links

        base = os.path.realpath(self.folder) + os.sep
        named = ((name, Path(folder)) for name, folder in links(str(self.home)) if folder.startswith(base))
        found = ((name, self._record(folder)) for name, folder in named)
        return {name: record for name, record in found if record is not None}

    def linked(self) -> dict[str, Path]:
        """The folders that the user linked, by name."""
        from nself_core.plugins.discovery import links

        base = os.path.realpath(self.folder) + os.sep
        return {name: Path(folder) for name, folder in links(str(self.home)) if not folder.startswith(base)}

    def versions(self, name: str) -> list[Installed]:
        """Every version kept of a plugin, the last installed first."""
        records = [self._record(path.with_suffix("")) for path in (self.folder / name).glob("*.json")]
        there = [record for record in records if record is not None and self.place(record).is_dir()]
        return sorted(there, key=lambda record: record.at, reverse=True)

    def place(self, one: Installed) -> Path:
        """The folder of a version."""
        return self.folder / one.name / f"{one.version}-{one.hash.removeprefix('sha256:')[:16]}"

    # Changing it

    @contextmanager
    def lock(self, action: str) -> Iterator[None]:
        """Hold the home for a change; finishes what an earlier one left, and clears what it left over."""
        from nself_core.lock import project_lock

        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        with project_lock(self.home, action, place="this home"):
            self.recover()
            shutil.rmtree(self.folder / STAGING, ignore_errors=True)
            yield

    @contextmanager
    def staging(self) -> Iterator[Path]:
        """A folder on the store's file system for what is not yet certain."""
        place = self.folder / STAGING
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(dir=place))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def put(self, folder: Path, record: Installed) -> Path:
        """Move an unpacked, verified package into the store. Until a link leads to it, it counts for nothing."""
        target = self.place(record)
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(Path(f"{target}.json"), json.dumps(asdict(record), indent=1, sort_keys=True) + "\n")
        if target.exists():  # the same files, perhaps changed since: what was just verified takes their place
            old = Path(tempfile.mkdtemp(dir=self.folder / STAGING)) / "old"
            target.rename(old)
        folder.rename(target)
        return target

    def apply(self, change: Change) -> None:
        """Make a change count, by one rename, and carry it out."""
        write_private(self.home / JOURNAL, json.dumps(asdict(change), sort_keys=True))
        self.recover()

    def recover(self) -> None:
        """Carry out a change that counts and was not finished. Each step may be done twice."""
        try:
            change = Change(**json.loads((self.home / JOURNAL).read_bytes()))
        except FileNotFoundError:
            return
        for name, target in change.links.items():
            _link(self.links / name, target)
        allowed = Allowed(self.home)
        for name, what in change.allowed.items():
            allowed.add(name, what["folder"], what["version"], what["files"])
        for place, pins in change.locks.items():
            _write_pins(Path(place), pins)
        for folder in change.delete:
            shutil.rmtree(folder, ignore_errors=True)
            Path(f"{folder}.json").unlink(missing_ok=True)
            with suppress(OSError):
                Path(folder).parent.rmdir()
        (self.home / JOURNAL).unlink(missing_ok=True)

    def superseded(self, name: str, current: Installed) -> list[str]:
        """Folders of versions too old to be kept beside ``current``."""
        others = [one for one in self.versions(name) if self.place(one) != self.place(current)]
        return [str(self.place(one)) for one in others[KEPT:]]

    def _record(self, folder: Path) -> Installed | None:
        try:
            stored = json.loads(Path(f"{folder}.json").read_bytes())
            return Installed(**stored)
        except (OSError, ValueError, TypeError):
            return None


def _link(place: Path, target: str | None) -> None:
    if target is None:
        place.unlink(missing_ok=True)
        return
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = place.with_name(f".{place.name}.new")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target)
    temporary.replace(place)


def _write_pins(place: Path, pins: Mapping[str, Any]) -> None:
    from nself_core.plugins.lock import Lock, Pin

    if not place.parent.is_dir():  # the project is gone
        return
    lock = Lock(place.parent)
    lock.change({name: None if pin is None else Pin(**pin) for name, pin in pins.items()})
