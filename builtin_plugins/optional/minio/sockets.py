"""The gRPC ports of SeaweedFS's parts as a local process.

For each the program also makes a socket file in ``/tmp``, at a path that its port alone decides (its 4.48; seen, not
documented). A file that another user left there cannot be replaced and would keep the part from being reached, so a port
is taken whose path is free. Two further sockets are named by options and lie in the service's own folder.
"""

from __future__ import annotations

import socket
import zlib
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

_PARTS = ("s3", "master", "volume", "filer", "admin")

#: Where the search begins: each project somewhere else in a range that systems do not hand out by themselves.
_FIRST, _SPAN = 24000, 8000


def options(file: Path, taken: Collection[int]) -> str:
    """The content of the options file, with last time's ports where they serve again.

    ``taken`` are ports that others of the project have. Nothing of the service runs when this is called; the sockets it
    left when it was killed are removed.
    """
    user = file.parent.stat().st_uid
    known = _known(file)
    for part, port in known.items():
        _forget(_path(part, port), user)
    chosen: dict[str, int] = {}
    for part in _PARTS:
        port = known.get(part) or _FIRST + zlib.crc32(bytes(file)) % _SPAN
        while port in chosen.values() or port in taken or not _serves(part, port, user):
            port = port + 1 if port < _FIRST + _SPAN else _FIRST
        chosen[part] = port
    lines = [
        *(f"{part}.port.grpc={port}" for part, port in chosen.items()),
        "s3.localSocket=s3.sock",
        "filer.localSocket=filer.sock",
    ]
    return "".join(f"{line}\n" for line in lines)


def _known(path: Path) -> dict[str, int]:
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except (OSError, ValueError):
        return {}
    found = (line.partition(".port.grpc=") for line in lines)
    return {part: int(port) for part, _, port in found if part in _PARTS and port.isdigit()}


def _path(part: str, port: int) -> Path:
    return Path(f"/tmp/seaweedfs-{part}-grpc-{port}.sock")  # noqa: S108  the program's own choice


def _forget(path: Path, user: int) -> None:
    with suppress(OSError):
        if path.is_socket() and path.lstat().st_uid == user:
            path.unlink()


def _serves(part: str, port: int, user: int) -> bool:
    try:
        if _path(part, port).lstat().st_uid != user:
            return False
    except FileNotFoundError:
        pass
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
            probe.listen(1)
        except OSError:
            return False
    return True
