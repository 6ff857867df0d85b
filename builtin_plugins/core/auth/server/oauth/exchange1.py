"""The OAuth 1.0a exchange (RFC 5849), which X still speaks for sign-in with an address."""

from __future__ import annotations

import secrets
from typing import Any
from urllib.parse import parse_qsl, urlencode

import httpx
from authlib.oauth1 import ClientAuth

from .exchange import ExchangeError, Tokens
from .identity import Identity, IdentityError, from_profile
from .providers import Provider


class Exchange1:
    """One OAuth 1 provider; the same two steps as `Exchange`."""

    def __init__(self, provider: Provider, callback: str, http: httpx.AsyncClient) -> None:
        self._provider, self._callback, self._http = provider, callback, http

    async def _signed(self, method: str, url: str, **options: Any) -> httpx.Response:
        auth = ClientAuth(self._provider.client_id, self._provider.client_secret, **options)
        signed_url, headers, _ = auth.prepare(method, url, {}, b"")
        answer = await self._http.request(method, signed_url, headers=headers)
        return answer.raise_for_status()

    async def _token(self, url: str, **options: Any) -> dict[str, str]:
        try:
            return dict(parse_qsl((await self._signed("POST", url, **options)).text, strict_parsing=True))
        except (httpx.HTTPError, ValueError) as error:
            raise ExchangeError(type(error).__name__) from error

    async def start(self, state: str) -> tuple[str, dict[str, str]]:
        """The address to send the user to, and the request token to remember."""
        given = await self._token(self._provider.request_token, redirect_uri=f"{self._callback}?state={state}")
        if given.get("oauth_callback_confirmed") != "true" or not given.get("oauth_token"):
            raise ExchangeError("the callback is not confirmed")
        url = f"{self._provider.authorize}?{urlencode({'oauth_token': given['oauth_token']})}"
        return url, {"token": given["oauth_token"], "secret": given.get("oauth_token_secret", "")}

    async def finish(self, answer: dict[str, str], kept: dict[str, str]) -> tuple[Tokens, Identity]:
        """Tokens and identity for the provider's answer."""
        if not secrets.compare_digest(answer.get("oauth_token", "").encode(), kept["token"].encode()):
            raise ExchangeError("the answer is for another request")
        given = await self._token(
            self._provider.token, token=kept["token"], token_secret=kept["secret"], verifier=answer.get("oauth_verifier", "")
        )
        token, secret = given.get("oauth_token"), given.get("oauth_token_secret")
        if not token or not secret:
            raise ExchangeError("the answer holds no token")
        try:
            profile = (await self._signed("GET", self._provider.userinfo, token=token, token_secret=secret)).json()
        except (httpx.HTTPError, ValueError) as error:
            raise IdentityError(type(error).__name__) from error
        return Tokens(token, None, None), from_profile(self._provider, profile)
