"""The compiled index: what discovery found, kept as JSON so that a start-up reads one file instead of hundreds.

It is valid for one Python prefix, Python version and nself version, the time stamps of the site folders, the links in
nself's home and the time stamp of each ``plugin.json``. It never holds a verdict of trust. Where the home cannot be written, it
lives in memory.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from nself_core import __version__
from nself_core.plugins import discovery, manifest
from nself_core.plugins.discovery import link_paths, scan, sites
from nself_core.plugins.manifest import MANIFEST
from nself_core.plugins.model import Found

#: Raised when what is stored, or how it is found, changes.
FORMAT = 2
#: A change of what is installed that counts and was interrupted before it was carried out.
JOURNAL = "plugins.pending.json"


def load(home: Path) -> tuple[Found, ...]:
    """Every plugin there is, sorted by name: from the index where it is still true, else found anew."""
    if os.path.exists(os.path.join(home, JOURNAL)):  # noqa: PTH110, PTH118
        finish(home)
    folders = sites()
    key = _key(str(home), folders)
    place = _place(home)
    stored = _read(place)
    if stored is not None and stored.get("key") == key and all(_stamp(path) == stamp for path, stamp in stored["watched"]):
        return tuple(Found(**one) for one in stored["plugins"])
    found = tuple(scan(str(home), folders))
    watched = sorted({_watched(one, folders) for one in found} - {""})
    _write(
        place, {"key": key, "watched": [[path, _stamp(path)] for path in watched], "plugins": [one._asdict() for one in found]}
    )
    return found


def finish(home: Path) -> None:
    """Carry out a change that another run began; while that one is still at it, it is left alone."""
    from hookspecs.errors import UserError
    from nself_core.plugins.install.store import Store

    with suppress(UserError, OSError), Store(home).lock("plugin install"):
        pass


def _key(home: str, folders: Sequence[str]) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "nself": [__version__, _stamp(discovery.__file__), _stamp(manifest.__file__)],  # a checkout's rules may change
        "prefix": sys.prefix,
        "python": sys.implementation.cache_tag,
        "sites": [[folder, os.stat(folder).st_mtime_ns] for folder in folders],  # noqa: PTH116
        "links": [[link, *_aim(link)] for link in link_paths(home)],
    }


def _aim(link: str) -> list[Any]:
    """What tells where a link leads and what is there: to ask for each real path takes thirteen questions instead of two."""
    try:
        text = os.readlink(link)  # noqa: PTH115
    except OSError:
        text = ""
    try:
        status = os.stat(os.path.join(link, MANIFEST))  # noqa: PTH116, PTH118
    except OSError:
        return [text]
    return [text, status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size]


def _watched(one: Found, folders: Sequence[str]) -> str:
    """The file whose coming, going or changing makes the index stale for this plugin; empty where the key tells of it."""
    if one.source in {"store", "linked"}:
        return ""
    if one.folder:
        return os.path.join(one.folder, MANIFEST)  # noqa: PTH118
    # A package that is not there (yet): an editable install's folder may come to be without any site folder changing.
    from importlib.util import find_spec

    top, *rest = one.module.split(".")
    if not top.isidentifier() or (spec := find_spec(top)) is None or not spec.submodule_search_locations:
        return ""
    return os.path.join(next(iter(spec.submodule_search_locations)), *rest)  # noqa: PTH118


def _stamp(path: str) -> list[int] | None:
    try:
        status = os.stat(path)  # noqa: PTH116
    except OSError:
        return None
    return [status.st_mtime_ns, status.st_size]


def _place(home: Path) -> str:
    import zlib

    name = zlib.crc32(f"{sys.prefix}\0{sys.implementation.cache_tag}\0{__version__}".encode())
    return os.path.join(home, "cache", f"plugins-{name:08x}.json")  # noqa: PTH118


def _read(place: str) -> dict[str, Any] | None:
    try:
        with open(place, "rb") as file:  # noqa: PTH123
            stored = json.loads(file.read())
    except (OSError, ValueError):
        return None
    return stored if isinstance(stored, dict) else None


def _write(place: str, content: dict[str, Any]) -> None:
    """Write by rename. A home that cannot be written costs time, not correctness."""
    import tempfile

    folder = os.path.dirname(place)  # noqa: PTH120
    with suppress(OSError):
        os.makedirs(folder, mode=0o700, exist_ok=True)  # noqa: PTH103
        handle, made = tempfile.mkstemp(dir=folder, prefix=".index-")
        try:
            with open(handle, "w", encoding="utf-8") as file:  # noqa: PTH123
                file.write(json.dumps(content, separators=(",", ":")))  # `json.dump` does without the C encoder
            os.replace(made, place)  # noqa: PTH105
        except OSError:
            with suppress(OSError):
                os.unlink(made)  # noqa: PTH108
