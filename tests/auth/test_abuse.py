"""The abuse that must be refused: forged tokens, open redirects, enumeration, guessing, oversized and odd bodies."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import statistics
import time

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey

from builtin_plugins.core.auth.server.admin.keys import new_secret

from .harness import CLIENT_URL, JWT_KEY, PASSWORD, Harness, query_of

PLAIN = {"AUTH_EMAIL_SIGNIN_EMAIL_VERIFIED_REQUIRED": "false"}


def part(value: dict) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def claims(user_id: str, **changes: object) -> dict:
    now = int(time.time())
    return {
        "sub": user_id,
        "iss": "hasura-auth",
        "iat": now,
        "exp": now + 60,
        "https://hasura.io/jwt/claims": {"x-hasura-user-id": user_id, "x-hasura-auth-elevated": user_id},
        **changes,
    }


async def test_forged_tokens(harness: Harness) -> None:
    session = await harness.sign_up()
    user_id = session["user"]["id"]
    right = OctKey.import_key(JWT_KEY)
    head, body, signature = session["accessToken"].split(".")
    forged = {
        "alg none": f"{part({'alg': 'none', 'typ': 'JWT'})}.{part(claims(user_id))}.",
        "alg None": f"{part({'alg': 'None'})}.{part(claims(user_id))}.{signature}",
        "no signature": f"{head}.{body}.",
        "other key": jwt.encode({"alg": "HS256"}, claims(user_id), OctKey.import_key("x" * 40)),
        "other algorithm": jwt.encode({"alg": "HS512"}, claims(user_id), right, algorithms=["HS512"]),
        "expired": jwt.encode({"alg": "HS256"}, claims(user_id, exp=int(time.time()) - 5), right),
        "other issuer": jwt.encode({"alg": "HS256"}, claims(user_id, iss="someone"), right),
        "no expiry": jwt.encode({"alg": "HS256"}, {k: v for k, v in claims(user_id).items() if k != "exp"}, right),
        "no claims": jwt.encode({"alg": "HS256"}, {"sub": user_id, "iss": "hasura-auth", "exp": 9999999999}, right),
        "not a token": "a.b.c",
        "empty parts": "..",
    }
    for name, token in forged.items():
        assert (await harness.get("/user", token)).status_code == 401, name
    assert (await harness.get("/user", jwt.encode({"alg": "HS256"}, claims(user_id), right))).status_code == 200


async def test_public_key_is_no_hmac_secret(start) -> None:
    secret = new_secret("RS256")
    harness = await start(**PLAIN, HASURA_GRAPHQL_JWT_SECRET=json.dumps(secret))
    session = await harness.sign_up()
    assert (await harness.get("/user", session["accessToken"])).status_code == 200
    head = part({"alg": "HS256", "typ": "JWT", "kid": secret["kid"]})
    body = part(claims(session["user"]["id"]))
    mac = hmac.digest(secret["key"].encode(), f"{head}.{body}".encode(), hashlib.sha256)
    token = f"{head}.{body}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"
    assert (await harness.get("/user", token)).status_code == 401


EVIL = [
    "https://evil.example/",
    "//evil.example",
    "http://app.test.evil.example",
    "http://app.test@evil.example",
    "http://evil.example\\@app.test",
    "http://app.test\\.evil.example",
    "http://app.test:81/",
    "https://app.test/",
    "javascript:alert(1)",
    "data:text/html,x",
    "http://app.test/\r\nSet-Cookie: a=b",
    "http://app.test\t.evil.example",
    " http://app.test",
    "http://[::1]:x",
]


@pytest.mark.parametrize("target", EVIL)
async def test_open_redirects(start, target: str) -> None:
    harness = await start(AUTH_EMAIL_PASSWORDLESS_ENABLED="true")
    body = {"email": "a@b.co", "options": {"redirectTo": target}}
    for path in ("/signin/passwordless/email", "/user/password/reset", "/user/email/send-verification-email"):
        answer = await harness.post(path, body)
        assert (answer.status_code, answer.json()["error"]) == (400, "redirectTo-not-allowed"), path
    answer = await harness.get("/verify", ticket="verifyEmail:x", redirectTo=target)
    assert answer.status_code == 400
    assert "location" not in answer.headers


async def test_allowed_redirects_carry_errors(harness: Harness) -> None:
    answer = await harness.get("/verify", ticket="verifyEmail:x", redirectTo=f"{CLIENT_URL}/in?a=1#part")
    assert answer.status_code == 302
    assert answer.headers["location"].endswith("#part")
    assert query_of(answer.headers["location"])["error"] == "invalid-ticket"


@pytest.mark.parametrize("conceal", ["", "true"])
async def test_enumeration_by_text(start, conceal: str) -> None:
    """A taken address, a free one, a disabled user and an unverified one look the same, unless that is switched off."""
    harness = await start(
        AUTH_CONCEAL_ERRORS=conceal,
        AUTH_EMAIL_PASSWORDLESS_ENABLED="true",
        AUTH_OTP_EMAIL_ENABLED="true",
        AUTH_WEBAUTHN_ENABLED="true",
    )
    await harness.sign_up("known@example.com")
    await harness.sign_up("off@example.com")
    await harness.db.execute("UPDATE auth.users SET disabled = true WHERE email::text = 'off@example.com'")
    for path, more in {
        "/signup/email-password": {"password": PASSWORD},
        "/signin/email-password": {"password": PASSWORD + "!"},
        "/signin/otp/email/verify": {"otp": "000000"},
        "/signin/passwordless/email": {},
        "/signin/otp/email": {},
        "/user/password/reset": {},
        "/user/email/send-verification-email": {},
    }.items():
        answers = [
            await harness.post(path, {"email": e, **more}) for e in ("known@example.com", "off@example.com", "free@example.com")
        ]
        assert len({(a.status_code, a.text) for a in answers}) == 1, (path, [a.text for a in answers])
        await harness.db.execute("DELETE FROM auth.users WHERE email::text = 'free@example.com'")
    shapes = set()
    for address in ("known@example.com", "free@example.com"):
        options = (await harness.post("/signin/webauthn", {"email": address})).json()
        shapes.add((tuple(sorted(options)), len(options["allowCredentials"])))
    assert len(shapes) == 1


async def test_without_concealment_sign_in_and_reset_tell_nothing(start) -> None:
    harness = await start(**PLAIN, AUTH_CONCEAL_ERRORS="false")
    await harness.sign_up()
    for path, more in {"/signin/email-password": {"password": "wrong"}, "/user/password/reset": {}}.items():
        answers = [await harness.post(path, {"email": e, **more}) for e in ("ada@example.com", "free@example.com")]
        assert len({(a.status_code, a.text) for a in answers}) == 1


async def test_enumeration_by_time(start) -> None:
    harness = await start(**PLAIN, AUTH_PASSWORD_BCRYPT_COST="10")
    await harness.sign_up()

    async def median(path: str, address: str, more: dict) -> float:
        spent = []
        for _ in range(7):
            begun = time.perf_counter()
            await harness.post(path, {"email": address, **more})
            spent.append(time.perf_counter() - begun)
        return statistics.median(spent)

    for path, more in {"/signin/email-password": {"password": "wrong"}, "/user/password/reset": {}}.items():
        known, unknown = await median(path, "ada@example.com", more), await median(path, "free@example.com", more)
        assert min(known, unknown) > 0.02
        assert 0.5 < known / unknown < 2, (path, known, unknown)


async def test_a_hash_of_another_kind_is_not_told_by_time(start) -> None:
    """Hashes from before a setting changed, or from another server, take another time than the one an unknown address gets."""
    harness = await start(**PLAIN, AUTH_PASSWORD_BCRYPT_COST="8")
    await harness.sign_up()
    later = await start(**PLAIN, AUTH_PASSWORD_BCRYPT_COST="4")
    spent: dict[str, list[float]] = {"ada@example.com": [], "free@example.com": []}
    for _ in range(5):
        for address, times in spent.items():
            begun = time.perf_counter()
            assert (await later.sign_in(address, "wrong")).status_code == 401
            times.append(time.perf_counter() - begun)
    known, unknown = map(statistics.median, spent.values())
    assert abs(known - unknown) < 0.01
    begun = time.perf_counter()
    assert (await later.sign_in()).status_code == 200
    assert time.perf_counter() - begun < 0.15, "who is let in does not wait"


async def test_otp_guessing(start) -> None:
    harness = await start(AUTH_OTP_EMAIL_ENABLED="true")
    await harness.post("/signin/otp/email", {"email": "ada@example.com"})
    text = (await harness.mail("ada@example.com", "signin-otp"))["Subject"]
    right = text.split()[-1]
    wrong = f"{(int(right) + 1) % 1_000_000:06d}"
    for _ in range(5):
        answer = await harness.post("/signin/otp/email/verify", {"email": "ada@example.com", "otp": wrong})
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid-otp")
    answer = await harness.post("/signin/otp/email/verify", {"email": "ada@example.com", "otp": right})
    assert answer.status_code == 400, "five wrong guesses end the code"


async def test_otp_guessing_over_many_codes(start) -> None:
    harness = await start(AUTH_OTP_EMAIL_ENABLED="true")
    for round_ in range(4):
        await harness.post("/signin/otp/email", {"email": "ada@example.com"})
        right = (await harness.mail("ada@example.com", "signin-otp", round_ + 1))["Subject"].split()[-1]
        for _ in range(5):
            await harness.post("/signin/otp/email/verify", {"email": "ada@example.com", "otp": "x" + right})
    await harness.post("/signin/otp/email", {"email": "ada@example.com"})
    right = (await harness.mail("ada@example.com", "signin-otp", 5))["Subject"].split()[-1]
    answer = await harness.post("/signin/otp/email/verify", {"email": "ada@example.com", "otp": right})
    assert answer.status_code == 400, "twenty wrong guesses in an hour end all guessing"


async def test_oversized_bodies(harness: Harness) -> None:
    big = {"email": "a@b.co", "password": PASSWORD, "options": {"metadata": {"x": "y" * 300_000}}}
    answer = await harness.post("/signup/email-password", big)
    assert (answer.status_code, answer.json()["error"]) == (413, "invalid-request")

    async def endless():
        for _ in range(40):
            yield b"x" * 10_000

    answer = await harness.client.post("/signin/email-password", content=endless(), headers={"content-type": "application/json"})
    assert answer.status_code == 413


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"x"',
        b'{"email":"a@b.co","password":"abc\\u0000"}',
        b'{"email":"a@b.co","password":"\\ud800xyz"}',
        b'{"email":"a@b.co\\r\\nBcc: x@y.z","password":"abcdef"}',
        b'{"email":"a b@c.d","password":"abcdef"}',
        b'{"email":"a@b.co","password":123456}',
        b'{"email":"a@b.co","password":"ab"}',
        b'{"email":["a@b.co"],"password":"abcdef"}',
        b"[" * 5000,
        b"\xff\xfe",
    ],
)
async def test_odd_bodies(harness: Harness, raw: bytes) -> None:
    for path in ("/signup/email-password", "/signin/email-password"):
        answer = await harness.client.post(path, content=raw, headers={"content-type": "application/json"})
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid-request"), answer.text


async def test_odd_metadata(harness: Harness) -> None:
    for raw in (b'{"a":"\\u0000"}', b'{"a":NaN}', b'{"a":1e999}', b'{"\\u0000":1}'):
        body = b'{"email":"a@b.co","password":"abcdef","options":{"metadata":' + raw + b"}}"
        answer = await harness.client.post("/signup/email-password", content=body, headers={"content-type": "application/json"})
        assert answer.status_code == 400, raw
    for name, number in (("b", b"123456789012345678901234567890"), ("c", b"1" + b"0" * 400)):
        body = b'{"email":"%s@b.co","password":"abcdef","options":{"metadata":{"big":%s}}}' % (name.encode(), number)
        answer = await harness.client.post("/signup/email-password", content=body, headers={"content-type": "application/json"})
        assert answer.status_code == 200
        kept = (await harness.sign_in(f"{name}@b.co", "abcdef")).json()["session"]["user"]["metadata"]
        assert kept == {"big": int(number)}


async def test_odd_metadata_in_a_query(start) -> None:
    github = {"AUTH_PROVIDER_GITHUB_ENABLED": "true", "AUTH_PROVIDER_GITHUB_CLIENT_ID": "x"}
    harness = await start(**github, AUTH_PROVIDER_GITHUB_CLIENT_SECRET="x")
    for raw in ('{"a":' * 400 + "1" + "}" * 400, '{"a":' * 5000, '{"a":"\\ud800"}', '{"\\u0000":1}', '{"a":NaN}', "[]", "{"):
        answer = await harness.get("/signin/provider/github", metadata=raw)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid-request"), raw[:20]


async def test_other_content_types(harness: Harness) -> None:
    answer = await harness.client.post("/signin/email-password", data={"email": "a@b.co", "password": "abcdef"})
    assert (answer.status_code, answer.json()["error"]) == (415, "invalid-request")


async def test_no_such_operation(harness: Harness) -> None:
    for method, path, status in (("GET", "/nothing", 404), ("PUT", "/token", 405), ("DELETE", "/user", 405)):
        answer = await harness.client.request(method, path)
        assert (answer.status_code, answer.json()["status"], answer.json()["error"]) == (status, status, "invalid-request")


@pytest.mark.parametrize("prefix", ["", "/v1"])
async def test_a_slash_too_many_leads_nowhere(start, prefix: str) -> None:
    harness = await start(AUTH_API_PREFIX=prefix)
    for path in ("/version/", "/signin/provider/github/", "/token/", "//version"):
        answer = await harness.client.get(prefix + path, headers={"host": "evil.test"})
        assert (answer.status_code, answer.json()["error"]) == (404, "invalid-request"), path


async def test_rate_limits(start) -> None:
    harness = await start(**PLAIN, AUTH_RATE_LIMIT_ENABLE="true", AUTH_RATE_LIMIT_BRUTE_FORCE_BURST="3")
    answers = [await harness.sign_in(password="wrong") for _ in range(5)]
    assert [a.status_code for a in answers] == [401, 401, 401, 429, 429]
    assert answers[-1].json()["error"] == "invalid-request"
    assert int(answers[-1].headers["retry-after"]) > 0
    assert (await harness.get("/healthz")).status_code == 200


@pytest.mark.parametrize(
    ("group", "path", "body"),
    [
        ("SIGNUPS", "/signup/email-password", {"email": "a@b.co", "password": "x y z 1 2"}),
        ("SIGNUPS", "/signin/anonymous", {}),
        ("EMAIL", "/user/password/reset", {"email": "a@b.co"}),
        ("EMAIL", "/signin/passwordless/email", {"email": "a@b.co"}),
        ("EMAIL", "/signin/otp/email", {"email": "a@b.co"}),
        ("SMS", "/signin/passwordless/sms", {"phoneNumber": "+4912345678"}),
        ("BRUTE_FORCE", "/signin/otp/email/verify", {"email": "a@b.co", "otp": "1"}),
        ("BRUTE_FORCE", "/signin/pat", {"personalAccessToken": "11111111-1111-1111-1111-111111111111"}),
        ("GLOBAL", "/token", {"refreshToken": "11111111-1111-1111-1111-111111111111"}),
    ],
)
async def test_rate_limits_of_each_group(start, group: str, path: str, body: dict) -> None:
    harness = await start(AUTH_RATE_LIMIT_ENABLE="true", **{f"AUTH_RATE_LIMIT_{group}_BURST": "2"})
    answers = [await harness.post(path, body) for _ in range(3)]
    assert [answer.status_code == 429 for answer in answers] == [False, False, True]
    assert {(await harness.get("/healthz")).status_code for _ in range(3)} == {200}, "a probe counts for none"


async def test_any_origin_may_call(harness: Harness) -> None:
    headers = {
        "origin": "http://app.test",
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization",
    }
    answer = await harness.client.options("/token", headers=headers)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in answer.headers
