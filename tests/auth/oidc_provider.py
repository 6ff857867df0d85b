"""An OpenID Connect provider of the tests' own, on a loopback port: it checks PKCE, secret and redirect as a real one does."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import secrets
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import uvicorn
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from tests.ports import free_port

CLIENT_ID, CLIENT_SECRET = "the-client", "the-client-s-secret"


@dataclass
class OidcProvider:
    """A running provider. What it says of its user is `profile`; `document` changes its discovery document."""

    port: int = field(default_factory=free_port)
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "k1"}))
    profile: dict[str, Any] = field(
        default_factory=lambda: {"sub": "u-1", "email": "ada@example.com", "email_verified": True, "name": "Ada L."}
    )
    document: dict[str, Any] = field(default_factory=dict)
    claims: dict[str, Any] = field(default_factory=dict)
    developer_key: ECKey | None = None
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    asked: list[dict[str, str]] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Its issuer."""
        return f"http://127.0.0.1:{self.port}"

    def variables(self) -> dict[str, str]:
        """What the auth server is told."""
        return {
            "AUTH_PROVIDER_OIDC_ENABLED": "true",
            "AUTH_PROVIDER_OIDC_HOST": self.url,
            "AUTH_PROVIDER_OIDC_CLIENT_ID": CLIENT_ID,
            "AUTH_PROVIDER_OIDC_CLIENT_SECRET": CLIENT_SECRET,
            "AUTH_PROVIDER_ALLOWED_PRIVATE_HOSTS": f"127.0.0.1:{self.port}",
        }

    def id_token(self, **claims: Any) -> str:
        """A signed id-token."""
        now = int(time.time())
        body = {"iss": self.url, "aud": CLIENT_ID, "iat": now, "exp": now + 60, **self.profile, **self.claims, **claims}
        return jwt.encode({"alg": "RS256", "kid": "k1"}, body, self.key)

    async def _discovery(self, _request: Request) -> JSONResponse:
        return JSONResponse(
            {
                "issuer": self.url,
                "authorization_endpoint": f"{self.url}/authorize",
                "token_endpoint": f"{self.url}/token",
                "userinfo_endpoint": f"{self.url}/userinfo",
                "jwks_uri": f"{self.url}/jwks",
                **self.document,
            }
        )

    async def _authorize(self, request: Request) -> Response:
        query = dict(request.query_params)
        self.asked.append(query)
        code = secrets.token_urlsafe(8)
        self.codes[code] = query
        if query.get("response_mode") == "form_post" and "text/html" in request.headers.get("accept", ""):
            return HTMLResponse(
                f"""<form method="post" action="{query["redirect_uri"]}"><input name="code" value="{code}">
                <input name="state" value="{query["state"]}"></form><script>document.forms[0].submit()</script>"""
            )
        return RedirectResponse(f"{query['redirect_uri']}?{urlencode({'code': code, 'state': query['state']})}", 302)

    async def _token(self, request: Request) -> JSONResponse:
        form = dict(await request.form())
        asked = self.codes.pop(str(form.get("code")), None)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(str(form.get("code_verifier", "")).encode()).digest()).rstrip(b"=")
        right = asked and form["client_id"] == CLIENT_ID and self._secret_holds(str(form["client_secret"]))
        if not right or asked.get("code_challenge") != challenge.decode() or form["redirect_uri"] != asked["redirect_uri"]:
            return JSONResponse({"error": "invalid_grant"}, 400)
        nonce = {"nonce": asked["nonce"]} if "nonce" in asked else {}
        return JSONResponse(
            {"access_token": "at", "refresh_token": "rt", "token_type": "Bearer", "id_token": self.id_token(**nonce)}
        )

    def _secret_holds(self, secret: str) -> bool:
        """The plain secret, or with a developer key Apple's form: a short-lived JWT."""
        if self.developer_key is None:
            return secret == CLIENT_SECRET
        token = jwt.decode(secret, self.developer_key, algorithms=["ES256"])
        claims = token.claims
        short = claims["exp"] - claims["iat"] <= 600
        return short and token.header["kid"] == "KID" and (claims["iss"], claims["sub"]) == ("TEAM", CLIENT_ID)

    async def _userinfo(self, request: Request) -> JSONResponse:
        return JSONResponse(self.profile if request.headers.get("authorization") == "Bearer at" else {})

    async def _jwks(self, _request: Request) -> JSONResponse:
        return JSONResponse({"keys": [self.key.as_dict(private=False)]})

    async def _request_token(self, request: Request) -> PlainTextResponse:
        self.asked.append({"authorization": request.headers["authorization"]})
        return PlainTextResponse("oauth_token=rt1&oauth_token_secret=rs1&oauth_callback_confirmed=true")

    async def _access_token(self, request: Request) -> PlainTextResponse:
        right = (
            'oauth_verifier="v1"' in request.headers["authorization"] and 'oauth_token="rt1"' in request.headers["authorization"]
        )
        return PlainTextResponse("oauth_token=at1&oauth_token_secret=as1" if right else "no", 200 if right else 401)

    async def _verify_credentials(self, request: Request) -> JSONResponse:
        right = 'oauth_token="at1"' in request.headers["authorization"]
        return JSONResponse({"id_str": "x-9", "email": "x@example.com", "name": "X"} if right else {})

    async def serve(self) -> tuple[uvicorn.Server, asyncio.Task[None]]:
        """Start; stop by `server.should_exit` and awaiting the task."""
        app = Starlette(
            routes=[
                Route("/.well-known/openid-configuration", self._discovery),
                Route("/authorize", self._authorize),
                Route("/token", self._token, methods=["POST"]),
                Route("/userinfo", self._userinfo),
                Route("/jwks", self._jwks),
                Route("/oauth1/request", self._request_token, methods=["POST"]),
                Route("/oauth1/access", self._access_token, methods=["POST"]),
                Route("/oauth1/me", self._verify_credentials),
            ]
        )
        server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=self.port, log_level="error", lifespan="off"))
        task = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0.01)
        return server, task
