"""Making the secrets that are missing and that only services share."""

from __future__ import annotations

import secrets
import string
from collections.abc import Mapping
from pathlib import Path

from nself_core.render.atomic import write_atomically
from nself_core.settings.cascade import secrets_path

#: Generated secrets are alphanumeric: they need no quoting anywhere.
ALPHABET = string.ascii_letters + string.digits


def generate(length: int) -> str:
    """A random secret of that many letters and digits (5.95 bits each)."""
    return "".join(secrets.choice(ALPHABET) for _ in range(length))


def provision(root: Path, environment: str, wanted: Mapping[str, int]) -> None:
    """Add a generated value for each wanted secret (name → length) to the environment's secrets file, 0600."""
    path = secrets_path(root, environment)
    path.parent.mkdir(parents=True, exist_ok=True)
    known = path.read_text(encoding="utf-8") if path.exists() else "# Secrets of this environment. Keep them out of git.\n"
    if known and not known.endswith("\n"):
        known += "\n"
    added = "".join(f"{name}={generate(length)}\n" for name, length in sorted(wanted.items()))
    write_atomically(path, (known + added).encode(), 0o600)
