"""Attacks across flows: races, tickets and tokens where they do not belong, ways round the second factor, pre-made accounts."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import partial
from urllib.parse import urlsplit

import httpx
import pytest

from .harness import PASSWORD, Harness, link_of, query_of
from .test_mfa import code_of

FREE = {"AUTH_EMAIL_SIGNIN_EMAIL_VERIFIED_REQUIRED": "false"}
ADA, EVE = "ada@example.com", "eve@example.com"


def statuses(answers: list[httpx.Response]) -> Counter[int]:
    return Counter(answer.status_code for answer in answers)


async def test_two_browsers_with_one_refresh_token(harness: Harness) -> None:
    held = (await harness.sign_up())["refreshToken"]
    answers = await asyncio.gather(*(harness.post("/token", {"refreshToken": held}) for _ in range(12)))
    assert statuses(answers) == {200: 1, 401: 11}
    won = next(answer.json()["refreshToken"] for answer in answers if answer.status_code == 200)
    assert (await harness.post("/token", {"refreshToken": won})).status_code == 200, "a race is no theft"


async def test_more_requests_than_connections(start) -> None:
    """No operation waits for a second connection while it holds one: as many as there are would wait for each other for ever."""
    harness = await start(
        AUTH_DATABASE_POOL_SIZE="2",
        AUTH_EMAIL_SIGNIN_EMAIL_VERIFIED_REQUIRED="false",
        AUTH_OTP_EMAIL_ENABLED="true",
        AUTH_EMAIL_PASSWORDLESS_ENABLED="true",
        AUTH_ANONYMOUS_USERS_ENABLED="true",
    )
    sessions = [await harness.sign_up(f"u{n}@example.com") for n in range(6)]
    anonymous = [(await harness.post("/signin/anonymous", {})).json()["session"] for _ in range(6)]
    asked = [harness.post("/user/password", {"newPassword": PASSWORD}, one["accessToken"]) for one in sessions]
    for n, one in enumerate(anonymous):
        body = {"signInMethod": "email-password", "email": f"a{n}@example.com", "password": PASSWORD}
        asked.append(harness.post("/user/deanonymize", body, one["accessToken"]))
    for n in range(6):
        address = {"email": f"u{n}@example.com"}
        asked += [harness.post(f"/signin/{way}", address) for way in ("otp/email", "passwordless/email")]
        asked.append(harness.post("/user/email/change", {"newEmail": f"n{n}@example.com"}, sessions[n]["accessToken"]))
        asked.append(harness.post("/signup/email-password", {"email": f"s{n}@example.com", "password": PASSWORD}))
    async with asyncio.timeout(20):
        answers = await asyncio.gather(*asked)
    assert {answer.status_code for answer in answers} == {200}


async def test_sign_ups_at_once(harness: Harness) -> None:
    bodies = [{"email": email, "password": PASSWORD} for email in (ADA, "Ada@Example.com", "ADA@EXAMPLE.COM", ADA)]
    answers = await asyncio.gather(*(harness.post("/signup/email-password", body) for body in bodies))
    assert statuses(answers) == {200: 1, 409: 3}
    assert await harness.db.fetchval("SELECT count(*) FROM auth.users") == 1


async def test_first_links_and_codes_at_once(start) -> None:
    harness = await start(
        AUTH_EMAIL_PASSWORDLESS_ENABLED="true",
        AUTH_OTP_EMAIL_ENABLED="true",
        AUTH_SMS_PASSWORDLESS_ENABLED="true",
        AUTH_SMS_PROVIDER="dev",
    )
    for path, body in {
        "/signin/passwordless/email": {"email": ADA},
        "/signin/otp/email": {"email": EVE},
        "/signin/passwordless/sms": {"phoneNumber": "+4912345678"},
    }.items():
        answers = await asyncio.gather(*(harness.post(path, body) for _ in range(6)))
        assert statuses(answers) == {200: 6}, (path, [answer.text for answer in answers])
    assert await harness.db.fetchval("SELECT count(*) FROM auth.users") == 3


async def test_guesses_at_once_are_no_more_than_guesses_in_a_row(start) -> None:
    harness = await start(AUTH_OTP_EMAIL_ENABLED="true")
    await harness.post("/signin/otp/email", {"email": ADA})
    right = (await harness.mail(ADA, "signin-otp"))["Subject"].split()[-1]
    post = partial(harness.post, "/signin/otp/email/verify")
    guesses = [f"{(int(right) + 1 + n) % 1_000_000:06d}" for n in range(30)]
    answers = await asyncio.gather(*(post({"email": ADA, "otp": guess}) for guess in guesses))
    assert statuses(answers) == {400: 30}
    assert (await post({"email": ADA, "otp": right})).status_code == 400, "the code is used up"


async def test_totp_guesses_at_once(start) -> None:
    harness = await start(**FREE, AUTH_MFA_ENABLED="true")
    secret = await switch_on(harness, (await harness.sign_up())["accessToken"])
    ticket = (await harness.sign_in()).json()["mfa"]["ticket"]
    post = partial(harness.post, "/signin/mfa/totp")
    answers = await asyncio.gather(*(post({"ticket": ticket, "otp": "000000x"}) for _ in range(30)))
    assert statuses(answers) == {401: 30}
    assert (await post({"ticket": ticket, "otp": code_of(secret)})).status_code == 401, "the ticket is used up"


async def test_odd_subjects_of_codes(start) -> None:
    harness = await start(AUTH_SMS_PASSWORDLESS_ENABLED="true", AUTH_SMS_PROVIDER="dev")
    number = "+" + "".join(chr(0x4E00 + n) for n in range(8000))
    answer = await harness.post("/signin/passwordless/sms/otp", {"phoneNumber": number, "otp": "1"})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid-otp")


async def switch_on(harness: Harness, token: str) -> str:
    """Switch a user's second factor on; its secret. The code of the step before is used up by it."""
    secret = (await harness.get("/mfa/totp/generate", token)).json()["totpSecret"]
    answer = await harness.post("/user/mfa", {"code": code_of(secret, -1), "activeMfaType": "totp"}, token)
    assert answer.json() == "OK", answer.text
    return secret


