"""The pip that fetches what plugins require: nself's own environment need not have one (pipx and uv make such)."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from hookspecs.errors import UserError

#: Where Debian keeps the wheels that Python's own ``ensurepip`` carries elsewhere.
_DEBIAN = Path("/usr/share/python-wheels")
_COMMON = ("--disable-pip-version-check", "--no-input")


def run_pip(arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run pip for this very Python; its exit code is the caller's to look at. ``UserError`` where there is none."""
    command = [*_command(), *_COMMON, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)


def _command() -> list[str]:
    """That of the environment, else the wheel that comes with Python, which runs as it is, else one on the path."""
    if has_own():
        return [sys.executable, "-m", "pip"]
    if wheel := bundled():
        return [sys.executable, f"{wheel}/pip"]
    if found := shutil.which("pip3") or shutil.which("pip"):
        return [found, "--python", sys.executable]
    raise UserError(
        "a plugin requires Python packages, and there is no pip to fetch them",
        where=sys.prefix, remedy="pipx inject nself pip, or uv pip install pip, or your system's python3-pip", code="packages",
    )  # fmt: skip


def has_own() -> bool:
    """Whether this environment has pip."""
    return find_spec("pip") is not None


def bundled() -> Path | None:
    """The wheel of pip that comes with Python."""
    spec = find_spec("ensurepip")
    folders = [Path(place) / "_bundled" for place in (spec.submodule_search_locations or ())] if spec else []
    return next((wheel for folder in (*folders, _DEBIAN) for wheel in sorted(folder.glob("pip-*.whl"))), None)
