"""Sign-in by link, by code in a mail, and by code in an SMS."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Iterator
from urllib.parse import parse_qsl

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from builtin_plugins.core.auth.server.settings import SettingsError

from .harness import Harness
from .sms_gateway import SmsGateway


@pytest.fixture
def gateway() -> Iterator[SmsGateway]:
    made = SmsGateway()
    yield made
    made.stop()


async def test_link(start) -> None:
    harness = await start(AUTH_EMAIL_PASSWORDLESS_ENABLED="true", AUTH_LOCALE_ALLOWED_LOCALES="en,fr")
    body = {"email": "ada@example.com", "options": {"locale": "fr", "redirectTo": "http://app.test/in"}}
    assert (await harness.post("/signin/passwordless/email", body)).json() == "OK"
    mail = await harness.mail("ada@example.com", "signin-passwordless")
    assert mail["Subject"] == "Votre lien de connexion"
    values = await harness.follow(mail)
    assert values["type"] == "signinPasswordless"
    session = (await harness.post("/token", {"refreshToken": values["refreshToken"]})).json()
    assert (session["user"]["emailVerified"], session["user"]["locale"]) == (True, "fr")
    assert (await harness.post("/signin/passwordless/email", {"email": "ada@example.com"})).json() == "OK"
    assert "refreshToken" in await harness.follow(await harness.mail("ada@example.com", "signin-passwordless", 2))
    assert await harness.db.fetchval("SELECT count(*) FROM auth.users") == 1


async def test_links_and_codes_can_be_off(harness: Harness) -> None:
    for path, body in {
        "/signin/passwordless/email": {"email": "a@b.co"},
        "/signin/otp/email": {"email": "a@b.co"},
        "/signin/otp/email/verify": {"email": "a@b.co", "otp": "1"},
        "/signin/passwordless/sms": {"phoneNumber": "+4912345678"},
        "/signin/passwordless/sms/otp": {"phoneNumber": "+4912345678", "otp": "1"},
        "/signin/anonymous": {},
        "/signin/webauthn": {},
        "/signin/mfa/totp": {"ticket": "mfaTotp:x", "otp": "1"},
    }.items():
        answer = await harness.post(path, body)
        assert (answer.status_code, answer.json()["error"]) == (409, "disabled-endpoint"), path


async def test_code_by_mail(start) -> None:
    harness = await start(AUTH_OTP_EMAIL_ENABLED="true")
    assert (await harness.post("/signin/otp/email", {"email": "Ada@example.com"})).json() == "OK"
    code = (await harness.mail("Ada@example.com", "signin-otp"))["Subject"].split()[-1]
    assert len(code) == 6
    body = {"email": "ada@example.com", "otp": code}
    answer = await harness.post("/signin/otp/email/verify", body)
    assert answer.json()["session"]["user"]["emailVerified"] is True
    assert (await harness.post("/signin/otp/email/verify", body)).status_code == 400
    await harness.post("/signin/otp/email", {"email": "ada@example.com"})
    code = (await harness.mail("Ada@example.com", "signin-otp", 2))["Subject"].split()[-1]
    await harness.db.execute("UPDATE auth.users SET otp_hash_expires_at = now() - interval '1 s'")
    assert (await harness.post("/signin/otp/email/verify", {"email": "ada@example.com", "otp": code})).status_code == 400


async def test_code_by_sms(start, gateway: SmsGateway) -> None:
    harness = await start(**gateway.variables())
    number = "+4915112345"
    assert (await harness.post("/signin/passwordless/sms", {"phoneNumber": number})).json() == "OK"
    code = gateway.code(number)
    answer = await harness.post("/signin/passwordless/sms/otp", {"phoneNumber": number, "otp": "no"})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid-otp")
    answer = await harness.post("/signin/passwordless/sms/otp", {"phoneNumber": number, "otp": code})
    user = answer.json()["session"]["user"]
    assert (user["phoneNumber"], user["phoneNumberVerified"]) == (number, True)
    assert "email" not in user


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AUTH_SMS_PROVIDER", "pigeon"),
        ("AUTH_SMS_WEBHOOK_URL", ""),
        ("AUTH_SMS_WEBHOOK_SECRET", "whsec_short"),
        ("AUTH_SMS_WEBHOOK_SECRET", ""),
    ],
)
async def test_sms_settings_are_checked_at_the_start(start, gateway: SmsGateway, name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name):
        await start(**{**gateway.variables(), name: value})


async def test_code_by_twilio(start) -> None:
    """A stand-in for Twilio's Messages resource takes what the server sends."""
    own = {"ACCOUNT_SID": "AC1", "AUTH_TOKEN": "hush-hush", "MESSAGING_SERVICE_ID": "MG1"}
    settings = {f"AUTH_SMS_TWILIO_{name}": value for name, value in own.items()}
    on = {"AUTH_SMS_PASSWORDLESS_ENABLED": "true", "AUTH_SMS_PROVIDER": "twilio"}
    with pytest.raises(SettingsError, match="AUTH_SMS_TWILIO_AUTH_TOKEN"):
        await start(**on, AUTH_SMS_TWILIO_ACCOUNT_SID="AC1")
    harness = await start(**on, **settings)
    taken: list[dict[str, str]] = []

    async def messages(request: Request) -> JSONResponse:
        login = b64decode(request.headers["authorization"].removeprefix("Basic ")).decode()
        if login != "AC1:hush-hush" or request.path_params["account"] != "AC1":
            return JSONResponse({"code": 20003, "message": "Authenticate", "status": 401}, 401)
        form = dict(parse_qsl((await request.body()).decode()))
        if form["To"] == "+4915100000":
            return JSONResponse({"code": 21211, "message": "Invalid 'To' Phone Number", "status": 400}, 400)
        taken.append(form)
        return JSONResponse({"sid": "SM1", "status": "accepted"}, 201)

    twilio = Starlette(routes=[Route("/2010-04-01/Accounts/{account}/Messages.json", messages, methods=["POST"])])
    await harness.service.http.aclose()
    harness.service.http = httpx.AsyncClient(mounts={"https://api.twilio.com": httpx.ASGITransport(twilio)})
    number = "+4915112345"
    assert (await harness.post("/signin/passwordless/sms", {"phoneNumber": number})).json() == "OK"
    assert (taken[0]["To"], taken[0]["MessagingServiceSid"]) == (number, "MG1")
    code = re.findall(r"\d{6}", taken[0]["Body"])[0]
    answer = await harness.post("/signin/passwordless/sms/otp", {"phoneNumber": number, "otp": code})
    assert answer.json()["session"]["user"]["phoneNumber"] == number
    answer = await harness.post("/signin/passwordless/sms", {"phoneNumber": "+4915100000"})
    assert (answer.status_code, answer.json()["error"]) == (400, "cannot-send-sms")