async def test_a_mailbox_is_no_way_round_the_second_factor(start) -> None:
    harness = await start(**FREE, AUTH_MFA_ENABLED="true", AUTH_EMAIL_PASSWORDLESS_ENABLED="true", AUTH_OTP_EMAIL_ENABLED="true")
    session = await harness.sign_up()
    secret = await switch_on(harness, session["accessToken"])
    await harness.post("/signin/otp/email", {"email": ADA})
    code = (await harness.mail(ADA, "signin-otp"))["Subject"].split()[-1]
    answer = (await harness.post("/signin/otp/email/verify", {"email": ADA, "otp": code})).json()
    assert list(answer) == ["mfa"]
    await harness.post("/user/email/change", {"newEmail": "new@example.com"}, session["accessToken"])
    values = await harness.follow(await harness.mail("new@example.com", "email-confirm-change"))
    assert set(values) == {"mfaTicket", "type"}
    for path, template in {
        "/signin/passwordless/email": "signin-passwordless",
        "/user/password/reset": "password-reset",
    }.items():
        await harness.post(path, {"email": "new@example.com"})
        values = await harness.follow(await harness.mail("new@example.com", template))
        assert set(values) == {"mfaTicket", "type"}, path
    answer = await harness.post("/signin/mfa/totp", {"ticket": values["mfaTicket"], "otp": code_of(secret)})
    assert answer.json()["session"]["user"]["email"] == "new@example.com"


async def test_tickets_count_in_their_own_flow_alone(start) -> None:
    harness = await start(AUTH_EMAIL_PASSWORDLESS_ENABLED="true", AUTH_MFA_ENABLED="true")
    await harness.post("/signup/email-password", {"email": ADA, "password": PASSWORD})
    verify = query_of(link_of(await harness.mail(ADA, "email-verify")))["ticket"]
    as_reset = "passwordReset:" + verify.partition(":")[2]
    for ticket in (verify, as_reset):
        answer = await harness.post("/user/password", {"newPassword": "another one", "ticket": ticket})
        assert answer.status_code in (400, 401), ticket
        assert (await harness.post("/signin/mfa/totp", {"ticket": ticket, "otp": "1"})).status_code in (400, 401)
    await harness.db.execute("UPDATE auth.users SET ticket = 'mfaTotp:x', ticket_expires_at = now() + interval '1 hour'")
    for ticket in ("mfaTotp:x", "emailVerify:x", "x", ""):
        answer = await harness.get("/verify", ticket=ticket, redirectTo="http://app.test", type="emailVerify")
        assert "refreshToken" not in answer.headers.get("location", "")
    await harness.post("/user/password/reset", {"email": ADA})
    reset = query_of(link_of(await harness.mail(ADA, "password-reset")))["ticket"]
    answers = await asyncio.gather(
        *(harness.post("/user/password", {"newPassword": "another one", "ticket": reset}) for _ in range(4)),
        *(harness.get("/verify", ticket=reset, redirectTo="http://app.test") for _ in range(4)),
    )
    passed = [a for a in answers if a.status_code == 200 or "refreshToken" in a.headers.get("location", "")]
    assert len(passed) == 1


