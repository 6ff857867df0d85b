"""Who a provider says its user is, from its profile or its id-token."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, OctKey
from joserfc.jws import extract_compact

from .providers import Provider

_ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "ES512", "EdDSA"]  # no HMAC: provider keys are public
_LEEWAY = 60
_DEFAULT_FIELDS = {"id": ["sub"], "email": ["email"], "verified": ["email_verified"], "name": ["name"], "picture": ["picture"]}


class IdentityError(Exception):
    """The provider's answer does not say reliably who the user is."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A user as a provider knows it."""

    id: str
    email: str | None
    email_verified: bool
    name: str
    picture: str


def _at(profile: Any, path: str) -> Any:
    for part in path.split("."):
        if isinstance(profile, list):
            profile = profile[int(part)] if part.isdigit() and int(part) < len(profile) else None
        else:
            profile = profile.get(part) if isinstance(profile, Mapping) else None
    return profile


def _first(profile: Any, paths: list[str]) -> Any:
    return next((value for path in paths if (value := _at(profile, path)) not in (None, "")), None)


def _text(value: Any, limit: int = 2048) -> str:
    return str(value).replace("\x00", "")[:limit] if isinstance(value, str | int) and not isinstance(value, bool) else ""


def from_profile(provider: Provider, profile: Any) -> Identity:
    """The identity in a profile, by the paths of the provider table."""
    fields = provider.fields or _DEFAULT_FIELDS
    user_id = _text(_first(profile, fields["id"]), 255)
    if not user_id:
        raise IdentityError("the profile has no id")
    email = _text(_first(profile, fields.get("email", [])), 254) or None
    if "verified" in fields:
        verified = _first(profile, fields["verified"]) in (True, "true")
    else:
        verified = _first(profile, fields.get("verified_when", [])) is not None
    picture = _text(_first(profile, fields.get("picture", [])))
    name = _text(_first(profile, fields.get("name", [])), 255)
    return Identity(user_id, email, bool(email and verified), name, picture if picture.startswith("https://") else "")


async def keys_of(http: httpx.AsyncClient, url: str) -> KeySet:
    """A provider's public keys."""
    try:
        answer = await http.get(url)
        answer.raise_for_status()
        return KeySet.import_key_set(answer.json())
    except (httpx.HTTPError, ValueError, KeyError, TypeError, JoseError) as error:
        raise IdentityError(f"the provider's keys cannot be read ({type(error).__name__})") from error


def check_id_token(
    token: str, keys: KeySet, issuers: tuple[str, ...], audiences: tuple[str, ...], nonce: str | None
) -> dict[str, Any]:
    """The claims of an id-token after OpenID Connect Core, 3.1.3.7: signature, issuer, audience, times, nonce."""
    try:
        algorithm = extract_compact(token.encode()).headers().get("alg")
        if algorithm not in _ALGORITHMS or any(isinstance(key, OctKey) for key in keys.keys):
            raise IdentityError("the id-token is not signed with a public key")
        claims = jwt.decode(token, keys, algorithms=_ALGORITHMS).claims
    except (JoseError, ValueError, TypeError, KeyError, UnicodeError) as error:
        raise IdentityError(f"the id-token does not verify ({type(error).__name__})") from error
    now, expires, issued = time.time(), claims.get("exp"), claims.get("iat", 0)
    audience = claims.get("aud")
    named = audience if isinstance(audience, list) else [audience]
    if claims.get("iss") not in issuers or not set(named) & set(audiences):
        raise IdentityError("the id-token was made for somebody else")
    if not isinstance(expires, int | float) or expires < now - _LEEWAY:
        raise IdentityError("the id-token has expired")
    if not isinstance(issued, int | float) or issued > now + _LEEWAY:
        raise IdentityError("the id-token is from the future")
    if nonce is not None and claims.get("nonce") != nonce:
        raise IdentityError("the id-token's nonce is not ours")
    return dict(claims)
