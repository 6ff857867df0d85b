"""Signing keys: what HASURA_GRAPHQL_JWT_SECRET says, the keys it replaced, and the public ones as JWK Set.

The form of the secret is Hasura's (`type`, `key`, optional `claims_namespace`, `claims_format`, `issuer`, `audience`)
with `kid` and `signing_key` (the private PEM) for asymmetric types, as hasura-auth reads it.
"""

from __future__ import annotations

import json
import time
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from typing import Any

import orjson
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, Key, OctKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from .settings import SettingsError

NAMESPACE = "https://hasura.io/jwt/claims"
ISSUER = "hasura-auth"
_KINDS: dict[str, tuple[type[Key], str]] = {
    **{f"HS{bits}": (OctKey, f"HS{bits}") for bits in (256, 384, 512)},
    **{f"RS{bits}": (RSAKey, f"RS{bits}") for bits in (256, 384, 512)},
    "ES256": (ECKey, "ES256"),
    "ES384": (ECKey, "ES384"),
    "ES512": (ECKey, "ES512"),
    "EdDSA": (OKPKey, "EdDSA"),
    "Ed25519": (OKPKey, "EdDSA"),
}
_SHORTEST_HMAC_KEY = 32  # bytes; RFC 7518, 3.2 asks for the hash's own size


class InvalidTokenError(Exception):
    """An access token that does not hold: wrong form, algorithm, signature, issuer or time."""


@dataclass(frozen=True)
class JwtKey:
    """One secret, ready for use."""

    algorithm: str
    verifying: Key
    signing: Key | None
    kid: str | None
    issuer: str
    audiences: tuple[str, ...]
    namespace: str
    stringified: bool
    not_after: float | None

    def usable(self, now: float) -> bool:
        """Whether a replaced key still counts."""
        return self.not_after is None or now < self.not_after


def _parse(raw: dict[str, Any], source: str, *, signs: bool) -> JwtKey:
    kind = raw.get("type")
    if not isinstance(kind, str) or kind not in _KINDS:
        raise SettingsError(f"{source}: type must be one of {', '.join(_KINDS)}, not {kind!r}")
    material = raw.get("key")
    if not isinstance(material, str) or not material:
        raise SettingsError(f"{source}: key is missing")
    family, algorithm = _KINDS[kind]
    for name in ("kid", "issuer", "claims_namespace"):
        if not isinstance(raw.get(name, ""), str | None):
            raise SettingsError(f"{source}: {name} must be text")
    audience = raw.get("audience") or []
    audiences = audience if isinstance(audience, list) else [audience]
    if not all(isinstance(one, str) for one in audiences):
        raise SettingsError(f"{source}: audience must be text, or a list of it")
    not_after = raw.get("not_after")
    if isinstance(not_after, bool) or not isinstance(not_after, int | float | None):
        raise SettingsError(f"{source}: not_after must be a number of seconds since 1970")
    kid = raw.get("kid")
    parameters: Any = {"kid": kid} if kid else None
    try:
        if family is OctKey:
            if len(material.encode()) < _SHORTEST_HMAC_KEY:
                raise SettingsError(f"{source}: an {kind} key needs at least {_SHORTEST_HMAC_KEY} bytes")
            verifying: Key = OctKey.import_key(material.encode(), parameters)
            signing: Key | None = verifying
        else:
            verifying = family.import_key(material, parameters)
            private = raw.get("signing_key")
            signing = family.import_key(private, parameters) if private else None
    except (ValueError, JoseError) as error:
        raise SettingsError(f"{source}: the {kind} key cannot be read ({type(error).__name__})") from None
    if signs and (signing is None or not signing.is_private):
        raise SettingsError(f"{source}: signing_key (the private key) is missing")
    if family is not OctKey and not kid:
        kid = verifying.thumbprint()
    return JwtKey(
        algorithm=algorithm,
        verifying=verifying,
        signing=signing,
        kid=kid,
        issuer=raw.get("issuer") or ISSUER,
        audiences=tuple(audiences),
        namespace=raw.get("claims_namespace") or NAMESPACE,
        stringified=raw.get("claims_format") == "stringified_json",
        not_after=not_after,
    )


