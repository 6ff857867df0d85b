"""The second factor."""

from __future__ import annotations

import time

import pyotp

from .harness import Harness


def code_of(secret: str, steps: int = 0) -> str:
    return pyotp.TOTP(secret).at(time.time() + 30 * steps)


async def with_factor(start) -> tuple[Harness, str, str]:
    """A user whose second factor is on: server, access token, secret. One code is used up by it."""
    harness = await start(AUTH_MFA_ENABLED="true", AUTH_EMAIL_SIGNIN_EMAIL_VERIFIED_REQUIRED="false", AUTH_MFA_TOTP_ISSUER="Shop")
    token = (await harness.sign_up())["accessToken"]
    made = (await harness.get("/mfa/totp/generate", token)).json()
    assert made["imageUrl"].startswith("data:image/png;base64,iVBOR")
    answer = await harness.post("/user/mfa", {"code": code_of(made["totpSecret"], -1), "activeMfaType": "totp"}, token)
    assert answer.json() == "OK", answer.text
    return harness, token, made["totpSecret"]


async def test_sign_in_asks_for_a_code(start) -> None:
    harness, _, secret = await with_factor(start)
    answer = (await harness.sign_in()).json()
    assert set(answer) == {"mfa"}
    ticket = answer["mfa"]["ticket"]
    assert ticket.startswith("mfaTotp:")
    wrong = await harness.post("/signin/mfa/totp", {"ticket": ticket, "otp": "000"})
    assert (wrong.status_code, wrong.json()["error"]) == (401, "invalid-totp")
    code = code_of(secret)
    right = await harness.post("/signin/mfa/totp", {"ticket": ticket, "otp": code})
    assert right.json()["session"]["user"]["activeMfaType"] == "totp"
    again = await harness.post("/signin/mfa/totp", {"ticket": ticket, "otp": code})
    assert (again.status_code, again.json()["error"]) == (401, "invalid-ticket")
    ticket = (await harness.sign_in()).json()["mfa"]["ticket"]
    replayed = await harness.post("/signin/mfa/totp", {"ticket": ticket, "otp": code})
    assert (replayed.status_code, replayed.json()["error"]) == (401, "invalid-totp"), "a code counts once"


async def test_guessing_ends_the_ticket(start) -> None:
    harness, _, secret = await with_factor(start)
    ticket = (await harness.sign_in()).json()["mfa"]["ticket"]
    for _ in range(5):
        assert (await harness.post("/signin/mfa/totp", {"ticket": ticket, "otp": "000000x"})).json()["error"] == "invalid-totp"
    answer = await harness.post("/signin/mfa/totp", {"ticket": ticket, "otp": code_of(secret)})
    assert answer.json()["error"] == "invalid-ticket"


async def test_states_are_told(start) -> None:
    harness, token, secret = await with_factor(start)
    answer = await harness.get("/mfa/totp/generate", token)
    assert (answer.status_code, answer.json()["error"]) == (400, "totp-already-active")
    answer = await harness.post("/user/mfa", {"code": "1", "activeMfaType": "totp"}, token)
    assert answer.json()["error"] == "totp-already-active"
    assert (await harness.post("/user/mfa", {"code": "1"}, token)).json()["error"] == "mfa-type-not-found"
    assert (await harness.post("/user/mfa", {"code": "1", "activeMfaType": "sms"}, token)).json()["error"] == "invalid-request"
    assert (await harness.post("/user/mfa", {"code": code_of(secret), "activeMfaType": ""}, token)).json() == "OK"
    assert "session" in (await harness.sign_in()).json()
    answer = await harness.post("/user/mfa", {"code": "1", "activeMfaType": "totp"}, token)
    assert answer.json()["error"] == "no-totp-secret"


async def test_a_secret_that_is_none_lets_nobody_in_and_breaks_nothing(start) -> None:
    harness = await start(AUTH_EMAIL_SIGNIN_EMAIL_VERIFIED_REQUIRED="false", AUTH_MFA_ENABLED="true")
    await harness.sign_up()
    await harness.db.execute("UPDATE auth.users SET totp_secret = '!!', active_mfa_type = 'totp'")
    ticket = (await harness.sign_in()).json()["mfa"]["ticket"]
    answer = await harness.post("/signin/mfa/totp", {"ticket": ticket, "otp": "123456"})
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid-totp")