async def test_what_a_session_may_do_ends_with_it(start) -> None:
    """A stolen access token is no way back in after its owner has signed out or chosen a new password."""
    harness = await start(**FREE, AUTH_MFA_ENABLED="true", AUTH_WEBAUTHN_ENABLED="true")
    stolen = (await harness.sign_up())["accessToken"]
    await harness.post("/user/password/reset", {"email": ADA})
    ticket = query_of(link_of(await harness.mail(ADA, "password-reset")))["ticket"]
    assert (await harness.post("/user/password", {"newPassword": "a new one", "ticket": ticket})).json() == "OK"
    expires = (datetime.now(UTC) + timedelta(days=3)).isoformat()
    for path, body in {
        "/user/password": {"newPassword": "the thief's"},
        "/pat": {"expiresAt": expires},
        "/user/email/change": {"newEmail": EVE},
        "/user/webauthn/add": None,
        "/user/mfa": {"code": "1", "activeMfaType": "totp"},
        "/elevate/webauthn": None,
    }.items():
        answer = await harness.post(path, body, stolen)
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid-request"), path
    assert (await harness.get("/mfa/totp/generate", stolen)).status_code == 401
    assert (await harness.sign_in(password="a new one")).status_code == 200


async def test_personal_access_token_of_a_disabled_user(harness: Harness) -> None:
    session = await harness.sign_up()
    expires = (datetime.now(UTC) + timedelta(days=3)).isoformat()
    pat = (await harness.post("/pat", {"expiresAt": expires}, session["accessToken"])).json()["personalAccessToken"]
    await harness.db.execute("UPDATE auth.users SET disabled = true")
    answer = await harness.post("/signin/pat", {"personalAccessToken": pat})
    assert (answer.status_code, answer.json()["error"]) == (401, "disabled-user")
    answer = await harness.post("/token", {"refreshToken": session["refreshToken"]})
    assert (answer.status_code, answer.json()["error"]) == (401, "disabled-user")
    assert (await harness.post("/pat", {"expiresAt": expires}, session["accessToken"])).status_code == 401


async def test_deanonymize_to_a_taken_address(start) -> None:
    harness = await start(**FREE, AUTH_ANONYMOUS_USERS_ENABLED="true")
    await harness.sign_up()
    anonymous = [(await harness.post("/signin/anonymous", {})).json()["session"] for _ in range(2)]
    body = {"signInMethod": "email-password", "email": "ADA@example.com", "password": "of the thief"}
    answer = await harness.post("/user/deanonymize", body, anonymous[0]["accessToken"])
    assert (answer.status_code, answer.json()["error"]) == (409, "email-already-in-use")
    assert (await harness.get("/user", anonymous[0]["accessToken"])).json()["isAnonymous"] is True
    assert (await harness.sign_in()).status_code == 200
    body["email"] = EVE
    answers = await asyncio.gather(*(harness.post("/user/deanonymize", body, s["accessToken"]) for s in (*anonymous, *anonymous)))
    found = statuses(answers)
    assert found[200] == 1
    assert set(found) <= {200, 400, 401, 409}


@pytest.mark.parametrize(("tells", "status"), [("", 200), ("false", 409)])
async def test_email_change_to_a_taken_address(start, tells: str, status: int) -> None:
    harness = await start(**FREE, AUTH_CONCEAL_ERRORS=tells)
    await harness.sign_up()
    thief = await harness.sign_up(EVE)
    answer = await harness.post("/user/email/change", {"newEmail": "ADA@example.com"}, thief["accessToken"])
    assert answer.status_code == status
    assert await harness.db.fetchval("SELECT count(*) FROM auth.users WHERE new_email IS NOT NULL") == 0
    if status == 200:
        assert (await harness.mail(ADA, "account-exists"))["Subject"] == "You have an account already"


async def test_two_users_change_to_one_address(harness: Harness) -> None:
    users = [await harness.sign_up(address) for address in (ADA, EVE)]
    mails = []
    for number, user in enumerate(users, 1):
        await harness.post("/user/email/change", {"newEmail": "new@example.com"}, user["accessToken"])
        mails.append(await harness.mail("new@example.com", "email-confirm-change", number))
    first, second = [await harness.follow(mail) for mail in mails]
    assert "refreshToken" in first
    assert second["error"] == "email-already-in-use"
    kept = {row["email"] for row in await harness.db.fetch("SELECT email::text AS email FROM auth.users")}
    assert kept == {"new@example.com", EVE}


