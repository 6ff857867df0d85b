"""Standard Webhooks 1.0: HMAC-SHA256 (``v1``, secrets ``whsec_…``) and ed25519 (``v1a``, public keys ``whpk_…``).

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Sequence
from typing import TYPE_CHECKING

from hookspecs.models.manifest import Webhook

from .model import Delivery, RefusedError, Scheme, Verified, check_time, mac_key, same_mac, text_of

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

#: Fewest bytes of a secret that we sign with; the specification wants 24 to 64.
_SHORTEST = 24


def key(secret: str) -> hmac.HMAC | Ed25519PublicKey:
    """``whsec_`` or bare Base64: a shared secret; ``whpk_``: a public key."""
    if secret.startswith("whpk_"):
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        return Ed25519PublicKey.from_public_bytes(_unbase64(secret.removeprefix("whpk_")))
    if secret.startswith("whsk_"):
        raise ValueError("a private key (whsk_) verifies nothing: give the public one (whpk_)")
    return mac_key(_unbase64(secret.removeprefix("whsec_")))


def verify(delivery: Delivery, keys: Sequence[hmac.HMAC | Ed25519PublicKey], now: float, rule: Webhook) -> Verified:
    """Of several signatures, as during a rotation, one suffices; each counts for keys of its own kind alone."""
    ident, signed = delivery.header(b"webhook-id"), delivery.header(b"webhook-timestamp")
    given = delivery.header(b"webhook-signature").split(" ")
    check_time(signed, now, rule.tolerance)
    message = b".".join((ident.encode(), signed.encode(), delivery.body))
    shared = [secret for secret in keys if isinstance(secret, hmac.HMAC)]
    right = same_mac(shared, message, (_signature(each) for each in given if each.startswith("v1,")))
    for public in keys:
        if not isinstance(public, hmac.HMAC) and not right:
            right = any(_signed_by(public, message, _signature(each)) for each in given if each.startswith("v1a,"))
    if not right:
        raise RefusedError("the signature does not match")
    return Verified(ident, text_of(delivery.fields, "type"))


def sign(secrets: str, ident: str, timestamp: int, body: bytes) -> str:
    """The signature header: one for each of the secrets, which stand side by side during a rotation.

    ``whsec_…`` signs by HMAC, ``whsk_…`` by ed25519. ``ValueError`` for one that is neither, or is shorter than 24 bytes.
    """
    message = f"{ident}.{timestamp}.".encode() + body
    found = [_sign(secret, message) for secret in secrets.replace(",", " ").split()]
    if not found:
        raise ValueError("there is no secret to sign with")
    return " ".join(found)


def _sign(secret: str, message: bytes) -> str:
    raw = _unbase64(secret.removeprefix("whsec_").removeprefix("whsk_"))
    if secret.startswith("whsk_"):
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return "v1a," + base64.b64encode(Ed25519PrivateKey.from_private_bytes(raw).sign(message)).decode()
    if len(raw) < _SHORTEST:
        raise ValueError(f"a secret to sign webhooks with has at least {_SHORTEST} bytes, as Base64 after whsec_")
    return "v1," + base64.b64encode(hmac.digest(raw, message, "sha256")).decode()


def _signed_by(public: Ed25519PublicKey, message: bytes, signature: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature

    try:
        public.verify(signature, message)
    except InvalidSignature:
        return False
    return True


def _signature(versioned: str) -> bytes:
    try:
        return _unbase64(versioned.partition(",")[2])
    except ValueError:
        return b""


def _unbase64(text: str) -> bytes:
    """Base64 with or without its padding."""
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except binascii.Error as error:
        raise ValueError(f"the secret is no Base64: {error}") from None


SCHEME = Scheme(key, verify, frozenset({b"webhook-signature"}))
