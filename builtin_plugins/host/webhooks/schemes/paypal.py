"""PayPal: RSA-SHA256 over ``<transmission id>|<time>|<webhook id>|<CRC-32 of the body>``, by a certificate it names.

https://developer.paypal.com/api/rest/webhooks/rest/ — the configured secret is the webhook's id. The certificate is fetched from
PayPal's own hosts and must chain to a public authority and be made out for signing messages; or, where the secret is
``<client id>:<client secret>:<webhook id>``, PayPal's API is asked instead.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from hookspecs.models.manifest import Webhook

from .model import Delivery, RefusedError, Scheme, Verified, base64_or_nothing, text_of

if TYPE_CHECKING:
    from cryptography import x509

#: Where certificates may come from → whom they must be made out for.
HOSTS = {
    "api.paypal.com": "messageverificationcerts.paypal.com",
    "api.sandbox.paypal.com": "messageverificationcerts.sandbox.paypal.com",
}
#: PayPal tries again for three days, and does not say that the time is signed anew: so old a one is taken.
_OLDEST = 4 * 24 * 3600


class Key(NamedTuple):
    """A webhook's id, and the credentials of the API where that is to be asked."""

    webhook: str
    client: str = ""
    secret: str = ""


class Material(NamedTuple):
    """What had to be asked of PayPal: the certificates, leaf first, or the webhook ids its API confirmed this delivery for."""

    certificates: tuple[x509.Certificate, ...] = ()
    confirmed: frozenset[str] = frozenset()


def key(secret: str) -> Key:
    """``<webhook id>`` or ``<client id>:<client secret>:<webhook id>``."""
    client, _, rest = secret.partition(":")
    password, _, webhook = rest.partition(":")
    found = Key(webhook, client, password) if rest else Key(client)
    if not all(found) and (rest or not found.webhook):
        raise ValueError("the secret is neither a webhook's id nor <client id>:<client secret>:<webhook id>")
    return found


def certificate_url(delivery: Delivery) -> str:
    """The address of the certificate; refused unless PayPal's own."""
    url = delivery.header(b"paypal-cert-url")
    try:
        parts = urlsplit(url)
        right = parts.scheme == "https" and parts.netloc in HOSTS and parts.path.startswith("/v1/notifications/certs/")
    except ValueError:
        right = False
    if not right or ".." in url or "\\" in url or "%" in url:
        raise RefusedError("paypal-cert-url does not lead to PayPal's certificates")
    return url


def verify(delivery: Delivery, keys: Sequence[Key], now: float, rule: Webhook, material: Material | None = None) -> Verified:
    """``material`` is what `remote.PayPal.gather` brought for this delivery."""
    ident, signed = delivery.header(b"paypal-transmission-id"), delivery.header(b"paypal-transmission-time")
    signature = base64_or_nothing(delivery.header(b"paypal-transmission-sig"))
    if delivery.header(b"paypal-auth-algo").lower() != "sha256withrsa":
        raise RefusedError("paypal-auth-algo is not SHA256withRSA")
    url = certificate_url(delivery)
    try:
        moment = datetime.fromisoformat(signed)
    except ValueError:
        raise RefusedError("paypal-transmission-time is no time") from None
    age = now - (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    if age > max(_OLDEST, rule.tolerance) or age < -rule.tolerance:
        raise RefusedError("the signed time is too old or lies in the future")
    found = material or Material()
    offline = [each.webhook for each in keys if not each.client]
    message = f"{ident}|{signed}|%s|{zlib.crc32(delivery.body)}"
    right = any(each.client and each.webhook in found.confirmed for each in keys)
    if not right and offline and found.certificates:
        _check_chain(found.certificates, HOSTS[urlsplit(url).netloc], now)
        right = any(_signed(found.certificates[0], (message % webhook).encode(), signature) for webhook in offline)
    if not right:
        raise RefusedError("the signature does not match")
    return Verified(text_of(delivery.fields, "id") or ident, text_of(delivery.fields, "event_type"))


def authorities() -> list[x509.Certificate]:
    """The public certificate authorities, as the HTTP client knows them."""
    from pathlib import Path

    import certifi
    from cryptography import x509

    return x509.load_pem_x509_certificates(Path(certifi.where()).read_bytes())


def _check_chain(certificates: Sequence[x509.Certificate], name: str, now: float) -> None:
    from cryptography import x509
    from cryptography.x509 import verification

    policy = verification.PolicyBuilder().store(verification.Store(authorities())).time(datetime.fromtimestamp(now, UTC))
    try:
        policy.build_server_verifier(x509.DNSName(name)).verify(certificates[0], list(certificates[1:]))
    except verification.VerificationError:
        raise RefusedError("the certificate is not PayPal's") from None


def _signed(certificate: x509.Certificate, message: bytes, signature: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding, rsa

    public = certificate.public_key()
    if not isinstance(public, rsa.RSAPublicKey):
        return False
    try:
        public.verify(signature, message, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        return False
    return True


SCHEME = Scheme(key, verify, frozenset({b"paypal-transmission-sig"}))
