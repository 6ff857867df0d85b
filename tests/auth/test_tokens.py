"""Refresh tokens, sign-out, personal access tokens, key rotation."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest

from builtin_plugins.core.auth.server import refresh_tokens
from builtin_plugins.core.auth.server.admin.keys import rotate

from .harness import JWT_KEY, Harness


async def test_a_refresh_rotates(harness: Harness) -> None:
    session = await harness.sign_up()
    answer = await harness.post("/token", {"refreshToken": session["refreshToken"]})
    assert answer.status_code == 200
    renewed = answer.json()
    assert renewed["refreshToken"] != session["refreshToken"]
    assert renewed["refreshTokenId"] == session["refreshTokenId"]
    assert (await harness.get("/user", renewed["accessToken"])).status_code == 200
    stored = await harness.db.fetchval("SELECT refresh_token_hash FROM auth.refresh_tokens")
    assert stored == refresh_tokens.digest(renewed["refreshToken"])
    assert stored.startswith("\\x")


async def test_reuse_ends_the_session(start) -> None:
    harness = await start(AUTH_EMAIL_SIGNIN_EMAIL_VERIFIED_REQUIRED="false", AUTH_REFRESH_TOKEN_REUSE_LEEWAY="0")
    old = (await harness.sign_up())["refreshToken"]
    other = (await harness.sign_in()).json()["session"]["refreshToken"]
    new = (await harness.post("/token", {"refreshToken": old})).json()["refreshToken"]
    replayed = await harness.post("/token", {"refreshToken": old})
    assert (replayed.status_code, replayed.json()["error"]) == (401, "invalid-refresh-token")
    assert (await harness.post("/token", {"refreshToken": new})).status_code == 401
    assert (await harness.post("/token", {"refreshToken": other})).status_code == 200


async def test_two_tabs_are_no_theft(harness: Harness) -> None:
    old = (await harness.sign_up())["refreshToken"]
    answers = await asyncio.gather(*(harness.post("/token", {"refreshToken": old}) for _ in range(4)))
    assert sorted(a.status_code for a in answers) == [200, 401, 401, 401]
    winner = next(a.json() for a in answers if a.status_code == 200)
    assert (await harness.post("/token", {"refreshToken": winner["refreshToken"]})).status_code == 200


async def test_many_that_come_together_are_each_answered_for_themselves(harness: Harness) -> None:
    """They share statements: good ones, one shown twice, a disabled user's, one that never was."""
    addresses = [f"u{number}@example.com" for number in range(12)]
    sessions = [await harness.sign_up(address) for address in addresses]
    await harness.db.execute("UPDATE auth.users SET disabled = true WHERE email = 'u3@example.com'")
    held = [session["refreshToken"] for session in sessions]
    shown = [*held, held[0], "11111111-1111-1111-1111-111111111111"]
    answers = await asyncio.gather(*(harness.post("/token", {"refreshToken": token}) for token in shown))
    for number, answer in enumerate(answers[1:12], 1):
        if number == 3:
            assert (answer.status_code, answer.json()["error"]) == (401, "disabled-user")
        else:
            assert answer.json()["user"]["email"] == addresses[number]
            assert answer.json()["refreshTokenId"] == sessions[number]["refreshTokenId"]
    assert sorted((answers[0].status_code, answers[12].status_code)) == [200, 401]
    assert (answers[13].status_code, answers[13].json()["error"]) == (401, "invalid-refresh-token")
    new = [answer.json()["refreshToken"] for answer in answers if answer.status_code == 200]
    again = await asyncio.gather(*(harness.post("/token", {"refreshToken": token}) for token in new))
    assert [answer.status_code for answer in again] == [200] * 11


async def test_two_servers_exchange_the_tokens_of_the_same_users(start) -> None:
    """Each user has a session at either server, so that both write the same users' rows, in any order."""
    first = await start(AUTH_EMAIL_SIGNIN_EMAIL_VERIFIED_REQUIRED="false")
    second = await start(AUTH_EMAIL_SIGNIN_EMAIL_VERIFIED_REQUIRED="false")
    addresses = [f"u{number}@example.com" for number in range(10)]
    mine = [(await first.sign_up(address))["refreshToken"] for address in addresses]
    theirs = [(await second.sign_in(address)).json()["session"]["refreshToken"] for address in reversed(addresses)]
    for _ in range(10):
        sent = [first.post("/token", {"refreshToken": token}) for token in mine]
        sent += [second.post("/token", {"refreshToken": token}) for token in theirs]
        answers = await asyncio.gather(*sent)
        assert {answer.status_code for answer in answers} == {200}
        renewed = [answer.json()["refreshToken"] for answer in answers]
        mine, theirs = renewed[:10], renewed[10:]


async def test_a_statement_that_fails_is_told_to_all_who_share_it_and_the_next_works(harness: Harness) -> None:
    tokens = [(await harness.sign_up(f"u{number}@example.com"))["refreshToken"] for number in range(3)]
    await harness.db.execute("ALTER TABLE auth.nself_spent_tokens RENAME TO away")
    answers = await asyncio.gather(*(harness.post("/token", {"refreshToken": token}) for token in tokens))
    assert {answer.status_code for answer in answers} == {500}
    await harness.db.execute("ALTER TABLE auth.away RENAME TO nself_spent_tokens")
    answers = await asyncio.gather(*(harness.post("/token", {"refreshToken": token}) for token in tokens))
    assert {answer.status_code for answer in answers} == {200}


