"""JSON Web Tokens as Hasura takes them: HS, RS, ES, EdDSA; a key, a certificate or a JWK URL; claims by namespace or map.

The shape of a secret: `{"type", "key" | "jwk_url", "claims_namespace" | "claims_namespace_path", "claims_format",
"claims_map", "audience", "issuer", "allowed_skew", "header"}`. A replaced key may say until when it still counts, in seconds
of the Unix epoch: `"not_after"`.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from http.cookies import SimpleCookie
from typing import Any

import orjson

from ..config import ConfigError
from ..errors import EngineError

NAMESPACE = "https://hasura.io/jwt/claims"
HMAC = {"HS256", "HS384", "HS512"}
ALGORITHMS = {*HMAC, "RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "Ed25519", "EdDSA"}
ASYMMETRIC = [name for name in sorted(ALGORITHMS) if name not in HMAC and name != "Ed25519"]
PATH_STEP = re.compile(r"""\.?([^.\[\]]+)|\[(\d+)\]|\['([^']*)'\]|\["([^"]*)"\]""")


def bad(message: str, code: str = "invalid-jwt", status: int = 400) -> EngineError:
    """A token that is not accepted."""
    return EngineError(code, message, "$", status)


def load_key(kind: str, text: str) -> Any:
    """The key of a secret: raw for HMAC, PEM (key or certificate) otherwise."""
    from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

    if kind in HMAC:
        return OctKey.import_key(text)
    if "BEGIN CERTIFICATE" in text:
        from cryptography import x509
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        public = x509.load_pem_x509_certificate(text.encode()).public_key()
        text = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    family = RSAKey if kind.startswith("RS") else ECKey if kind.startswith("ES") else OKPKey
    return family.import_key(text)


def at_path(document: Any, path: str) -> Any:
    """The value at `$.a.b['c'][0]`, or None."""
    found = document
    position = 1 if path.startswith("$") else 0
    while position < len(path):
        match = PATH_STEP.match(path, position)
        if match is None:
            return None
        name, index, *quoted = match.groups()
        step = name or next((q for q in quoted if q is not None), None)
        try:
            found = found[int(index)] if index is not None else found[step]
        except (KeyError, IndexError, TypeError):
            return None
        position = match.end()
    return found