def _load(text: str, source: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        raise SettingsError(f'{source}: use JSON such as {{"type": "HS256", "key": "…"}}') from None


class KeyRing:
    """The key that signs and those that are still accepted."""

    def __init__(self, secret: str, previous: str = "") -> None:
        current = _load(secret, "HASURA_GRAPHQL_JWT_SECRET")
        if not isinstance(current, dict):
            raise SettingsError("HASURA_GRAPHQL_JWT_SECRET: a JSON object is needed")
        self.current = _parse(current, "HASURA_GRAPHQL_JWT_SECRET", signs=True)
        older = _load(previous, "AUTH_JWT_PREVIOUS_SECRETS") if previous else []
        if not isinstance(older, list) or not all(isinstance(item, dict) for item in older):
            raise SettingsError("AUTH_JWT_PREVIOUS_SECRETS: a JSON array of secrets is needed")
        self.previous = [_parse(item, "AUTH_JWT_PREVIOUS_SECRETS", signs=False) for item in older]
        header = {"alg": self.current.algorithm, "typ": "JWT"} | ({"kid": self.current.kid} if self.current.kid else {})
        self._head = urlsafe_b64encode(orjson.dumps(header)).rstrip(b"=") + b"."
        self._algorithm = JWSRegistry(algorithms=[self.current.algorithm]).get_alg(self.current.algorithm)
        try:
            self.verify(self.sign("", {}, 60))
        except (InvalidTokenError, JoseError, ValueError) as error:
            raise SettingsError("HASURA_GRAPHQL_JWT_SECRET: key and signing_key do not fit each other and the type") from error

    def sign(
        self, subject: str, hasura_claims: dict[str, Any], lifetime: int, *, session: str = "", now: float | None = None
    ) -> str:
        """An access token for `subject`. `session` (claim `sid`) tells which of its sessions it belongs to."""
        key = self.current
        if key.signing is None:
            raise InvalidTokenError
        issued = int(time.time() if now is None else now)
        claims: dict[str, Any] = {
            "sub": subject,
            "iss": key.issuer,
            "iat": issued,
            "exp": issued + lifetime,
            key.namespace: json.dumps(hasura_claims) if key.stringified else hasura_claims,
        }
        if key.audiences:
            claims["aud"] = key.audiences[0] if len(key.audiences) == 1 else list(key.audiences)
        if session:
            claims["sid"] = session
        # The compact form (RFC 7515, 7.1), put together here: its head is the same every time, and refreshing must be cheap.
        signed = self._head + urlsafe_b64encode(orjson.dumps(claims)).rstrip(b"=")
        mark = urlsafe_b64encode(self._algorithm.sign(signed, key.signing)).rstrip(b"=")
        return (signed + b"." + mark).decode()

    def verify(self, token: str, now: float | None = None) -> dict[str, Any]:
        """The Hasura claims of a token, with `sub` and `sid`; `InvalidTokenError` if it does not hold.

        A key only ever checks its own algorithm, so neither `alg: none` nor a public key used as HMAC secret passes.
        """
        moment = time.time() if now is None else now
        for key in (self.current, *(old for old in self.previous if old.usable(moment))):
            try:
                claims = jwt.decode(token, key.verifying, algorithms=[key.algorithm]).claims
            except (JoseError, ValueError, TypeError, UnicodeError):
                continue
            return self._checked(claims, key, moment)
        raise InvalidTokenError

    @staticmethod
    def _checked(claims: dict[str, Any], key: JwtKey, now: float) -> dict[str, Any]:
        expires, hasura = claims.get("exp"), claims.get(key.namespace)
        if not isinstance(expires, int | float) or expires <= now or claims.get("iss") != key.issuer:
            raise InvalidTokenError
        named = claims.get("aud")
        if key.audiences and not set(key.audiences) & set(named if isinstance(named, list) else [named]):
            raise InvalidTokenError
        if isinstance(hasura, str):
            try:
                hasura = json.loads(hasura)
            except json.JSONDecodeError:
                raise InvalidTokenError from None
        if not isinstance(hasura, dict) or not isinstance(claims.get("sub"), str):
            raise InvalidTokenError
        return {**hasura, "sub": claims["sub"], "sid": claims.get("sid")}

    def jwks(self, now: float | None = None) -> dict[str, list[dict[str, Any]]]:
        """The public keys (RFC 7517). HMAC secrets are never among them."""
        moment = time.time() if now is None else now
        keys = []
        for key in (self.current, *self.previous):
            if isinstance(key.verifying, OctKey) or not key.usable(moment):
                continue
            public = key.verifying.as_dict(private=False)
            keys.append({**public, "alg": key.algorithm, "kid": key.kid, "use": "sig"})
        return {"keys": keys}