async def test_sms_not_taken(start, gateway: SmsGateway) -> None:
    harness = await start(**gateway.variables())
    answer = await harness.post("/signin/passwordless/sms", {"phoneNumber": "+49151999"})
    assert (answer.status_code, answer.json()["error"]) == (400, "cannot-send-sms")
    assert await harness.db.fetchval("SELECT count(*) FROM auth.users") == 0


async def test_anonymous_and_back(start) -> None:
    harness = await start(AUTH_ANONYMOUS_USERS_ENABLED="true", AUTH_MFA_ENABLED="true")
    session = (await harness.post("/signin/anonymous", {"displayName": "Guest", "metadata": {"cart": 1}})).json()["session"]
    user, token = session["user"], session["accessToken"]
    assert (user["isAnonymous"], user["defaultRole"], user["roles"]) == (True, "anonymous", ["anonymous"])
    for path, body in {
        "/pat": {"expiresAt": "2030-01-01T00:00:00Z"},
        "/user/email/change": {"newEmail": "x@y.zz"},
        "/user/password": {"newPassword": "whatever"},
    }.items():
        answer = await harness.post(path, body, token)
        assert (answer.status_code, answer.json()["error"]) == (403, "forbidden-anonymous"), path
    body = {"signInMethod": "email-password", "email": "ada@example.com", "password": "a password"}
    assert (await harness.post("/user/deanonymize", {k: v for k, v in body.items() if k != "password"}, token)).status_code == 400
    assert (await harness.post("/user/deanonymize", body, token)).json() == "OK"
    assert (await harness.post("/token", {"refreshToken": session["refreshToken"]})).status_code == 401
    values = await harness.follow(await harness.mail("ada@example.com", "email-verify"))
    known = (await harness.post("/token", {"refreshToken": values["refreshToken"]})).json()["user"]
    assert (known["id"], known["isAnonymous"], known["defaultRole"]) == (user["id"], False, "user")
    assert known["metadata"] == {"cart": 1}
    assert (await harness.sign_in(password="a password")).status_code == 200
    answer = await harness.post("/user/deanonymize", body, token)
    assert (answer.status_code, answer.json()["error"]) == (400, "user-not-anonymous")
    assert (await harness.post("/signin/anonymous")).status_code == 200