class JwtVerifier:
    """One configured secret."""

    def __init__(self, secret: dict[str, Any], http: Any, logger: Any) -> None:
        self.secret = secret
        self.http = http
        self.logger = logger
        self.url = secret.get("jwk_url")
        self.kind = secret.get("type", "")
        self.skew = int(secret.get("allowed_skew") or 0)
        self.not_after: float | None = secret.get("not_after")
        self._keys: Any = None
        self._fresh_until = 0.0
        self._tried = 0.0
        if not self.url:
            if self.kind not in ALGORITHMS:
                raise ConfigError(f"HASURA_GRAPHQL_JWT_SECRET: unknown type {self.kind!r}")
            if not isinstance(self.not_after, int | float | None):
                raise ConfigError("HASURA_GRAPHQL_JWT_SECRET: not_after must be a number, seconds of the Unix epoch")
            if not isinstance(secret.get("key"), str):
                raise ConfigError("HASURA_GRAPHQL_JWT_SECRET: needs key or jwk_url")
            try:
                self._keys = load_key(self.kind, secret["key"])
            except Exception as error:
                raise ConfigError(f"HASURA_GRAPHQL_JWT_SECRET: the key cannot be read ({type(error).__name__})") from None

    def token_in(self, headers: Mapping[str, str]) -> str | None:
        """The token in the header or cookie this secret looks at."""
        place = self.secret.get("header") or {"type": "Authorization"}
        kind = place.get("type")
        if kind == "Cookie":
            try:
                morsel = SimpleCookie(headers.get("cookie", "")).get(place.get("name", ""))
            except Exception:
                return None
            return morsel.value if morsel is not None else None
        if kind == "CustomHeader":
            return headers.get(str(place.get("name", "")).lower())
        raw = headers.get("authorization")
        if raw is None:
            return None
        scheme, _, token = raw.partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise bad("Malformed Authorization header", "invalid-headers")
        return token.strip()

    async def _key(self) -> Any:
        if not self.url:
            return self._keys
        from joserfc.jwk import KeySet

        now = time.monotonic()
        if self._keys is None or (now >= self._fresh_until and now - self._tried > 1):
            self._tried = now
            try:
                reply = await self.http.get(self.url, timeout=10)
                reply.raise_for_status()
                self._keys = KeySet.import_key_set(orjson.loads(reply.content))
                self._fresh_until = now + max_age(reply.headers.get("cache-control", ""))
                self.logger.write("jwk-refresh-log", {"message": "refreshed", "url": self.url})
            except Exception as error:
                self.logger.write("jwk-refresh-log", {"message": f"refresh failed: {error}", "url": self.url}, "error")
                if self._keys is None:
                    raise bad("Could not fetch the keys to verify the JWT", "unexpected", 500) from None
        return self._keys

    async def variables(self, token: str) -> tuple[dict[str, Any], float | None]:
        """The session variables of a token, and when it expires; raises when it is not valid."""
        from joserfc import jwt
        from joserfc.errors import JoseError

        if self.not_after is not None and time.time() >= self.not_after:
            raise bad("Could not verify JWT: the key was replaced")
        key = await self._key()
        algorithms = [self.kind] if not self.url else ASYMMETRIC
        if self.kind in ("Ed25519", "EdDSA") and not self.url:
            algorithms = ["EdDSA", "Ed25519"]
        try:
            claims = jwt.decode(token, key, algorithms=algorithms).claims
        except (JoseError, ValueError, KeyError, TypeError) as error:
            raise bad(f"Could not verify JWT: {type(error).__name__}") from None
        if not isinstance(claims, dict):
            raise bad("Could not verify JWT: the claims are not an object")
        self._check(claims)
        expires = claims.get("exp")
        return self._claims(claims), float(expires) + self.skew if isinstance(expires, int | float) else None

    def _check(self, claims: dict[str, Any]) -> None:
        now = time.time()
        for name in ("exp", "nbf", "iat"):
            if name in claims and (isinstance(claims[name], bool) or not isinstance(claims[name], int | float)):
                raise bad(f"Could not verify JWT: {name} is not a number")
        if "exp" in claims and now >= claims["exp"] + self.skew:
            raise bad("Could not verify JWT: JWTExpired")
        if "nbf" in claims and now < claims["nbf"] - self.skew:
            raise bad("Could not verify JWT: JWTNotYetValid")
        issuer = self.secret.get("issuer")
        if issuer is not None and claims.get("iss") != issuer:
            raise bad("Could not verify JWT: JWTNotInIssuer")
        audience = self.secret.get("audience")
        if audience is not None:
            wanted = set(audience) if isinstance(audience, list) else {audience}
            given = claims.get("aud")
            held = set(given) if isinstance(given, list) else {given}
            if not wanted & held:
                raise bad("Could not verify JWT: JWTNotInAudience")

    def _claims(self, claims: dict[str, Any]) -> dict[str, Any]:
        mapping = self.secret.get("claims_map")
        if mapping:
            return {name.lower(): mapped(claims, spec, name) for name, spec in mapping.items()}
        path = self.secret.get("claims_namespace_path")
        if path is not None:
            found = claims if path in ("", "$") else at_path(claims, path)
            label = path
        else:
            label = self.secret.get("claims_namespace") or NAMESPACE
            found = claims.get(label)
        if found is None:
            raise bad(f"claims key: '{label}' not found", "jwt-invalid-claims")
        if self.secret.get("claims_format") == "stringified_json" or isinstance(found, str):
            try:
                found = orjson.loads(found)
            except (orjson.JSONDecodeError, TypeError):
                raise bad("the claims are not valid JSON", "jwt-invalid-claims") from None
        if not isinstance(found, dict):
            raise bad("the claims are not an object", "jwt-invalid-claims")
        return {key.lower(): value for key, value in found.items() if key.lower().startswith("x-hasura-")}


def mapped(claims: dict[str, Any], spec: Any, name: str) -> Any:
    """One entry of `claims_map`: a literal, or `{"path", "default"}`."""
    if isinstance(spec, dict):
        found = at_path(claims, str(spec.get("path", "$")))
        if found is None:
            found = spec.get("default")
        if found is None:
            raise bad(f"JWT claim from claims_map, {name} not found at {spec.get('path')}", "jwt-invalid-claims")
        return found if isinstance(found, list) else str(found)
    return spec


def max_age(header: str) -> float:
    """How long a set of keys stays fresh."""
    if re.search(r"no-cache|no-store|must-revalidate", header):
        return 1
    match = re.search(r"(?:s-maxage|max-age)=(\d+)", header)
    return max(1.0, float(match.group(1))) if match else 60
