"""A server that others call: it remembers what it was sent and answers what it is told to."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Hook:
    """`status`, `headers` and `answer` (or `raw`) are what it answers, once `hold` is set; `seen` is what came, newest last."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []
        self.status = 200
        self.answer: Any = {}
        self.raw: bytes | None = None
        self.headers: dict[str, str] = {}
        self.hold: threading.Event | None = None
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                text = self.rfile.read(int(self.headers.get("content-length") or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                body = json.loads(text) if text.startswith((b"{", b"[")) else text.decode() or None
                hook.seen.append({"path": self.path, "method": self.command, "headers": headers, "body": body})
                if hook.hold is not None:
                    hook.hold.wait(60)
                answer = hook.raw if hook.raw is not None else json.dumps(hook.answer).encode()
                self.send_response(hook.status)
                for name, value in {"content-length": str(len(answer)), **hook.headers}.items():
                    self.send_header(name, value)
                with contextlib.suppress(OSError):
                    self.end_headers()
                    self.wfile.write(answer)

            do_GET = do_PUT = do_DELETE = do_POST  # noqa: N815 - the names that the library asks for

            def log_message(self, *args: object) -> None:
                return None

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.base = f"http://127.0.0.1:{self.server.server_port}"
        self.url = self.base + "/hook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def bodies(self) -> list[Any]:
        """The bodies that came."""
        return [request["body"] for request in self.seen]

    def wait(self, count: int, seconds: float = 30) -> list[Any]:
        """The bodies, when there are at least so many."""
        until(lambda: len(self.seen) >= count, seconds)
        return self.bodies

    def stop(self) -> None:
        """Answer no longer."""
        self.server.shutdown()
        self.server.server_close()


def until(true: Callable[[], bool], seconds: float = 30) -> None:
    """Wait for something to become true."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)
