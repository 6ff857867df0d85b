"""The values that a build took from the process environment, kept (0600) so that ``start`` sees the same."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from nself_core.render.atomic import write_atomically

FILE = "environ.json"


def keep(state: Path, environment: str, values: Mapping[str, str]) -> None:
    """Remember what the build of an environment used. The state folder exists."""
    document = _read(state)
    if document.get(environment, {}) == dict(values):
        return
    document[environment] = dict(values)
    if not values:
        del document[environment]
    write_atomically(state / FILE, (json.dumps(document, indent=1, sort_keys=True) + "\n").encode(), 0o600)


def with_kept(state: Path, environment: str, environ: Mapping[str, str]) -> dict[str, str]:
    """The process environment over what was kept for an environment."""
    return {**_read(state).get(environment, {}), **environ}


def _read(state: Path) -> dict[str, dict[str, str]]:
    try:
        document = json.loads((state / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}
