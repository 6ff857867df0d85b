"""JSON Web Tokens and the admin secret, without a database."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from builtin_plugins.core.hasura.engine.auth.session import Authenticator
from builtin_plugins.core.hasura.engine.config import ConfigError, read
from builtin_plugins.core.hasura.engine.errors import EngineError
from builtin_plugins.core.hasura.engine.logs import Logger

KEY = "k" * 40
CLAIMS = {"x-hasura-default-role": "user", "x-hasura-allowed-roles": ["user", "editor"], "x-hasura-user-id": "7"}
NAMESPACE = "https://hasura.io/jwt/claims"


def authenticator(secret: dict[str, Any], **extra: str) -> Authenticator:
    env = {"HASURA_GRAPHQL_DATABASE_URL": "postgres://x", "HASURA_GRAPHQL_ADMIN_SECRET": "boss"}
    env |= {"HASURA_GRAPHQL_JWT_SECRET": json.dumps(secret)} | extra
    return Authenticator(read(env), None, Logger(()))


def token(key: Any, algorithm: str, **claims: Any) -> str:
    return jwt.encode({"alg": algorithm}, {NAMESPACE: CLAIMS} | claims, key, algorithms=[algorithm])


def ask(auth: Authenticator, **headers: str) -> Any:
    return asyncio.run(auth.session({name.replace("_", "-"): value for name, value in headers.items()}))


@pytest.mark.parametrize("algorithm", ["HS256", "HS512", "RS256", "ES256", "EdDSA"])
def test_every_family_of_keys(algorithm: str) -> None:
    if algorithm.startswith("HS"):
        key = OctKey.import_key(KEY * 2)
        shown = KEY * 2
    else:
        family, size = {"R": (RSAKey, 2048), "E": (ECKey, "P-256")}[algorithm[0]]
        key = OKPKey.generate_key("Ed25519") if algorithm == "EdDSA" else family.generate_key(size)
        shown = key.as_pem(private=False).decode()
    auth = authenticator({"type": algorithm, "key": shown})
    session = ask(auth, authorization=f"Bearer {token(key, algorithm)}")
    assert session.role == "user"
    assert session.variables == {"x-hasura-user-id": "7", "x-hasura-role": "user"}
    assert ask(auth, authorization=f"Bearer {token(key, algorithm)}", x_hasura_role="editor").role == "editor"


def refused(auth: Authenticator, **headers: str) -> str:
    with pytest.raises(EngineError) as caught:
        ask(auth, **headers)
    return caught.value.code


def test_bad_tokens() -> None:
    auth = authenticator({"type": "HS256", "key": KEY, "audience": "me", "issuer": "us"})
    key = OctKey.import_key(KEY)
    good = {"aud": "me", "iss": "us"}
    assert ask(auth, authorization=f"Bearer {token(key, 'HS256', **good)}").role == "user"
    bad = [
        token(key, "HS256", **good, exp=int(time.time()) - 5),
        token(key, "HS256", **good, exp="never"),
        token(key, "HS256", **good, nbf=int(time.time()) + 60),
        token(key, "HS256", aud="you", iss="us"),
        token(key, "HS256", aud="me"),
        token(OctKey.import_key("z" * 40), "HS256", **good),
        token(OctKey.import_key(KEY * 2), "HS512", **good),
        token(key, "HS256", **good)[:-3],
        "a.b.c",
        "eyJhbGciOiJub25lIn0.e30.",
        "…",
    ]
    for item in bad:
        assert refused(auth, authorization=f"Bearer {item}") == "invalid-jwt", item
    assert refused(auth, authorization="Basic abc") == "invalid-headers"
    assert refused(auth) == "invalid-headers"
    assert refused(auth, authorization=f"Bearer {token(key, 'HS256', **good)}", x_hasura_role="admin") == "access-denied"
    assert refused(auth, x_hasura_admin_secret="bos") == "access-denied"
    assert ask(auth, x_hasura_admin_secret="boss").role == "admin"


def test_skew_map_path_string_and_cookie() -> None:
    key = OctKey.import_key(KEY)
    late = token(key, "HS256", exp=int(time.time()) - 5)
    assert ask(authenticator({"type": "HS256", "key": KEY, "allowed_skew": 30}), authorization=f"Bearer {late}").role == "user"
    mapped = {
        "x-hasura-allowed-roles": {"path": "$.roles"},
        "x-hasura-default-role": {"path": "$.roles[0]"},
        "x-hasura-user-id": {"path": "$.who['id']", "default": "0"},
    }
    auth = authenticator({"type": "HS256", "key": KEY, "claims_map": mapped})
    session = ask(auth, authorization=f"Bearer {token(key, 'HS256', roles=['reader'], who={'id': 9})}")
    assert (session.role, session.variables["x-hasura-user-id"]) == ("reader", "9")
    auth = authenticator({"type": "HS256", "key": KEY, "claims_namespace_path": "$.deep.claims"})
    assert ask(auth, authorization=f"Bearer {token(key, 'HS256', deep={'claims': CLAIMS})}").role == "user"
    auth = authenticator({"type": "HS256", "key": KEY, "claims_namespace": "c", "claims_format": "stringified_json"})
    assert ask(auth, authorization=f"Bearer {token(key, 'HS256', c=json.dumps(CLAIMS))}").role == "user"
    auth = authenticator({"type": "HS256", "key": KEY, "header": {"type": "Cookie", "name": "t"}})
    assert ask(auth, cookie=f"a=b; t={token(key, 'HS256')}").role == "user"


def test_unauthorized_role_and_wrong_configuration() -> None:
    auth = authenticator({"type": "HS256", "key": KEY}, HASURA_GRAPHQL_UNAUTHORIZED_ROLE="anonymous")
    assert ask(auth).role == "anonymous"
    for secret in ({"type": "XX", "key": "a"}, {"type": "RS256", "key": "not a key"}, {"type": "HS256"}):
        with pytest.raises(ConfigError):
            authenticator(secret)
    jwt_alone = {"HASURA_GRAPHQL_JWT_SECRET": json.dumps({"type": "HS256", "key": KEY})}
    with pytest.raises(ConfigError, match="ADMIN_SECRET"):
        read({"HASURA_GRAPHQL_DATABASE_URL": "x", **jwt_alone})
    with pytest.raises(ConfigError, match="only one"):
        authenticator({"type": "HS256", "key": KEY}, HASURA_GRAPHQL_AUTH_HOOK="http://hook")
    with pytest.raises(ConfigError, match="SERVER_PORT"):
        read({"HASURA_GRAPHQL_DATABASE_URL": "x", "HASURA_GRAPHQL_SERVER_PORT": "many"})


def test_a_replaced_key_counts_until_its_end() -> None:
    new, old = "n" * 40, "o" * 40

    def ask_with_old(not_after: float) -> Any:
        previous = json.dumps([{"type": "HS256", "key": old, "not_after": not_after}])
        auth = authenticator({"type": "HS256", "key": new}, HASURA_GRAPHQL_JWT_SECRETS=previous)
        assert ask(auth, authorization=f"Bearer {token(OctKey.import_key(new), 'HS256')}").role == "user"
        return ask(auth, authorization=f"Bearer {token(OctKey.import_key(old), 'HS256')}")

    assert ask_with_old(time.time() + 60).role == "user"
    with pytest.raises(EngineError, match="replaced"):
        ask_with_old(time.time() - 1)
    with pytest.raises(ConfigError, match="not_after"):
        authenticator({"type": "HS256", "key": new, "not_after": "soon"})
