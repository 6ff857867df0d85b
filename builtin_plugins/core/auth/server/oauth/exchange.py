"""The OAuth exchange with a provider: the way there (with PKCE), the token, the profile."""

from __future__ import annotations

import base64
import secrets
import time
from dataclasses import dataclass
from typing import Any

import httpx
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.httpx_client import AsyncOAuth1Client, AsyncOAuth2Client
from joserfc import jwt
from joserfc.jwk import ECKey

from ..egress import GuardedTransport, is_web_url
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
    raw: dict[str, Any]


class Exchange:
    """One provider, ready to talk to."""

    def __init__(self, provider: Provider, callback: str, hosts: tuple[str, ...], http: httpx.AsyncClient) -> None:
        self._provider, self._callback, self._hosts, self._http = provider, callback, hosts, http

    def _client(self, **options: Any) -> AsyncOAuth2Client:
        provider = self._provider
        secret = _apple_secret(provider) if provider.secret == "apple" else provider.client_secret  # noqa: S105 - a kind
        return AsyncOAuth2Client(
            client_id=provider.client_id,
            client_secret=secret,
            redirect_uri=self._callback,
            scope=provider.scope or None,
            token_endpoint_auth_method="client_secret_post",  # noqa: S106 - a method's name
            code_challenge_method="S256" if provider.pkce else None,
            transport=GuardedTransport(self._hosts),
            follow_redirects=False,
            timeout=10,
            trust_env=False,
            **options,
        )

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
        if provider.oauth1:
            return await self._start_oauth1(state)
        verifier, nonce = secrets.token_urlsafe(48), secrets.token_urlsafe(24)
        extra = {key: provider.variables[name] for key, name in provider.extra.items() if provider.variables.get(name)}
        if provider.form_post:
            extra["response_mode"] = "form_post"
        if provider.profile == "id_token" or "openid" in provider.scope.split():
            extra["nonce"] = nonce
        async with self._client() as client:
            url, _ = client.create_authorization_url(
                provider.authorize, state=state, code_verifier=verifier if provider.pkce else None, **extra
            )
        return url, {"verifier": verifier, "nonce": nonce}

    async def _start_oauth1(self, state: str) -> tuple[str, dict[str, str]]:
        async with self._oauth1(redirect_uri=f"{self._callback}?state={state}") as client:
            try:
                request_token = await client.fetch_request_token(self._provider.request_token)
            except (AuthlibBaseError, httpx.HTTPError, ValueError) as error:
                raise ExchangeError(type(error).__name__) from error
            url = client.create_authorization_url(self._provider.authorize)
        return url, {"token": request_token["oauth_token"], "secret": request_token["oauth_token_secret"]}

    def _oauth1(self, **options: Any) -> AsyncOAuth1Client:
        provider = self._provider
        return AsyncOAuth1Client(
            provider.client_id,
            provider.client_secret,
            transport=GuardedTransport(self._hosts),
            follow_redirects=False,
            timeout=10,
            trust_env=False,
            **options,
        )

    async def finish(self, answer: dict[str, str], kept: dict[str, str]) -> tuple[Tokens, Identity]:
        """Tokens and identity for the provider's answer."""
        provider = await self.discovered()
        if provider.oauth1:
            return await self._finish_oauth1(answer, kept)
        code = answer.get("code")
        if not code:
            raise ExchangeError("no code")
        async with self._client() as client:
            try:
                token = await client.fetch_token(
                    provider.token,
                    code=code,
                    grant_type="authorization_code",
                    code_verifier=kept.get("verifier") if provider.pkce else None,
                )
                tokens = Tokens(token["access_token"], token.get("refresh_token"), token.get("id_token"), dict(token))
            except (AuthlibBaseError, httpx.HTTPError, ValueError, KeyError, TypeError) as error:
                raise ExchangeError(type(error).__name__) from error
        return tokens, await self._identity(provider, tokens, kept, answer)

    async def _identity(self, provider: Provider, tokens: Tokens, kept: dict[str, str], answer: dict[str, str]) -> Identity:
        if provider.profile == "id_token":
            if not tokens.id_token:
                raise IdentityError("no id-token")
            keys = await keys_of(self._http, provider.jwks)
            claims = check_id_token(tokens.id_token, keys, provider.issuers, (provider.client_id,), kept.get("nonce"))
            return from_profile(provider, claims)
        profile = await self._get(provider, provider.userinfo, tokens.access)
        found = from_profile(provider, profile)
        if provider.emails and not found.email:
            found = _with_email(provider, found, await self._get(provider, provider.emails.url, tokens.access))
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

    async def _finish_oauth1(self, answer: dict[str, str], kept: dict[str, str]) -> tuple[Tokens, Identity]:
        if not secrets.compare_digest(answer.get("oauth_token", "").encode(), kept["token"].encode()):
            raise ExchangeError("the answer is for another request")
        async with self._oauth1(token=kept["token"], token_secret=kept["secret"]) as client:
            try:
                token = await client.fetch_access_token(self._provider.token, verifier=answer.get("oauth_verifier", ""))
            except (AuthlibBaseError, httpx.HTTPError, ValueError, KeyError) as error:
                raise ExchangeError(type(error).__name__) from error
            try:
                profile = (await client.get(self._provider.userinfo)).raise_for_status().json()
            except (httpx.HTTPError, ValueError) as error:
                raise IdentityError(type(error).__name__) from error
        return Tokens(token["oauth_token"], None, None, dict(token)), from_profile(self._provider, profile)


def _with_email(provider: Provider, identity: Identity, listed: Any) -> Identity:
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
