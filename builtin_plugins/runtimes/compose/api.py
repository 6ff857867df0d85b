"""Questions to the engine over its own socket: one request, one JSON answer. Standard library alone, as ``status`` must be quick.

The docker library, which costs over half a second to import, is left to what streams: pulls, with the credentials of their
registries, and logs. Paths have no version in front, so the engine answers in its newest one.
"""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import threading
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from builtin_plugins.runtimes.compose.endpoint import Endpoint


class RefusedError(Exception):
    """The engine's answer to a request that it does not fulfil."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class Api:
    """One connection for each thread, kept open. ``OSError`` where the engine does not answer."""

    def __init__(self, where: Endpoint, *, timeout: float = 60) -> None:
        self._where = where
        self._timeout = timeout
        self._own = threading.local()

    def ask(self, method: str, path: str, query: Mapping[str, object], body: Mapping[str, object] | None = None) -> Any:
        """The decoded answer; text where it is not JSON, ``None`` where it is empty. ``RefusedError`` from status 400 on."""
        pairs = {name: _text(value) for name, value in query.items()}
        target = quote(path) + (f"?{urlencode(pairs)}" if pairs else "")
        sent = None if body is None else json.dumps(body).encode()
        try:
            answer, content = self._send(method, target, sent)
        except ConnectionError:
            # A connection kept open may have been closed meanwhile; only a question can be asked twice.
            if method != "GET":
                raise
            answer, content = self._send(method, target, sent)
        text = content.decode("utf-8", "replace")
        is_json = "json" in (answer.getheader("Content-Type") or "")
        found = json.loads(text) if is_json and text else text or None
        if answer.status >= 400:
            message = found.get("message", text) if isinstance(found, dict) else text
            raise RefusedError(answer.status, message.strip())
        return found

    def _send(self, method: str, target: str, body: bytes | None) -> tuple[http.client.HTTPResponse, bytes]:
        connection = getattr(self._own, "connection", None) or _Connection(self._where, self._timeout)
        self._own.connection = None
        headers = {"Content-Type": "application/json"} if body is not None else {}
        try:
            connection.request(method, target, body=body, headers=headers)
            answer = connection.getresponse()
            content = answer.read()
        except http.client.HTTPException as error:
            connection.close()
            raise ConnectionError(f"its answer breaks off: {error}") from error
        except BaseException:
            connection.close()
            raise
        self._own.connection = connection
        return answer, content


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "1" if value else "0"
    return value if isinstance(value, str) else json.dumps(value)


class _Connection(http.client.HTTPConnection):
    """HTTP over whatever leads to the engine: its socket file, TCP with or without TLS, or ssh."""

    def __init__(self, where: Endpoint, timeout: float) -> None:
        super().__init__("docker", timeout=timeout)
        self._where = where

    def connect(self) -> None:
        parts = urlsplit(self._where.url)
        if parts.scheme == "unix":
            self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.sock.settimeout(self.timeout)
            self.sock.connect(parts.path)
        elif parts.scheme == "ssh":
            self.sock = _over_ssh(parts.netloc, float(self.timeout or 60))
        else:
            plain = socket.create_connection((parts.hostname or "127.0.0.1", parts.port or 2375), timeout=self.timeout)
            folder = self._where.certificates
            if folder is None and parts.scheme != "https":
                self.sock = plain
                return
            import ssl

            context = ssl.create_default_context(cafile=str(folder / "ca.pem") if folder else None)
            if folder is not None:
                context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
            self.sock = context.wrap_socket(plain, server_hostname=parts.hostname or "127.0.0.1")


def _over_ssh(address: str, timeout: float) -> socket.socket:
    """What ``docker`` itself does: its ``dial-stdio`` at the other end, joined to a socket here."""
    host, _, port = address.partition(":")
    ours, theirs = socket.socketpair()
    ours.settimeout(timeout)
    argv = ["ssh", "-T", *(["-p", port] if port else []), "--", host, "docker", "system", "dial-stdio"]
    with theirs:
        subprocess.Popen(argv, stdin=theirs, stdout=theirs, stderr=subprocess.DEVNULL)
    return ours
