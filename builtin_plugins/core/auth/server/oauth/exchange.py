"""The OAuth 2 exchange with a provider: the way there (with PKCE), the token, the profile."""

from __future__ import annotations

import base64
import json
import secrets
import time
from dataclasses import dataclass, replace
from typing import Any

import httpx
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from joserfc import jwt
from joserfc.jwk import ECKey

from ..settings import is_web_url
from .identity import Identity, IdentityError, check_id_token, from_profile, keys_of
from .providers import Provider


class ExchangeError(Exception):
    """The provider did not give a token for the code."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a provider gave for a code."""

    access: str
    refresh: str | None
    id_token: str | None


class Exchange:
    """One OAuth 2 provider, ready to talk to through a client that guards where requests go."""

    def __init__(self, provider: Provider, callback: str, http: httpx.AsyncClient) -> None:
        self._provider, self._callback, self._http = provider, callback, http

    async def discovered(self) -> Provider:
        """The provider with the endpoints its discovery document names; the document's issuer must be the one asked."""
        provider = self._provider
        if not provider.discovery or (provider.authorize and provider.token):
            return provider
        try:
            answer = await self._http.get(provider.discovery)
            answer.raise_for_status()
            document = answer.json()
            endpoints = {
                "authorize": document["authorization_endpoint"],
                "token": document["token_endpoint"],
                "jwks": document["jwks_uri"],
                "userinfo": document.get("userinfo_endpoint", ""),
            }
            issuer = document["issuer"]
        except (httpx.HTTPError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ExchangeError(f"the discovery document cannot be read ({type(error).__name__})") from error
        if not all(isinstance(url, str) and (not url or is_web_url(url)) for url in endpoints.values()):
            raise ExchangeError("the discovery document names no web addresses")
        if str(issuer).rstrip("/") != provider.discovery.partition("/.well-known/")[0].rstrip("/"):
            raise ExchangeError("the discovery document is another issuer's")
        self._provider = provider.model_copy(update={**endpoints, "issuers": (issuer,)})
        return self._provider

    async def start(self, state: str) -> tuple[str, dict[str, str]]:
        """The address to send the user to, and what must be remembered until the answer."""
        provider = await self.discovered()
        verifier, nonce = secrets.token_urlsafe(48), secrets.token_urlsafe(24)
        extra = {key: provider.variables[name] for key, name in provider.extra.items() if provider.variables.get(name)}
        if provider.pkce:
            extra |= {"code_challenge": create_s256_code_challenge(verifier), "code_challenge_method": "S256"}
        if provider.form_post:
            extra["response_mode"] = "form_post"
        if provider.profile == "id_token" or "openid" in provider.scope.split():
            extra["nonce"] = nonce
        url = prepare_grant_uri(
            provider.authorize, provider.client_id, "code", self._callback, provider.scope or None, state, **extra
        )
        return url, {"verifier": verifier, "nonce": nonce}

    async def finish(self, answer: dict[str, str], kept: dict[str, str]) -> tuple[Tokens, Identity]:
        """Tokens and identity for the provider's answer."""
        provider = await self.discovered()
        if not answer.get("code"):
            raise ExchangeError("no code")
        tokens = await self._redeem(provider, answer["code"], kept)
        identity = await self._identity(provider, tokens, kept)
        return tokens, identity if identity.name else replace(identity, name=posted_name(answer.get("user", "")))

    async def _redeem(self, provider: Provider, code: str, kept: dict[str, str]) -> Tokens:
        """The authorization code grant (RFC 6749, 4.1.3), the client's secret in the body."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._callback,
            "client_id": provider.client_id,
            "client_secret": _apple_secret(provider) if provider.secret == "apple" else provider.client_secret,  # noqa: S105
        }
        if provider.pkce:
            form["code_verifier"] = kept["verifier"]
        try:
            given = await self._http.post(provider.token, data=form, headers={"accept": "application/json"})
            given.raise_for_status()
            token = given.json()
            access, refresh, id_token = token["access_token"], token.get("refresh_token"), token.get("id_token")
        except (httpx.HTTPError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ExchangeError(type(error).__name__) from error
        if not isinstance(access, str) or not all(value is None or isinstance(value, str) for value in (refresh, id_token)):
            raise ExchangeError("the answer holds no token")
        return Tokens(access, refresh, id_token)

    async def _identity(self, provider: Provider, tokens: Tokens, kept: dict[str, str]) -> Identity:
        if provider.profile == "id_token":
            if not tokens.id_token:
                raise IdentityError("no id-token")
            keys = await keys_of(self._http, provider.jwks)
            claims = check_id_token(tokens.id_token, keys, provider.issuers, (provider.client_id,), kept.get("nonce"))
            return from_profile(provider, claims)
        found = from_profile(provider, await self._get(provider, provider.userinfo, tokens.access))
        if provider.emails and not found.email:
            found = with_email(provider, found, await self._get(provider, provider.emails.url, tokens.access))
        return found

    async def _get(self, provider: Provider, url: str, access: str) -> Any:
        headers = {"authorization": f"Bearer {access}", "accept": "application/json"}
        if provider.client_id_header:
            headers[provider.client_id_header] = provider.client_id
        try:
            answer = await self._http.get(url, headers=headers)
            answer.raise_for_status()
            return answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise IdentityError(type(error).__name__) from error


def with_email(provider: Provider, identity: Identity, listed: Any) -> Identity:
    """The identity with its primary address from the provider's list of addresses."""
    rule = provider.emails
    entries = listed.get(rule.list, []) if rule and rule.list and isinstance(listed, dict) else listed
    if rule is None or not isinstance(entries, list):
        return identity
    primary = next((item for item in entries if isinstance(item, dict) and item.get(rule.primary) is True), None)
    if primary is None or not isinstance(primary.get(rule.address), str):
        return identity
    verified = primary.get(rule.verified) is True
    return Identity(identity.id, primary[rule.address], verified, identity.name, identity.picture)


def posted_name(user: str) -> str:
    """The name in Apple's form field `user`, which comes with a user's first sign-in only. Just a name to show."""
    try:
        name = json.loads(user)["name"]
        parts = [name.get("firstName"), name.get("lastName")]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return ""
    return " ".join(part for part in parts if isinstance(part, str)).replace("\x00", "").strip()[:255]


def _apple_secret(provider: Provider) -> str:
    """Apple's client secret: a JWT signed with the developer's key, valid for minutes (Sign in with Apple, token API)."""
    own, now = provider.variables, int(time.time())
    material = own["PRIVATE_KEY"]
    pem = material if "BEGIN" in material else base64.b64decode(material).decode()
    claims = {
        "iss": own["TEAM_ID"],
        "iat": now,
        "exp": now + 300,
        "aud": "https://appleid.apple.com",
        "sub": provider.client_id,
    }
    return jwt.encode({"alg": "ES256", "kid": own["KEY_ID"]}, claims, ECKey.import_key(pem.replace("\\n", "\n")))
