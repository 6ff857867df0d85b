"""The project's access tokens, checked with the same key settings as GraphQL and auth have.

https://hasura.io/docs/2.0/auth/authentication/jwt/
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from hookspecs.web import Caller

_NAMESPACE = "https://hasura.io/jwt/claims"
_PREFIX = "x-hasura-"


class TokenError(Exception):
    """A token that is not accepted, with the reason in words for its bearer."""


class Tokens:
    """The key in force, and replaced ones that still count."""

    def __init__(self, secret: str, previous: str = "") -> None:
        settings = json.loads(secret) if secret else {}
        older = json.loads(previous) if previous else []
        self._secrets = [settings, *({**settings, **_as_settings(one)} for one in older)] if settings else []
        self._keys = [(_algorithms(one["type"]), _key(one["type"], one["key"])) for one in self._secrets]
        self._issuer = settings.get("issuer")
        self._audience = settings.get("audience")
        self._namespace = settings.get("claims_namespace") or _NAMESPACE

    def caller(self, token: str, wanted_role: str | None = None) -> Caller:
        """Who bears the token, in the role wanted or the token's default. ``TokenError`` where it is not accepted."""
        claims = self._verified(token)
        _check_times(claims)
        if self._issuer is not None and claims.get("iss") != self._issuer:
            raise TokenError("the token is of another issuer")
        if self._audience is not None and not _shared(self._audience, claims.get("aud")):
            raise TokenError("the token is for another audience")
        return self._caller(claims, wanted_role)

    def _verified(self, token: str) -> Mapping[str, Any]:
        if not self._keys:
            raise TokenError("this project gives out no tokens")
        for algorithms, key in self._keys:
            try:
                claims = jwt.decode(token, key, algorithms=algorithms).claims
            except (JoseError, ValueError, KeyError, TypeError):
                continue
            if isinstance(claims, dict):
                return claims
        raise TokenError("the token's signature is not valid")

    def _caller(self, claims: Mapping[str, Any], wanted_role: str | None) -> Caller:
        held = claims.get(self._namespace)
        if isinstance(held, str):
            try:
                held = json.loads(held)
            except ValueError:
                held = None
        if not isinstance(held, dict):
            raise TokenError(f"the token has no claims {self._namespace}")
        session = {name.lower(): value for name, value in held.items() if name.lower().startswith(_PREFIX)}
        roles = session.get("x-hasura-allowed-roles")
        default = session.get("x-hasura-default-role")
        if not isinstance(roles, list) or not isinstance(default, str):
            raise TokenError("the token names no roles")
        role = wanted_role or default
        if role not in roles:
            raise TokenError(f"the token does not allow the role {role}")
        texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in session.items()}
        return Caller(user_id=texts.get("x-hasura-user-id"), role=role, roles=tuple(map(str, roles)), session=texts)


def _as_settings(one: Any) -> dict[str, Any]:
    return one if isinstance(one, dict) else {"key": str(one)}


def _algorithms(kind: str) -> list[str]:
    return ["EdDSA", "Ed25519"] if kind in {"Ed25519", "EdDSA"} else [kind]


def _key(kind: str, text: str) -> Any:
    if kind.startswith("HS"):
        return OctKey.import_key(text)
    family = RSAKey if kind.startswith("RS") else ECKey if kind.startswith("ES") else OKPKey
    return family.import_key(text)


def _check_times(claims: Mapping[str, Any]) -> None:
    import time

    now = time.time()
    for name in ("exp", "nbf"):
        if name in claims and (isinstance(claims[name], bool) or not isinstance(claims[name], int | float)):
            raise TokenError(f"the token's {name} is no number")
    if "exp" in claims and now >= claims["exp"]:
        raise TokenError("the token has expired")
    if "nbf" in claims and now < claims["nbf"]:
        raise TokenError("the token is not valid yet")


def _shared(wanted: Any, given: Any) -> bool:
    ours = set(wanted) if isinstance(wanted, list) else {wanted}
    theirs = set(given) if isinstance(given, list) else {given}
    return bool(ours & theirs)
