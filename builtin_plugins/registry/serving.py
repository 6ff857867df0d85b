"""Serve a published tree over HTTP: files and nothing else. Any web server or object store does the same."""

from __future__ import annotations

import socket
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

#: Seconds a connection may be silent.
TIMEOUT = 30
#: What a name ends in that always holds the same bytes may be kept by caches for a year.
_NEVER_CHANGES = "public, max-age=31536000, immutable"


class Files(SimpleHTTPRequestHandler):
    """``GET`` and ``HEAD`` of files below one folder: no listing, no hidden file, no link that leads out of it."""

    protocol_version = "HTTP/1.1"
    server_version = "nself-registry"
    sys_version = ""
    timeout = TIMEOUT
    disable_nagle_algorithm = True  # head and body are two writes: the second would wait for the first's acknowledgement

    def __init__(self, *arguments: Any, tree: Path, quiet: bool, **more: Any) -> None:
        self._tree = tree
        self._quiet = quiet
        super().__init__(*arguments, directory=str(tree), **more)

    def send_head(self) -> Any:
        """Answer with the head of a file, or refuse."""
        path = unquote(urlsplit(self.path).path)
        place = (self._tree / path.lstrip("/")).resolve()
        hidden = any(part.startswith(".") for part in path.split("/"))
        if hidden or not place.is_relative_to(self._tree) or not place.is_file():
            self.send_error(HTTPStatus.NOT_FOUND)
            return None
        return super().send_head()

    def end_headers(self) -> None:
        """How long caches may keep it: names with a version or a hash for ever, the others not at all."""
        name = urlsplit(self.path).path.rpartition("/")[2]
        changes = name in {"timestamp.json", "root.json"} or getattr(self, "_failed", False)
        self.send_header("Cache-Control", "no-cache" if changes else _NEVER_CHANGES)
        self.send_header("X-Content-Type-Options", "nosniff")
        super().end_headers()

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """An error is kept by no cache: the next root is missing until it is there."""
        self._failed = True
        super().send_error(code, message, explain)

    def log_message(self, format: str, *args: Any) -> None:
        if not self._quiet:
            super().log_message(format, *args)


class Server(ThreadingHTTPServer):
    """One thread per connection, none of which keeps the process alive."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, tree: Path, host: str, port: int, *, quiet: bool = True) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), partial(Files, tree=tree.resolve(), quiet=quiet))

    @property
    def url(self) -> str:
        """The address of the registry."""
        host, port = self.server_address[:2]
        name = f"[{host!s}]" if ":" in str(host) else str(host)
        return f"http://{name}:{port}"
