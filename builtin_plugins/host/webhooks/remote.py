"""What PayPal must be asked before a delivery of its can be judged: a certificate, or its own verdict."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import orjson

from .schemes import Delivery, RefusedError
from .schemes.paypal import Key, Material, certificate_url

if TYPE_CHECKING:
    import httpx
    from cryptography import x509

_MOST_BYTES = 64 * 1024
#: Seconds that a certificate is kept, and that a failure is; certificates kept at most.
_KEEP, _KEEP_FAILURE, _MOST = 24 * 3600, 60, 64
_API = {"api.paypal.com": "https://api-m.paypal.com", "api.sandbox.paypal.com": "https://api-m.sandbox.paypal.com"}


class UnreachableError(Exception):
    """PayPal did not answer: the delivery can be neither taken nor refused now."""


class PayPal:
    """Asks PayPal through ``client``, which must let through nothing but public addresses and follow no redirect."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self._few = asyncio.Semaphore(4)
        self._tokens: dict[str, tuple[float, str]] = {}
        self._kept: OrderedDict[str, tuple[float, tuple[x509.Certificate, ...] | None]] = OrderedDict()

    async def gather(self, delivery: Delivery, keys: Sequence[Key]) -> Material:
        """What `paypal.verify` needs for this delivery. `RefusedError` where it already fails, `UnreachableError` otherwise."""
        url = certificate_url(delivery)
        confirmed = frozenset({key.webhook for key in keys if key.client and await self._confirms(delivery, url, key)})
        certificates = await self._certificates(url) if not confirmed and any(not key.client for key in keys) else ()
        return Material(certificates, confirmed)

    async def _certificates(self, url: str) -> tuple[x509.Certificate, ...]:
        until, found = self._kept.get(url, (0.0, None))
        if time.monotonic() >= until:
            async with self._few:
                found = await self._fetch(url)
            self._kept[url] = (time.monotonic() + (_KEEP if found else _KEEP_FAILURE), found)
            while len(self._kept) > _MOST:
                self._kept.popitem(last=False)
        if found is None:
            raise RefusedError("paypal-cert-url holds no certificate")
        return found

    async def _fetch(self, url: str) -> tuple[x509.Certificate, ...] | None:
        from cryptography import x509

        status, body = await self._ask("GET", url)
        if status != 200:
            return None
        try:
            return tuple(x509.load_pem_x509_certificates(body))
        except ValueError:
            return None

    async def _confirms(self, delivery: Delivery, url: str, key: Key) -> bool:
        base = _API[urlsplit(url).netloc]
        token = await self._token(base, key)
        try:
            orjson.loads(delivery.body)
        except ValueError:
            raise RefusedError("the body is no JSON") from None
        names = {"auth_algo": b"paypal-auth-algo", "transmission_id": b"paypal-transmission-id",
                 "transmission_sig": b"paypal-transmission-sig", "transmission_time": b"paypal-transmission-time"}  # fmt: skip
        question = orjson.dumps({"cert_url": url, "webhook_id": key.webhook} | {k: delivery.header(v) for k, v in names.items()})
        # the event as it came, byte by byte: written anew it might differ from what was signed
        asked = question[:-1] + b',"webhook_event":' + delivery.body + b"}"
        status, body = await self._ask(
            "POST", f"{base}/v1/notifications/verify-webhook-signature", content=asked,
            headers={"Content-Type": "application/json", "Authorization": f"Bearer {token}"},
        )  # fmt: skip
        if status >= 500 or status == 429:
            raise UnreachableError(f"PayPal does not verify: {status}")
        return status == 200 and orjson.loads(body).get("verification_status") == "SUCCESS"

    async def _token(self, base: str, key: Key) -> str:
        """An access token, kept as long as it counts."""
        until, token = self._tokens.get(base + key.client, (0.0, ""))
        if time.monotonic() < until:
            return token
        status, body = await self._ask(
            "POST", f"{base}/v1/oauth2/token", content=b"grant_type=client_credentials", auth=(key.client, key.secret),
            headers={"Content-Type": "application/x-www-form-urlencoded"},
        )  # fmt: skip
        if status != 200:
            raise UnreachableError(f"PayPal gives no access token: {status}")
        given = orjson.loads(body)
        token = str(given["access_token"])
        self._tokens[base + key.client] = (time.monotonic() + float(given.get("expires_in", 0)) - 60, token)
        return token

    async def _ask(
        self,
        method: str,
        url: str,
        *,
        content: bytes = b"",
        auth: tuple[str, str] | None = None,
        headers: dict[str, str] | None = None,
    ) -> tuple[int, bytes]:
        import httpx

        body = b""
        try:
            async with self._client.stream(method, url, content=content, auth=auth, headers=headers) as answer:
                async for chunk in answer.aiter_bytes():
                    body += chunk
                    if len(body) > _MOST_BYTES:
                        raise UnreachableError("PayPal's answer is too long")
                return answer.status_code, body
        except httpx.HTTPError as error:
            raise UnreachableError(f"PayPal cannot be reached: {error}") from error
