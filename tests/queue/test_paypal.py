"""PayPal's two ways: its certificate, and its API, both spoken by a local server."""

from __future__ import annotations

import asyncio
import base64
import datetime as dt
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from builtin_plugins.egress import GuardedTransport
from builtin_plugins.host.webhooks.endpoint import Intake, Source
from builtin_plugins.host.webhooks.remote import PayPal
from builtin_plugins.host.webhooks.schemes import paypal
from hookspecs.models.manifest import Webhook
from tests.ports import free_port

from .signing import NOW, Request, paypal_message
from .test_forged import Memory

RULE = Webhook(source="main", scheme="paypal", secret="DEMO_ID")
BODY = json.dumps({"id": "WH-1", "event_type": "PAYMENT.CAPTURE.COMPLETED", "résumé": 1}).encode()
URL = "https://api.paypal.com/v1/notifications/certs/CERT-1"
DAY = dt.timedelta(days=1)


class Authority:
    """A certificate authority, and certificates by it."""

    def __init__(self) -> None:
        self.key = rsa.generate_private_key(65537, 2048)
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")])
        self.certificate = self._make(self.name, self.key, None, now=dt.datetime.fromtimestamp(NOW, dt.UTC))

    def _make(self, subject: x509.Name, key: rsa.RSAPrivateKey, host: str | None, now: dt.datetime) -> x509.Certificate:
        public = key.public_key()
        usage = dict.fromkeys(
            ("content_commitment", "data_encipherment", "key_agreement", "encipher_only", "decipher_only"), False
        )
        made = (
            x509.CertificateBuilder().subject_name(subject).issuer_name(self.name).public_key(public)
            .serial_number(x509.random_serial_number()).not_valid_before(now - DAY).not_valid_after(now + DAY)
            .add_extension(x509.BasicConstraints(ca=host is None, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
            .add_extension(x509.KeyUsage(digital_signature=True, key_encipherment=False, key_cert_sign=host is None,
                                         crl_sign=host is None, **usage), critical=True)
        )  # fmt: skip
        if host is not None:
            made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
            made = made.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        return made.sign(self.key, hashes.SHA256())

    def issue(self, key: rsa.RSAPrivateKey, host: str, now: float = NOW) -> bytes:
        """A certificate for a host, as PEM."""
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
        return self._make(name, key, host, dt.datetime.fromtimestamp(now, dt.UTC)).public_bytes(Encoding.PEM)


class Local:
    """PayPal's part, on loopback."""

    def __init__(self) -> None:
        self.certificate = b""
        self.verdict = "SUCCESS"
        self.status = 200
        self.asked: list[tuple[str, bytes, dict[str, str]]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        self.asked.append((scope["path"], body, {k.decode(): v.decode() for k, v in scope["headers"]}))
        verdict = json.dumps({"verification_status": self.verdict}).encode()
        answer = {
            "/v1/oauth2/token": b'{"access_token": "tok", "expires_in": 32400}',
            "/v1/notifications/verify-webhook-signature": verdict,
        }
        await send({"type": "http.response.start", "status": self.status, "headers": []})
        await send({"type": "http.response.body", "body": answer.get(scope["path"], self.certificate)})


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@pytest.fixture
async def local() -> AsyncIterator[Local]:
    app = Local()
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error", lifespan="off"))
    run = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    app.port = port  # type: ignore[attr-defined]
    yield app
    server.should_exit = True
    await run


@pytest.fixture
async def asks(local: Local, authority: Authority, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[PayPal]:
    """The asking side, whose every address is the local server's, and whose only authority is ours."""
    monkeypatch.setattr(paypal, "authorities", lambda: [authority.certificate])

    class ToLocal(httpx.AsyncHTTPTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            assert request.url.host.endswith("paypal.com")
            request.url = request.url.copy_with(scheme="http", host="127.0.0.1", port=local.port)  # type: ignore[attr-defined]
            return await super().handle_async_request(request)

    async with httpx.AsyncClient(transport=ToLocal(), trust_env=False) as client:
        yield PayPal(client)


def signed(key: rsa.RSAPrivateKey, body: bytes = BODY, webhook: str = "HOOK1", now: float = NOW) -> Request:
    signature = key.sign(paypal_message(webhook, now, body), padding.PKCS1v15(), hashes.SHA256())
    return Request({
        "content-type": "application/json", "paypal-transmission-id": "pp-1", "paypal-auth-algo": "SHA256withRSA",
        "paypal-transmission-time": dt.datetime.fromtimestamp(now, dt.UTC).isoformat(),
        "paypal-transmission-sig": base64.b64encode(signature).decode(), "paypal-cert-url": URL,
    }, body)  # fmt: skip


async def send(asks: PayPal | None, request: Request, secrets: tuple[str, ...] = ("HOOK1",)) -> tuple[int, Memory]:
    memory = Memory()
    app = Intake(memory, clock=lambda: NOW, paypal=asks)  # type: ignore[arg-type]
    app.serve("demo", [Source("demo", RULE, secrets)])
    scope = {"type": "http", "method": "POST", "path": "/webhooks/demo", "headers": request.raw()}
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": request.body}

    async def put(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, put)
    return sent[0]["status"], memory


async def test_by_its_certificate(asks: PayPal, local: Local, authority: Authority, key: rsa.RSAPrivateKey) -> None:
    local.certificate = authority.issue(key, "messageverificationcerts.paypal.com")
    for _ in range(2):
        status, memory = await send(asks, signed(key), ("OTHER", "HOOK1"))
        assert status == 200
        assert memory.rows[0].once == "WH-1"
        assert '"type":"PAYMENT.CAPTURE.COMPLETED"' in memory.rows[0].event
    assert len(local.asked) == 1  # and is kept
    # three days of retries may carry the first time
    assert (await send(asks, signed(key, now=NOW - 3 * 86400)))[0] == 200


async def test_forged_in_every_way_it_is_refused(
    asks: PayPal, local: Local, authority: Authority, key: rsa.RSAPrivateKey
) -> None:
    local.certificate = authority.issue(key, "messageverificationcerts.paypal.com")
    good = signed(key)
    other = rsa.generate_private_key(65537, 2048)
    forgeries = {
        "another key": signed(other),
        "another webhook": signed(key, webhook="HOOK2"),
        "another body": replace(good, body=BODY.replace(b"1", b"2")),
        "a byte more": replace(good, body=BODY + b" "),
        "no body": replace(good, body=b""),
        "old": signed(key, now=NOW - 5 * 86400),
        "future": signed(key, now=NOW + 301),
        "no time": good.but(paypal_transmission_time="soon"),
        "another time": good.but(paypal_transmission_time=dt.datetime.fromtimestamp(NOW - 1, dt.UTC).isoformat()),
        "another id": good.but(paypal_transmission_id="pp-2"),
        "no signature": good.but(paypal_transmission_sig=None),
        "no Base64": good.but(paypal_transmission_sig="é"),
        "short": good.but(paypal_transmission_sig="AAAA"),
        "another algorithm": good.but(paypal_auth_algo="none"),
        "SHA-1": good.but(paypal_auth_algo="SHA1withRSA"),
        "twice": replace(good, doubled=(("paypal-transmission-sig", "AAAA"),)),
    }
    for name, request in forgeries.items():
        status, memory = await send(asks, request)
        assert (status, memory.rows) == (401, []), name


@pytest.mark.parametrize(
    "url",
    ["http://api.paypal.com/v1/notifications/certs/C", "https://api.paypal.com.evil.example/v1/notifications/certs/C",
     "https://evil.example/v1/notifications/certs/C", "https://api.paypal.com@evil.example/v1/notifications/certs/C",
     "https://api.paypal.com:8443/v1/notifications/certs/C", "https://127.0.0.1/v1/notifications/certs/C", "file:///etc/passwd",
     "https://api.paypal.com/v1/notifications/certs/../../elsewhere", "https://api.paypal.com/v1/notifications/certs/%2e%2e/x",
     "https://api.paypal.com\\@evil.example/v1/notifications/certs/C", "https://[api.paypal.com/v1/notifications/certs/C", ""],
)  # fmt: skip
async def test_the_certificate_comes_from_paypal_alone(asks: PayPal, local: Local, key: rsa.RSAPrivateKey, url: str) -> None:
    assert (await send(asks, signed(key).but(paypal_cert_url=url)))[0] == 401
    assert local.asked == []


async def test_the_certificate_must_be_paypals(asks: PayPal, local: Local, authority: Authority, key: rsa.RSAPrivateKey) -> None:
    stranger = Authority()
    for certificate in (
        authority.issue(key, "paypal.com.evil.example"),
        authority.issue(key, "messageverificationcerts.sandbox.paypal.com"),
        authority.issue(key, "messageverificationcerts.paypal.com", now=NOW - 10 * 86400),  # expired
        authority.issue(key, "messageverificationcerts.paypal.com", now=NOW + 10 * 86400),
        stranger.issue(key, "messageverificationcerts.paypal.com"),
        b"no certificate",
        b"",
    ):
        local.certificate = certificate
        asks._kept.clear()
        assert (await send(asks, signed(key)))[0] == 401


async def test_by_its_api(asks: PayPal, local: Local, key: rsa.RSAPrivateKey) -> None:
    secrets = ("client:password:HOOK1",)
    status, memory = await send(asks, signed(key), secrets)
    assert (status, memory.rows[0].once) == (200, "WH-1")
    (_, _, login), (_, asked, headers) = local.asked
    assert login["authorization"] == "Basic " + base64.b64encode(b"client:password").decode()
    assert headers["authorization"] == "Bearer tok"
    assert asked.endswith(b',"webhook_event":' + BODY + b"}")  # byte by byte
    assert json.loads(asked)["webhook_id"] == "HOOK1"
    local.verdict = "FAILURE"  # the token is kept meanwhile
    assert (await send(asks, signed(key), secrets))[0] == 401
    local.status = 500
    assert (await send(asks, signed(key), secrets))[0] == 503  # neither taken nor refused: it is sent again


async def test_unreachable_it_is_sent_again(asks: PayPal, local: Local, key: rsa.RSAPrivateKey) -> None:
    assert (await send(None, signed(key)))[0] == 503
    async with httpx.AsyncClient(transport=GuardedTransport(), trust_env=False) as client:
        asks._client = client
        assert (await send(asks, signed(key)))[0] in (401, 503)


@pytest.mark.parametrize("secret", ["", ":", "a:b", "a:b:", ":b:c", "a::c"])
async def test_a_secret_that_is_none_refuses_everything(asks: PayPal, key: rsa.RSAPrivateKey, secret: str) -> None:
    assert (await send(asks, signed(key), (secret,)))[0] == 503
