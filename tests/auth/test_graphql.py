"""Together with the project's GraphQL engine: it takes our tokens in every algorithm, tracks our tables, and answers claims."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from joserfc.jws import extract_compact

from builtin_plugins.core.auth.server.admin.keys import rotate
from builtin_plugins.core.auth.server.metadata import tables
from tests.ports import free_port

from .harness import JWT_KEY

ADMIN = "an-admin-secret-of-tests-alone-1234"
PLAIN = {"AUTH_EMAIL_SIGNIN_EMAIL_VERIFIED_REQUIRED": "false"}
FIRST = json.dumps({"type": "HS256", "key": JWT_KEY})


@asynccontextmanager
async def engine(database_url: str, **variables: str) -> AsyncIterator[httpx.AsyncClient]:
    """The engine on this database."""
    port = free_port()
    own = {"HASURA_GRAPHQL_SERVER_HOST": "127.0.0.1", "HASURA_GRAPHQL_SERVER_PORT": str(port)}
    common = {"HASURA_GRAPHQL_DATABASE_URL": database_url, "HASURA_GRAPHQL_ADMIN_SECRET": ADMIN, "PATH": os.environ["PATH"]}
    process = subprocess.Popen(
        [sys.executable, "-m", "builtin_plugins.core.hasura.engine"],
        env={**common, **own, **variables},
        stdout=subprocess.DEVNULL,
    )
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            for _ in range(300):
                try:
                    if (await client.get("/healthz")).status_code == 200:
                        break
                except httpx.TransportError:
                    await asyncio.sleep(0.05)
            yield client
    finally:
        process.terminate()
        process.wait(20)


async def track(client: httpx.AsyncClient, database_url: str) -> None:
    """Give the engine our metadata."""
    source = {
        "name": "default",
        "kind": "postgres",
        "configuration": {"connection_info": {"database_url": database_url}},
        "tables": tables(),
    }
    body = {"type": "replace_metadata", "args": {"version": 3, "sources": [source]}}
    answer = await client.post("/v1/metadata", json=body, headers={"x-hasura-admin-secret": ADMIN})
    assert answer.status_code == 200, answer.text


async def query(client: httpx.AsyncClient, text: str, token: str | None = None, role: str | None = None) -> dict[str, Any]:
    headers = {"authorization": f"Bearer {token}"} if token else {"x-hasura-admin-secret": ADMIN}
    if role:
        headers["x-hasura-role"] = role
    return (await client.post("/v1/graphql", json={"query": text}, headers=headers)).json()


async def test_a_user_sees_the_own_row(start, database_url: str) -> None:
    harness = await start(**PLAIN)
    ada = await harness.sign_up("ada@example.com", displayName="Ada")
    await harness.sign_up("bob@example.com")
    async with engine(database_url, HASURA_GRAPHQL_JWT_SECRET=FIRST) as graphql:
        await track(graphql, database_url)
        seen = await query(
            graphql, "{ users { id email displayName roles { role } refreshTokens { type } } }", ada["accessToken"]
        )
        assert [user["email"] for user in seen["data"]["users"]] == ["ada@example.com"], seen
        assert sorted(entry["role"] for entry in seen["data"]["users"][0]["roles"]) == ["me", "user"]
        for hidden in ("passwordHash", "ticket", "totpSecret", "otpHash"):
            assert "errors" in await query(graphql, f"{{ users {{ {hidden} }} }}", ada["accessToken"])
        assert "errors" in await query(graphql, "{ users { id } }", ada["accessToken"], role="admin")
        everyone = await query(graphql, "{ users { email } authUserRoles { role } authProviders { id } }")
        assert len(everyone["data"]["users"]) == 2
        assert "errors" in await query(graphql, "{ users { id } }", ada["accessToken"][:-4] + "AAAA")


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA", "HS512"])
async def test_rotation_reaches_the_engine(start, database_url: str, algorithm: str) -> None:
    before = await start(**PLAIN)
    old = (await before.sign_up())["accessToken"]
    turned = rotate(FIRST, algorithm=algorithm, overlap=120)
    after = await start(**PLAIN, HASURA_GRAPHQL_JWT_SECRET=turned.secret, AUTH_JWT_PREVIOUS_SECRETS=turned.previous)
    new = (await after.sign_in()).json()["session"]["accessToken"]
    assert extract_compact(new.encode()).headers()["alg"] == algorithm
    async with engine(database_url, HASURA_GRAPHQL_JWT_SECRETS=turned.engine_secrets) as graphql:
        await track(graphql, database_url)
        for token in (old, new):
            seen = await query(graphql, "{ users { email } }", token)
            assert seen.get("data", {}).get("users") == [{"email": "ada@example.com"}], seen


async def test_custom_claims_from_the_engine(start, database_url: str, caplog: pytest.LogCaptureFixture) -> None:
    harness = await start(**PLAIN)
    await harness.sign_up(metadata={"plan": {"tier": "gold"}})
    async with engine(database_url, HASURA_GRAPHQL_JWT_SECRET=FIRST) as graphql:
        await track(graphql, database_url)
        claims = {"my-roles": "roles[].role", "tier": "metadata.plan.tier", "mail": "email", "bad": "nosuch.path"}
        claiming = await start(
            **PLAIN,
            AUTH_JWT_CUSTOM_CLAIMS=json.dumps(claims),
            HASURA_GRAPHQL_GRAPHQL_URL=f"{graphql.base_url}/v1/graphql".replace("//v1", "/v1"),
            HASURA_GRAPHQL_ADMIN_SECRET=ADMIN,
            AUTH_ANONYMOUS_USERS_ENABLED="true",
        )
        token = (await claiming.sign_in()).json()["session"]["accessToken"]
        found = claiming.service.keys.verify(token)
        assert (found["x-hasura-tier"], found["x-hasura-mail"]) == ("gold", "ada@example.com")
        assert "x-hasura-bad" not in found
        assert "custom claim bad (nosuch.path) is left out: field" in caplog.text
        assert found["x-hasura-my-roles"] in ('{"me","user"}', '{"user","me"}')
        fresh = (await claiming.post("/signin/anonymous", {"metadata": {"plan": {"tier": "none"}}})).json()["session"]
        assert claiming.service.keys.verify(fresh["accessToken"])["x-hasura-tier"] == "none", "GraphQL sees the new row"