@pytest.mark.parametrize("way", ["link", "code", "sign-up", "reset", "ticket"])
async def test_a_sign_up_in_advance_by_somebody_else(start, way: str) -> None:
    """Who proves the mailbox gets the account, and who signed up with the address before can no longer come in."""
    harness = await start(AUTH_EMAIL_PASSWORDLESS_ENABLED="true", AUTH_OTP_EMAIL_ENABLED="true")
    theirs = {"email": ADA, "password": "of the thief"}
    await harness.post("/signup/email-password", theirs)
    if way == "code":
        await harness.post("/signin/otp/email", {"email": ADA})
        code = (await harness.mail(ADA, "signin-otp"))["Subject"].split()[-1]
        answer = await harness.post("/signin/otp/email/verify", {"email": ADA, "otp": code})
        assert answer.status_code == 200
    elif way == "ticket":
        await harness.post("/user/password/reset", {"email": ADA})
        ticket = query_of(link_of(await harness.mail(ADA, "password-reset")))["ticket"]
        await harness.db.execute(
            """INSERT INTO auth.user_security_keys (user_id, credential_id, credential_public_key)
               SELECT id, 'x', 'x' FROM auth.users"""
        )
        await harness.db.execute(
            """INSERT INTO auth.user_providers (user_id, provider_id, provider_user_id, access_token)
               SELECT id, 'github', 'x', '' FROM auth.users"""
        )
        assert (await harness.post("/user/password", {"newPassword": PASSWORD, "ticket": ticket})).json() == "OK"
        assert (await harness.sign_in()).status_code == 200
        assert await harness.db.fetchval("SELECT count(*) FROM auth.user_security_keys") == 0
        assert await harness.db.fetchval("SELECT count(*) FROM auth.user_providers") == 0
    else:
        path, body, template = {
            "link": ("/signin/passwordless/email", {"email": ADA}, "signin-passwordless"),
            "sign-up": ("/signup/email-password", {"email": ADA, "password": PASSWORD}, "account-exists"),
            "reset": ("/user/password/reset", {"email": ADA}, "password-reset"),
        }[way]
        await harness.post(path, body)
        assert "refreshToken" in await harness.follow(await harness.mail(ADA, template))
    answer = await harness.post("/signin/email-password", theirs)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid-email-password")


async def test_sign_up_with_a_taken_address_is_told_to_its_owner_alone(start) -> None:
    harness = await start()
    free = await harness.post("/signup/email-password", {"email": ADA, "password": PASSWORD})
    taken = await harness.post("/signup/email-password", {"email": "Ada@example.com", "password": "x" + PASSWORD})
    assert (free.status_code, free.text) == (taken.status_code, taken.text)
    mail = await harness.mail(ADA, "account-exists")
    assert urlsplit(link_of(mail)).path == "/verify"
    telling = await start(AUTH_CONCEAL_ERRORS="false")
    answer = await telling.post("/signup/email-password", {"email": ADA, "password": PASSWORD})
    assert (answer.status_code, answer.json()["error"]) == (409, "email-already-in-use")


async def test_codes_end_with_the_address_they_went_to(start) -> None:
    harness = await start(**FREE, AUTH_OTP_EMAIL_ENABLED="true")
    token = (await harness.sign_up())["accessToken"]
    await harness.post("/user/email/change", {"newEmail": EVE}, token)
    mail = await harness.mail(EVE, "email-confirm-change")
    await harness.post("/signin/otp/email", {"email": ADA})
    code = (await harness.mail(ADA, "signin-otp"))["Subject"].split()[-1]
    assert "refreshToken" in await harness.follow(mail)
    for address in (ADA, EVE):
        assert (await harness.post("/signin/otp/email/verify", {"email": address, "otp": code})).status_code == 400


async def test_keys_of_an_address_look_like_those_of_none(start) -> None:
    harness = await start(**FREE, AUTH_WEBAUTHN_ENABLED="true")
    await harness.sign_up()
    await harness.db.execute(
        """INSERT INTO auth.user_security_keys (user_id, credential_id, credential_public_key, transports)
           SELECT id, 'AAAAAAAAAAAAAAAAAAAAAA', 'x', 'internal,hybrid' FROM auth.users"""
    )
    known, unknown = [(await harness.post("/signin/webauthn", {"email": e})).json() for e in (ADA, EVE)]
    assert known["allowCredentials"][0]["id"] == "AAAAAAAAAAAAAAAAAAAAAA"
    assert set(known) == set(unknown)
    assert [set(key) for key in known["allowCredentials"]] == [set(key) for key in unknown["allowCredentials"]]
    again = (await harness.post("/signin/webauthn", {"email": EVE.upper()})).json()
    assert again["allowCredentials"] == unknown["allowCredentials"]
