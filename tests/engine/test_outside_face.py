"""Who may ask and from where: the authentication webhook, keys by URL, replaced keys, the allow-list, CORS."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import time
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from .servers import Engine, Postgres, running_engine
from .webhooks import Hook

pytestmark = pytest.mark.slow

NAMESPACE = "https://hasura.io/jwt/claims"
CLAIMS = {"x-hasura-default-role": "user", "x-hasura-allowed-roles": ["user"], "x-hasura-user-id": "2"}
TITLES = "{ article(order_by: {id: asc}) { title } }"


def ask(engine: Engine, query: str = TITLES, **headers: str) -> Any:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return engine.http.post("/v1/graphql", json={"query": query}, headers=named).json()


def titles(answer: Any) -> list[str]:
    return [row["title"] for row in answer["data"]["article"]]


def code(answer: Any) -> str:
    return answer["errors"][0]["extensions"]["code"]


def encoded(part: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")


@pytest.mark.parametrize("mode", ["GET", "POST"])
def test_the_webhook_says_who_asks(engine: Engine, postgres: Postgres, hook: Hook, mode: str) -> None:
    hook.answer = {"X-Hasura-Role": "user", "X-Hasura-User-Id": 2, "Cache-Control": "max-age=60"}
    with running_engine(postgres.url, HASURA_GRAPHQL_AUTH_HOOK=hook.url, HASURA_GRAPHQL_AUTH_HOOK_MODE=mode) as guarded:
        assert titles(ask(guarded, authorization="Bearer mine", x_hasura_role="admin")) == ["a1", "b1"]
        seen = hook.seen[-1]
        if mode == "POST":
            assert seen["body"]["headers"]["authorization"] == "Bearer mine"
            assert seen["body"]["request"]["query"] == TITLES
        assert seen["headers"].get("authorization" if mode == "GET" else "content-type") in ("Bearer mine", "application/json")
        assert titles(ask(guarded, x_hasura_admin_secret="engine-tests-only")) == ["a1", "a2", "b1"]
        before = len(hook.seen)
        assert code(ask(guarded, x_hasura_admin_secret="wrong")) == "access-denied"
        assert len(hook.seen) == before
        hook.status = 401
        assert code(ask(guarded)) == "access-denied"
        hook.status = 500
        assert code(ask(guarded)) == "unexpected"
        hook.status, hook.answer = 200, {"X-Hasura-User-Id": "2"}
        assert code(ask(guarded)) == "unexpected"
        hook.raw = b"not json"
        assert code(ask(guarded)) == "unexpected"
        hook.stop()
        assert code(ask(guarded)) == "unexpected"


def test_keys_by_url_are_read_again_when_they_change(engine: Engine, postgres: Postgres, hook: Hook) -> None:
    first, second = (RSAKey.generate_key(2048, {"kid": kid, "alg": "RS256"}) for kid in ("one", "two"))

    def token(key: RSAKey, algorithm: str = "RS256", **claims: Any) -> str:
        return "Bearer " + jwt.encode({"alg": algorithm, "kid": key.kid}, {NAMESPACE: CLAIMS, **claims}, key)

    hook.answer = KeySet([first]).as_dict(private=False)
    hook.headers = {"cache-control": "max-age=1"}
    with running_engine(postgres.url, HASURA_GRAPHQL_JWT_SECRET=json.dumps({"jwk_url": hook.url})) as guarded:
        assert titles(ask(guarded, authorization=token(first))) == ["a1", "b1"]
        assert code(ask(guarded, authorization=token(second))) == "invalid-jwt"
        assert code(ask(guarded, authorization=token(first, exp=int(time.time()) - 1))) == "invalid-jwt"
        # A symmetric signature made with the public key is the classic confusion of algorithms.
        signed = ".".join(encoded(part) for part in ({"alg": "HS256", "kid": "one"}, {NAMESPACE: CLAIMS}))
        mac = hmac.digest(first.as_pem(private=False), signed.encode(), "sha256")
        confused = signed + "." + base64.urlsafe_b64encode(mac).decode().rstrip("=")
        assert code(ask(guarded, authorization="Bearer " + confused)) == "invalid-jwt"
        hook.answer = KeySet([first, second]).as_dict(private=False)
        time.sleep(1.2)
        assert titles(ask(guarded, authorization=token(second))) == ["a1", "b1"]
        hook.status = 500
        time.sleep(1.2)
        assert titles(ask(guarded, authorization=token(second))) == ["a1", "b1"], "the known keys stay while the URL fails"


def test_the_allow_list(engine: Engine, postgres: Postgres) -> None:
    with running_engine(postgres.url, HASURA_GRAPHQL_ENABLE_ALLOWLIST="true") as strict:
        role = {"x_hasura_admin_secret": "engine-tests-only", "x_hasura_role": "user", "x_hasura_user_id": "2"}
        assert code(ask(strict, **role)) == "validation-failed"
        queries = [{"name": "titles", "query": "query { article(order_by: {id: asc}) { title } }"}]
        for kind, args in (
            ("create_query_collection", {"name": "known", "definition": {"queries": queries}}),
            ("add_collection_to_allowlist", {"collection": "known"}),
        ):
            made = strict.meta(kind, args)
            assert made.status_code == 200, made.text
        assert titles(ask(strict, **role)) == ["a1", "b1"]
        laid_out = "{\n  article(order_by: {id: asc}) {\n    title __typename\n  }\n}"
        assert titles(ask(strict, laid_out, **role)) == ["a1", "b1"]
        assert code(ask(strict, "{ article { title } }", **role)) == "validation-failed"
        assert code(ask(strict, "{ article { ", **role)) == "validation-failed"
        assert len(titles(ask(strict, "{ article { title } }", x_hasura_admin_secret="engine-tests-only"))) == 3
        strict.meta("drop_collection_from_allowlist", {"collection": "known"})
        assert code(ask(strict, **role)) == "validation-failed"
        strict.meta("drop_query_collection", {"collection": "known", "cascade": True})


async def test_cors_and_the_origin_of_sockets(engine: Engine, postgres: Postgres) -> None:
    domains = "https://app.example.com, http://*.example.org:3000"
    with running_engine(postgres.url, HASURA_GRAPHQL_CORS_DOMAIN=domains) as picky:

        def allowed(origin: str) -> str | None:
            reply = picky.http.request(
                "OPTIONS", "/v1/graphql", headers={"origin": origin, "access-control-request-method": "POST"}
            )
            return reply.headers.get("access-control-allow-origin")

        for origin in ("https://app.example.com", "http://a.b.example.org:3000"):
            assert allowed(origin) == origin
        for origin in (
            "https://evil.com",
            "http://app.example.com",
            "http://example.org:3000",
            "http://a.example.org",
            "https://app.example.com.evil.com",
            "http://evilexample.org:3000",
            "null",
        ):
            assert allowed(origin) is None, origin
        url = picky.base.replace("http", "ws") + "/v1/graphql"
        async with connect(url, subprotocols=["graphql-transport-ws"], origin="https://app.example.com"):
            pass
        with pytest.raises(InvalidStatus):
            async with connect(url, subprotocols=["graphql-transport-ws"], origin="https://evil.com"):
                pass
    preflight = {
        "origin": "http://a",
        "access-control-request-method": "POST",
        "access-control-request-headers": "x-hasura-user-id",
    }
    reply = await asyncio.to_thread(lambda: engine.http.request("OPTIONS", "/v1/graphql", headers=preflight))
    assert reply.status_code == 204
    assert "x-hasura-user-id" in reply.headers["access-control-allow-headers"]