async def test_expired_and_disabled(harness: Harness) -> None:
    session = await harness.sign_up()
    await harness.db.execute("UPDATE auth.users SET disabled = true")
    answer = await harness.post("/token", {"refreshToken": session["refreshToken"]})
    assert (answer.status_code, answer.json()["error"]) == (401, "disabled-user")
    await harness.db.execute("UPDATE auth.users SET disabled = false")
    await harness.db.execute("UPDATE auth.refresh_tokens SET expires_at = now() - interval '1 s'")
    answer = await harness.post("/token", {"refreshToken": session["refreshToken"]})
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid-refresh-token")


async def test_sign_out(harness: Harness) -> None:
    first = await harness.sign_up()
    second = (await harness.sign_in()).json()["session"]
    assert (await harness.post("/signout", {"refreshToken": first["refreshToken"]})).json() == "OK"
    assert (await harness.post("/token", {"refreshToken": first["refreshToken"]})).status_code == 401
    assert (await harness.post("/signout", {"all": True})).status_code == 401
    assert (await harness.post("/signout", {"all": True}, second["accessToken"])).json() == "OK"
    assert (await harness.post("/token", {"refreshToken": second["refreshToken"]})).status_code == 401
    assert (await harness.post("/signout", {})).status_code == 400


async def test_token_verify(harness: Harness) -> None:
    token = (await harness.sign_up())["accessToken"]
    assert (await harness.post("/token/verify", {"token": token})).json() == "OK"
    assert (await harness.post("/token/verify", None, token)).json() == "OK"
    assert (await harness.post("/token/verify")).status_code == 401
    assert (await harness.post("/token/verify", {"token": token[:-3] + "abc"})).status_code == 401


def in_days(days: float) -> str:
    return (datetime.now(UTC) + timedelta(days=days)).isoformat().replace("+00:00", "Z")


async def test_personal_access_tokens(harness: Harness) -> None:
    session = await harness.sign_up()
    body = {"expiresAt": in_days(30), "metadata": {"name": "ci"}}
    answer = await harness.post("/pat", body, session["accessToken"])
    assert answer.status_code == 200
    pat = answer.json()
    assert set(pat) == {"id", "personalAccessToken"}
    signed_in = await harness.post("/signin/pat", {"personalAccessToken": pat["personalAccessToken"]})
    assert signed_in.json()["session"]["user"]["email"] == "ada@example.com"
    assert (await harness.post("/token", {"refreshToken": pat["personalAccessToken"]})).status_code == 401
    await harness.post("/signout", {"all": True}, session["accessToken"])
    assert (await harness.post("/signin/pat", {"personalAccessToken": pat["personalAccessToken"]})).status_code == 200
    await harness.db.execute("UPDATE auth.refresh_tokens SET expires_at = now() WHERE type = 'pat'")
    answer = await harness.post("/signin/pat", {"personalAccessToken": pat["personalAccessToken"]})
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid-pat")


@pytest.mark.parametrize(
    "expires",
    [in_days(-1), in_days(0.5), in_days(9999), "2030-13-01T00:00:00Z", "tomorrow", "9999-12-31T23:59:59-23:00"],
    ids=["past", "too soon", "too late", "no month", "a word", "beyond the calendar"],  # without: other names in each process
)
async def test_pat_expiry_is_checked(harness: Harness, expires: str) -> None:
    token = (await harness.sign_up())["accessToken"]
    assert (await harness.post("/pat", {"expiresAt": expires}, token)).status_code == 400


async def test_elevated_claim(start) -> None:
    harness = await start(AUTH_EMAIL_SIGNIN_EMAIL_VERIFIED_REQUIRED="false", AUTH_REQUIRE_ELEVATED_CLAIM="required")
    session = await harness.sign_up()
    answer = await harness.post("/pat", {"expiresAt": in_days(3)}, session["accessToken"])
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid-request")
    harness = await start(AUTH_REQUIRE_ELEVATED_CLAIM="recommended")
    assert (await harness.post("/pat", {"expiresAt": in_days(3)}, session["accessToken"])).status_code == 200


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
async def test_rotation_with_overlap(start, algorithm: str) -> None:
    first = rotate(json.dumps({"type": "HS256", "key": JWT_KEY}), algorithm=algorithm, overlap=60)
    plain = {"AUTH_EMAIL_SIGNIN_EMAIL_VERIFIED_REQUIRED": "false"}
    before = await start(**plain)
    token = (await before.sign_up())["accessToken"]
    assert (await before.get("/.well-known/jwks.json")).json() == {"keys": []}
    after = await start(**plain, HASURA_GRAPHQL_JWT_SECRET=first.secret, AUTH_JWT_PREVIOUS_SECRETS=first.previous)
    assert (await after.post("/token/verify", {"token": token})).json() == "OK"
    shown = (await after.get("/.well-known/jwks.json")).json()["keys"]
    assert [(key["kid"], key["alg"], key["use"]) for key in shown] == [(first.kid, algorithm, "sig")]
    assert not {"d", "p", "q", "k"} & set(shown[0])
    fresh = (await after.sign_in()).json()["session"]["accessToken"]
    assert (await after.post("/token/verify", {"token": fresh})).json() == "OK"
    second = rotate(first.secret, first.previous, overlap=60)
    later = await start(**plain, HASURA_GRAPHQL_JWT_SECRET=second.secret, AUTH_JWT_PREVIOUS_SECRETS=second.previous)
    assert len((await later.get("/.well-known/jwks.json")).json()["keys"]) == 2
    assert (await later.post("/token/verify", {"token": fresh})).json() == "OK"
