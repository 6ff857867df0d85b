"""Rotation of the signing key, with a time in which the old one still counts.

Pure: it takes the values of HASURA_GRAPHQL_JWT_SECRET and AUTH_JWT_PREVIOUS_SECRETS and returns new ones. Whoever calls
it stores them with the project's secrets. The GraphQL engine is given `engine_secrets`, all keys that count.
"""

from __future__ import annotations

import json
import secrets
import string
import time
from dataclasses import dataclass
from typing import Any

from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from ..keys import KeyRing
from ..settings import SettingsError

_LETTERS = string.ascii_letters + string.digits
_KEPT = ("claims_namespace", "claims_format", "issuer", "audience")
ALGORITHMS = ("HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "ES256", "ES384", "EdDSA")


@dataclass(frozen=True)
class Rotation:
    """The values after a rotation."""

    secret: str
    previous: str
    engine_secrets: str
    kid: str


def new_secret(algorithm: str = "HS256", **options: Any) -> dict[str, Any]:
    """A fresh secret in Hasura's form; asymmetric ones as PEM, the private half under `signing_key`."""
    kid = secrets.token_hex(8)
    if algorithm.startswith("HS") and algorithm in ALGORITHMS:
        return {"type": algorithm, "key": "".join(secrets.choice(_LETTERS) for _ in range(64)), "kid": kid, **options}
    key: RSAKey | ECKey | OKPKey
    if algorithm.startswith("RS") and algorithm in ALGORITHMS:
        key = RSAKey.generate_key(3072)
    elif algorithm in ("ES256", "ES384"):
        key = ECKey.generate_key("P-256" if algorithm == "ES256" else "P-384")
    elif algorithm == "EdDSA":
        key = OKPKey.generate_key("Ed25519")
    else:
        raise SettingsError(f"{algorithm} is none of {', '.join(ALGORITHMS)}")
    return {
        "type": algorithm,
        "key": key.as_pem(private=False).decode(),
        "signing_key": key.as_pem(private=True).decode(),
        "kid": kid,
        **options,
    }


def rotate(
    secret: str, previous: str = "", *, algorithm: str | None = None, overlap: float = 3600, now: float | None = None
) -> Rotation:
    """A new key in place of the current one, which is accepted for `overlap` seconds more.

    `overlap` must be longer than an access token lives, or tokens of the old key end before their time.
    """
    moment = time.time() if now is None else now
    KeyRing(secret, previous)  # what is there must be readable before it is replaced
    current = json.loads(secret)
    fresh = new_secret(algorithm or current["type"], **{name: current[name] for name in _KEPT if name in current})
    retired = {name: value for name, value in current.items() if name != "signing_key"} | {"not_after": moment + overlap}
    older = [item for item in (json.loads(previous) if previous else []) if item.get("not_after", moment + 1) > moment]
    accepted = [retired, *older]
    engine = [_for_engine(item) for item in (fresh, *accepted)]
    return Rotation(json.dumps(fresh), json.dumps(accepted), json.dumps(engine), fresh["kid"])


def _for_engine(secret: dict[str, Any]) -> dict[str, Any]:
    """What the GraphQL engine may know: never the private half. Hasura calls the Ed25519 type by the curve's name."""
    shown = {name: value for name, value in secret.items() if name in ("type", "key", "kid", *_KEPT)}
    return shown | ({"type": "Ed25519"} if shown["type"] == "EdDSA" else {})


def is_symmetric(secret: str) -> bool:
    """Whether the secret is an HMAC key, which the engine shares, and JWKS never shows."""
    return isinstance(KeyRing(secret).current.verifying, OctKey)
