"""Passkeys, with a security key in software."""

from __future__ import annotations

import base64

import pytest

from .authenticator import Authenticator
from .harness import CLIENT_URL, Harness, link_of

ON = {"AUTH_WEBAUTHN_ENABLED": "true", "AUTH_EMAIL_SIGNIN_EMAIL_VERIFIED_REQUIRED": "false"}


def key() -> Authenticator:
    return Authenticator(CLIENT_URL, "app.test")


async def signed_up(harness: Harness, authenticator: Authenticator) -> dict:
    options = (await harness.post("/signup/webauthn", {"email": "ada@example.com", "options": {"displayName": "Ada"}})).json()
    assert options["rp"] == {"id": "app.test", "name": "nself"}
    assert options["user"]["displayName"] == "Ada"
    assert not await harness.db.fetchval("SELECT count(*) FROM auth.users")
    answer = await harness.post("/signup/webauthn/verify", {"credential": authenticator.create(options), "nickname": "phone"})
    assert answer.status_code == 200, answer.text
    return answer.json()["session"]


async def test_sign_up_and_in(start) -> None:
    harness, mine = await start(**ON), key()
    session = await signed_up(harness, mine)
    assert session["user"]["displayName"] == "Ada"
    for body in ({"email": "ada@example.com"}, {}, None):
        options = (await harness.post("/signin/webauthn", body)).json()
        assert [c["id"] for c in options.get("allowCredentials", [])] == ([mine.create(options)["id"]] if body else [])
        credential = mine.get(options)
        answer = await harness.post("/signin/webauthn/verify", {"credential": credential})
        assert answer.json()["session"]["user"]["id"] == session["user"]["id"]
        assert (await harness.post("/signin/webauthn/verify", {"credential": credential})).status_code == 400, "replayed"
    row = await harness.db.fetchrow("SELECT * FROM auth.user_security_keys")
    assert (row["counter"], row["nickname"], row["transports"]) == (3, "phone", "internal")


async def test_sign_up_with_verification(start) -> None:
    harness = await start(AUTH_WEBAUTHN_ENABLED="true")
    mine = key()
    assert await signed_up(harness, mine) is None
    options = (await harness.post("/signin/webauthn", {})).json()
    answer = await harness.post("/signin/webauthn/verify", {"credential": mine.get(options)})
    assert (answer.status_code, answer.json()["error"]) == (401, "unverified-user")
    assert "verify?ticket=" in link_of(await harness.mail("ada@example.com", "email-verify"))


@pytest.mark.parametrize("fault", ["origin", "rp", "challenge", "purpose", "counter", "stranger"])
async def test_wrong_answers(start, fault: str) -> None:
    harness, mine = await start(**ON), key()
    await signed_up(harness, mine)
    options = (await harness.post("/signin/webauthn", {})).json()
    if fault == "origin":
        mine.origin = "http://evil.example"
    elif fault == "rp":
        mine.rp_id = "evil.example"
    elif fault == "challenge":
        options["challenge"] = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    elif fault == "purpose":
        options = (await harness.post("/signup/webauthn", {"email": "b@example.com"})).json()
    elif fault == "counter":
        await harness.db.execute("UPDATE auth.user_security_keys SET counter = 9")
    else:
        mine = key()
    answer = await harness.post("/signin/webauthn/verify", {"credential": mine.get(options)})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid-request")


async def test_more_keys_and_elevation(start) -> None:
    harness = await start(**ON, AUTH_REQUIRE_ELEVATED_CLAIM="recommended")
    token = (await harness.sign_up())["accessToken"]
    assert (await harness.post("/elevate/webauthn", None, token)).status_code == 400
    mine = key()
    options = (await harness.post("/user/webauthn/add", None, token)).json()
    answer = await harness.post("/user/webauthn/verify", {"credential": mine.create(options), "nickname": "yubi"}, token)
    assert answer.json()["nickname"] == "yubi"
    refused = await harness.post("/user/webauthn/add", None, token)
    assert refused.status_code == 401, "with a key, elevation is asked for"
    options = (await harness.post("/elevate/webauthn", None, token)).json()
    answer = await harness.post("/elevate/webauthn/verify", {"credential": mine.get(options)}, token)
    elevated = answer.json()["session"]["accessToken"]
    again = (await harness.post("/user/webauthn/add", None, elevated)).json()
    assert [c["id"] for c in again["excludeCredentials"]] == [mine.create(again)["id"]]
    renewed = (await harness.post("/token", {"refreshToken": answer.json()["session"]["refreshToken"]})).json()
    assert (await harness.post("/user/webauthn/add", None, renewed["accessToken"])).status_code == 401, "elevation ends"


async def test_client_data_that_is_none(start) -> None:
    harness, mine = await start(**ON), key()
    credential = mine.get((await harness.post("/signin/webauthn", {})).json())
    for raw in (
        b'{"type":' + b"[" * 4000,
        b'{"challenge":' + b"[" * 4000 + b"]" * 4000 + b"}",
        b"[]",
        b'{"challenge":5}',
        b"\xff",
    ):
        credential["response"]["clientDataJSON"] = base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
        answer = await harness.post("/signin/webauthn/verify", {"credential": credential})
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid-request"), raw[:20]


async def test_the_first_key_is_the_way_to_elevation(start) -> None:
    """Where the claim is always asked for, who has no key yet may add one: there is no other way to it."""
    harness = await start(**ON, AUTH_REQUIRE_ELEVATED_CLAIM="required")
    token = (await harness.sign_up())["accessToken"]
    assert (await harness.post("/user/email/change", {"newEmail": "new@example.com"}, token)).status_code == 401
    mine = key()
    options = (await harness.post("/user/webauthn/add", None, token)).json()
    spare = (await harness.post("/user/webauthn/add", None, token)).json()
    assert (await harness.post("/user/webauthn/verify", {"credential": mine.create(options)}, token)).status_code == 200
    assert (await harness.post("/user/webauthn/add", None, token)).status_code == 401
    second = await harness.post("/user/webauthn/verify", {"credential": key().create(spare)}, token)
    assert second.status_code == 401, "options from before the first key lead to no second one"
    options = (await harness.post("/elevate/webauthn", None, token)).json()
    answer = await harness.post("/elevate/webauthn/verify", {"credential": mine.get(options)}, token)
    elevated = answer.json()["session"]["accessToken"]
    assert (await harness.post("/user/email/change", {"newEmail": "new@example.com"}, elevated)).status_code == 200


async def test_elevation_with_another_s_key(start) -> None:
    harness, mine = await start(**ON), key()
    await signed_up(harness, mine)
    other = (await harness.sign_up("eve@example.com"))["accessToken"]
    options = (await harness.post("/user/webauthn/add", None, other)).json()
    await harness.post("/user/webauthn/verify", {"credential": key().create(options)}, other)
    options = (await harness.post("/elevate/webauthn", None, other)).json()
    assert (await harness.post("/elevate/webauthn/verify", {"credential": mine.get(options)}, other)).status_code == 400


async def test_address_taken(start) -> None:
    harness = await start(**ON)
    await harness.sign_up()
    answer = await harness.post("/signup/webauthn", {"email": "ada@example.com"})
    assert (answer.status_code, answer.json()["error"]) == (409, "email-already-in-use")
