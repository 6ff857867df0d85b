"""Writing a file so that a reader finds the old one or the new one."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def write(place: Path, content: bytes, *, sync: bool = True) -> None:
    """Write through a temporary file in the same folder and one rename; readable by everyone, as a registry is.

    ``sync`` waits until it is on disk. A published tree goes without: the next publish mends what a power cut left.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=".new-", dir=place.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            if sync:
                file.flush()
                os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(place)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
