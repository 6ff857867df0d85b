"""One hash for the plugins that take part: equal as long as nothing of theirs can have changed."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence

from nself_core import __version__
from nself_core.plugins.discovery import OUR_FOLDER
from nself_core.plugins.hashing import total
from nself_core.plugins.model import Found, State
from nself_core.plugins.trust import Verdict, in_wheel


def fingerprint(plugins: Sequence[tuple[Found, Verdict]], more: str = "") -> str:
    """Names, versions and content of plugins. Ours from a wheel count by nself's version; a checkout's by time stamps."""
    digest = hashlib.sha256(f"{__version__}\0{more}".encode())
    if not in_wheel():  # a checkout's own code changes without its version changing
        for package in ("nself_core", "hookspecs"):
            for line in _stamps(os.path.join(os.path.dirname(OUR_FOLDER), package)):  # noqa: PTH118, PTH120
                digest.update(line.encode())
    for found, verdict in plugins:
        digest.update(f"\0{found.name}\0{found.manifest['version']}\0{verdict.state}\0{found.folder}".encode())
        if verdict.files is not None:
            digest.update(total(verdict.files).encode())
        elif verdict.state is State.DEVELOPMENT:
            for line in _stamps(found.folder):
                digest.update(line.encode())
    return digest.hexdigest()


def _stamps(folder: str) -> Iterator[str]:
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name != "__pycache__")
        for name in sorted(names):
            path = os.path.join(place, name)  # noqa: PTH118
            status = os.stat(path)  # noqa: PTH116
            yield f"\n{path}\0{status.st_mtime_ns}\0{status.st_size}"
