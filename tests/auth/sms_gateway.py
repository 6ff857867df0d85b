"""What takes text messages in tests: an HTTP server that checks each signature as Standard Webhooks says."""

from __future__ import annotations

import base64
import hmac
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SECRET = "whsec_" + base64.b64encode(b"a secret of tests alone, 32 byte").decode()


class SmsGateway:
    """Keeps (number, text) of every message; refuses numbers that end in 999, as one that does not exist."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str]] = []
        gateway = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                self.send_response(gateway.take(dict(self.headers), body))
                self.end_headers()

            def log_message(self, *_arguments: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def take(self, headers: dict[str, str], body: bytes) -> int:
        """The status to answer with."""
        given = {name.lower(): value for name, value in headers.items()}
        message = f"{given['webhook-id']}.{given['webhook-timestamp']}.".encode() + body
        mac = hmac.digest(base64.b64decode(SECRET.removeprefix("whsec_")), message, "sha256")
        right = given["webhook-signature"] == "v1," + base64.b64encode(mac).decode()
        if not right or abs(time.time() - int(given["webhook-timestamp"])) > 30:
            return 401
        told = json.loads(body)
        assert told["type"] == "sms.send"
        if told["data"]["phoneNumber"].endswith("999"):
            return 422
        self.sent.append((told["data"]["phoneNumber"], told["data"]["text"]))
        return 204

    def code(self, number: str) -> str:
        """The code of the last message to a number."""
        return next(text for to, text in reversed(self.sent) if to == number).rstrip(".").split()[-1]

    def variables(self) -> dict[str, str]:
        """What the auth server is told."""
        return {
            "AUTH_SMS_PASSWORDLESS_ENABLED": "true",
            "AUTH_SMS_PROVIDER": "webhook",
            "AUTH_SMS_WEBHOOK_URL": f"http://127.0.0.1:{self._server.server_port}/sms",
            "AUTH_SMS_WEBHOOK_SECRET": SECRET,
        }

    def stop(self) -> None:
        """Listen no more."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
