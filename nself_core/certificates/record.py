"""What was made, remembered beside the certificate so that it need not be parsed again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from nself_core.render.atomic import write_atomically

_FILE = "made.json"


class Record(NamedTuple):
    """Hashes (SHA-256) of the certificate and its authority, the names it covers, and its last second (ISO 8601)."""

    chain: str
    authority: str
    names: tuple[str, ...]
    not_after: str

    @classmethod
    def of(cls, chain: bytes, names: tuple[str, ...], authority: bytes, not_after: datetime) -> Record:
        return cls(_hash(chain), _hash(authority), names, not_after.isoformat())

    def write(self, folder: Path) -> None:
        write_atomically(folder / _FILE, (json.dumps(self._asdict(), indent=1) + "\n").encode(), 0o600)

    @property
    def unfinished(self) -> bool:
        """Whether the making was cut short: key and certificate may not belong together."""
        return not self.chain

    def is_of(self, fullchain: Path) -> bool:
        """Whether that file is the certificate we made."""
        return _hash(fullchain.read_bytes()) == self.chain

    def serves(self, names: tuple[str, ...], home: Path, now: datetime, days: int) -> bool:
        """Whether it covers just these names, the same authority stands behind it, and it lasts for some days."""
        authority = certificate_path(home)
        return (
            self.names == names
            and authority.exists()
            and _hash(authority.read_bytes()) == self.authority
            and datetime.fromisoformat(self.not_after) - now > timedelta(days=days)
        )


def begin(folder: Path) -> None:
    """Note that key and certificate are about to be replaced."""
    Record("", "", (), "").write(folder)


def certificate_path(home: Path) -> Path:
    """The authority's certificate."""
    return home / "ca" / "rootCA.pem"


def wanted(hosts: Iterable[str], always: Iterable[str]) -> tuple[str, ...]:
    """All names, lower-case, each once, in a fixed order."""
    return tuple(dict.fromkeys([*sorted({host.lower() for host in hosts}), *always]))


def read(folder: Path) -> Record | None:
    """What was made there; ``None`` where nothing was, or the record cannot be read."""
    try:
        data = json.loads((folder / _FILE).read_text(encoding="utf-8"))
        return Record(data["chain"], data["authority"], tuple(data["names"]), data["not_after"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
