"""What the server asks of others at sign-in: GraphQL for custom claims, Pwned Passwords for leaked ones."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator

import pytest
import uvicorn
from joserfc import jwt
from joserfc.jwk import OctKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route

from tests.ports import free_port

from .harness import JWT_KEY

LEAKED = "password1"


class Others:
    """A GraphQL API with one user, and a Pwned Passwords API with one password."""

    def __init__(self) -> None:
        self.url = ""
        self.asked: list[dict] = []
        self.user: dict | None = {"profile": {"org": {"id": 7}}, "teams": [{"id": "a"}, {"id": "b"}]}

    async def graphql(self, request: Request) -> JSONResponse:
        self.asked.append({**(await request.json()), "secret": request.headers.get("x-hasura-admin-secret")})
        return JSONResponse({"data": {"user": self.user}} if self.user else {"errors": [{"message": "no"}]})

    async def leaked(self, request: Request) -> PlainTextResponse:
        digest = hashlib.sha1(LEAKED.encode()).hexdigest().upper()
        padding = "0" * 35 + ":0\r\n"
        return PlainTextResponse(padding + (f"{digest[5:]}:12\r\n" if request.path_params["part"] == digest[:5] else ""))


@pytest.fixture
async def others() -> AsyncIterator[Others]:
    made, port = Others(), free_port()
    made.url = f"http://127.0.0.1:{port}"
    app = Starlette(routes=[Route("/v1/graphql", made.graphql, methods=["POST"]), Route("/range/{part}", made.leaked)])
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error", lifespan="off"))
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    yield made
    server.should_exit = True
    await task


def hasura_claims(token: str) -> dict:
    return jwt.decode(token, OctKey.import_key(JWT_KEY), algorithms=["HS256"]).claims["https://hasura.io/jwt/claims"]


async def test_custom_claims(start, others: Others) -> None:
    claims = {"Org-Id": "profile.org.id", "team-ids": "teams[].id", "plan": "plan.name", "user-id": "profile.org.id"}
    harness = await start(
        AUTH_EMAIL_SIGNIN_EMAIL_VERIFIED_REQUIRED="false",
        AUTH_JWT_CUSTOM_CLAIMS=json.dumps(claims),
        AUTH_JWT_CUSTOM_CLAIMS_DEFAULTS='{"plan":"free"}',
        HASURA_GRAPHQL_GRAPHQL_URL=f"{others.url}/v1/graphql",
        HASURA_GRAPHQL_ADMIN_SECRET="the-admin-secret",
    )
    session = await harness.sign_up()
    found = hasura_claims(session["accessToken"])
    assert (found["x-hasura-org-id"], found["x-hasura-team-ids"], found["x-hasura-plan"]) == ("7", '{"a","b"}', "free")
    assert found["x-hasura-user-id"] == session["user"]["id"], "a custom claim replaces none of ours"
    assert others.asked[0]["variables"] == {"id": session["user"]["id"]}
    assert others.asked[0]["secret"] == "the-admin-secret"
    others.user = None
    found = hasura_claims((await harness.sign_in()).json()["session"]["accessToken"])
    assert (found["x-hasura-plan"], "x-hasura-org-id" in found) == ("free", False)


async def test_leaked_passwords(start, others: Others) -> None:
    harness = await start(AUTH_PASSWORD_HIBP_ENABLED="true", AUTH_PASSWORD_HIBP_URL=others.url)
    answer = await harness.post("/signup/email-password", {"email": "a@b.co", "password": LEAKED})
    assert (answer.status_code, answer.json()["error"]) == (400, "password-in-hibp-database")
    assert (await harness.post("/signup/email-password", {"email": "a@b.co", "password": "not in any list"})).status_code == 200
