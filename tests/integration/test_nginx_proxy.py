"""A live nginx on the native tree: TLS, redirects, upstreams down and up, WebSockets, headers, limits."""

from __future__ import annotations

import http.client
import http.server
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import nginx_tree
from tests.conftest import Nself
from tests.ports import free_ports

DOMAIN = "proxy.test"


class Answer(http.server.BaseHTTPRequestHandler):
    """Answers with what it was asked; speaks just enough of a WebSocket's opening."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.headers.get("Upgrade") == "websocket":
            self.send_response(101)
            self.send_header("Upgrade", "websocket")
            self.send_header("Connection", "Upgrade")
            self.end_headers()
            self.wfile.write(b"hello over " + self.headers["Connection"].encode())
            self.close_connection = True
            return
        body = "\n".join(f"{name}: {value}" for name, value in self.headers.items()).encode()
        self.send_response(200)
        if self.path == "/own-header":
            self.send_header("X-Frame-Options", "DENY")
        self.send_header("Server", "secret/1.0")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        length = len(self.rfile.read(int(self.headers["Content-Length"])))
        body = f"{length} bytes".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_OPTIONS = do_GET  # noqa: N815  the name that http.server looks for

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def upstream() -> Iterator[int]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


class Proxy:
    """The proxy of a project, asked by host name on loopback with the local authority trusted."""

    def __init__(self, folder: Path, home: Path, http_port: int, https_port: int) -> None:
        self.folder, self.http, self.https = folder, http_port, https_port
        self.context = ssl.create_default_context(cafile=str(home / ".nself" / "ca" / "rootCA.pem"))

    def connect(self, host: str) -> ssl.SSLSocket:
        plain = socket.create_connection(("127.0.0.1", self.https), timeout=60)
        return self.context.wrap_socket(plain, server_hostname=host)

    def get(
        self,
        host: str,
        path: str = "/",
        *,
        tls: bool = True,
        headers: dict[str, str] | None = None,
        method: str = "GET",
        body: bytes | None = None,
    ) -> tuple[int, dict, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.https if tls else self.http, timeout=60)
        if tls:
            connection.sock = self.connect(host)
        try:
            connection.request(method, path, body, headers={"Host": host, **(headers or {})})
            answer = connection.getresponse()
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
        finally:
            connection.close()


@pytest.fixture
def proxy(nself: Nself, own_home: Path, upstream: int) -> Iterator[Proxy]:
    http_port, https_port, dead, api = free_ports(4)
    (nself.folder / ".env").write_text(
        f"PROJECT_NAME=proxy\nBASE_DOMAIN={DOMAIN}\nNGINX_PORT={http_port}\nNGINX_SSL_PORT={https_port}\n"
        f"FRONTEND_APP_1_NAME=app\nFRONTEND_APP_1_PORT={upstream}\n"
        f"INTERNAL_ROUTE_1_NAME=dead\nINTERNAL_ROUTE_1_TARGET=localhost:{dead}\n"
        f"INTERNAL_ROUTE_2_NAME=slow\nINTERNAL_ROUTE_2_TARGET=localhost:{upstream}\nINTERNAL_ROUTE_2_RATE_ZONE=upload\n"
        f"RATE_LIMIT_UPLOAD_RATE=1r/m\nHASURA_PORT={api}\nNGINX_CLIENT_MAX_BODY_SIZE=2M\n"
    )
    nself("build")
    with nginx_tree.running(nginx_tree.native_tree(nself.folder), http_port):
        yield Proxy(nself.folder, own_home, http_port, https_port)


def test_tls_by_the_local_authority(proxy: Proxy) -> None:
    status, headers, body = proxy.get(f"app.{DOMAIN}", "/some/path?x=1")
    assert status == 200
    told = dict(line.split(": ", 1) for line in body.decode().splitlines())
    assert told["Host"] == f"app.{DOMAIN}"
    assert told["X-Forwarded-Proto"] == "https"
    assert told["X-Real-IP"] == told["X-Forwarded-For"] == "127.0.0.1"
    assert headers["server"] == "nginx"


def test_a_client_cannot_forge_its_address(proxy: Proxy) -> None:
    _, _, body = proxy.get(f"app.{DOMAIN}", headers={"X-Forwarded-For": "8.8.8.8"})
    assert b"8.8.8.8" not in body


def test_old_tls_is_refused(proxy: Proxy) -> None:
    proxy.context.minimum_version = proxy.context.maximum_version = ssl.TLSVersion.TLSv1_1
    proxy.context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises(ssl.SSLError, match=r"(?i)alert protocol version"):
        proxy.connect(f"app.{DOMAIN}")


def test_http_leads_to_the_real_https_port(proxy: Proxy) -> None:
    status, headers, _ = proxy.get(f"app.{DOMAIN}", "/a?b=c", tls=False)
    assert status == 308
    assert headers["location"] == f"https://app.{DOMAIN}:{proxy.https}/a?b=c"


def test_an_unknown_host_gets_nothing(proxy: Proxy) -> None:
    assert proxy.get("someone.else", tls=False)[0] == 404
    assert proxy.get("localhost")[0] == 404


def test_health(proxy: Proxy) -> None:
    assert proxy.get("127.0.0.1", "/health", tls=False)[::2] == (200, b"healthy\n")


def test_a_dead_upstream_is_502_and_others_live(proxy: Proxy) -> None:
    for name in ("dead", "api"):
        status, headers, body = proxy.get(f"{name}.{DOMAIN}")
        assert status == 502
        # A page of another origin can tell it from a fault of CORS.
        assert (headers["access-control-allow-origin"], json.loads(body)["error"]) == ("*", "service-unavailable")
        asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type"}
        status, headers, _ = proxy.get(f"{name}.{DOMAIN}", method="OPTIONS", headers=asked)
        assert (status, headers["access-control-allow-methods"]) == (204, "POST")
        assert headers["access-control-allow-headers"] == "authorization,content-type"
        assert headers["access-control-allow-origin"] == "*"
    assert proxy.get(f"app.{DOMAIN}")[0] == 200


def test_security_headers_and_a_service_that_says_its_own(proxy: Proxy) -> None:
    _, headers, _ = proxy.get(f"app.{DOMAIN}")
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "SAMEORIGIN"
    assert headers["content-security-policy"] == "frame-ancestors 'self'"
    assert "strict-transport-security" not in headers  # dev
    _, headers, _ = proxy.get(f"app.{DOMAIN}", "/own-header")
    assert headers["x-frame-options"] == "DENY"


def test_websocket(proxy: Proxy) -> None:
    with proxy.connect(f"app.{DOMAIN}") as connection:
        connection.sendall(
            f"GET /ws HTTP/1.1\r\nHost: app.{DOMAIN}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
        )
        answer = b""
        while b"hello over" not in answer and (part := connection.recv(4096)):
            answer += part
    assert answer.startswith(b"HTTP/1.1 101")
    assert answer.endswith(b"hello over upgrade")


def test_an_upload_as_large_as_the_limit_arrives_whole_and_a_larger_one_is_413(proxy: Proxy) -> None:
    limit = 2 * 2**20
    assert proxy.get(f"app.{DOMAIN}", method="POST", body=bytes(limit))[::2] == (200, b"%d bytes" % limit)
    status, headers, body = proxy.get(f"app.{DOMAIN}", method="POST", body=bytes(limit + 1))
    assert (status, headers["access-control-allow-origin"], json.loads(body)["status"]) == (413, "*", 413)


def test_too_many_requests_are_429(proxy: Proxy) -> None:
    statuses = [proxy.get(f"slow.{DOMAIN}")[0] for _ in range(14)]
    assert statuses[:11] == [200] * 11  # the first and the burst of ten
    assert set(statuses[11:]) == {429}
    # A page of another origin can read that it asked too often; its browser's preflights are not counted.
    _, headers, body = proxy.get(f"slow.{DOMAIN}")
    assert (headers["access-control-allow-origin"], headers["retry-after"]) == ("*", "1")
    assert json.loads(body)["status"] == 429
    assert headers["x-content-type-options"] == "nosniff"
    assert {proxy.get(f"slow.{DOMAIN}", method="OPTIONS")[0] for _ in range(14)} == {200}
    assert proxy.get(f"app.{DOMAIN}")[0] == 200  # another zone
