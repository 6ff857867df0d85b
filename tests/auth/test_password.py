"""Sign-up and sign-in with address and password, and what a session is."""

from __future__ import annotations

import hashlib
from urllib.parse import urlsplit

import bcrypt
import pytest
from joserfc import jwt
from joserfc.jwk import OctKey

from .harness import JWT_KEY, PASSWORD, Harness, link_of, query_of

PLAIN = {"AUTH_EMAIL_SIGNIN_EMAIL_VERIFIED_REQUIRED": "false"}
NAMESPACE = "https://hasura.io/jwt/claims"


def claims_of(token: str) -> dict:
    return jwt.decode(token, OctKey.import_key(JWT_KEY), algorithms=["HS256"]).claims


async def test_sign_up_gives_a_session(harness: Harness) -> None:
    session = await harness.sign_up(displayName="Ada L.", metadata={"team": 7}, locale="en")
    assert session["accessTokenExpiresIn"] == 900
    user = session["user"]
    assert user["email"] == "ada@example.com"
    assert (user["displayName"], user["metadata"], user["locale"]) == ("Ada L.", {"team": 7}, "en")
    assert (user["defaultRole"], sorted(user["roles"])) == ("user", ["me", "user"])
    assert user["avatarUrl"].startswith("https://www.gravatar.com/avatar/")
    claims = claims_of(session["accessToken"])
    assert claims["sub"] == user["id"]
    assert claims["exp"] - claims["iat"] == 900
    assert claims[NAMESPACE] == {
        "x-hasura-allowed-roles": ["me", "user"],
        "x-hasura-default-role": "user",
        "x-hasura-user-id": user["id"],
        "x-hasura-user-is-anonymous": "false",
    }


async def test_gravatar(start) -> None:
    harness = await start(**PLAIN, AUTH_GRAVATAR_DEFAULT="identicon", AUTH_GRAVATAR_RATING="pg")
    picture = urlsplit((await harness.sign_up("Ada@Example.com"))["user"]["avatarUrl"])
    assert picture.path == "/avatar/" + hashlib.md5(b"ada@example.com", usedforsecurity=False).hexdigest()
    assert query_of(picture.geturl()) == {"r": "pg", "default": "identicon"}
    harness = await start(**PLAIN, AUTH_GRAVATAR_ENABLED="false")
    assert (await harness.sign_up("eve@example.com"))["user"]["avatarUrl"] == ""


async def test_when_a_user_was_last_seen(harness: Harness) -> None:
    session = await harness.sign_up()
    for way in (harness.sign_in(), harness.post("/token", {"refreshToken": session["refreshToken"]})):
        await harness.db.execute("UPDATE auth.users SET last_seen = NULL")
        assert (await way).status_code == 200
        assert await harness.db.fetchval("SELECT last_seen > now() - interval '1 minute' FROM auth.users")


async def test_sign_in(harness: Harness) -> None:
    await harness.sign_up()
    answer = await harness.sign_in("ADA@example.com")
    assert answer.status_code == 200
    assert answer.json()["session"]["user"]["email"] == "ada@example.com"
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(("address", "password"), [("ada@example.com", "wrong one"), ("nobody@example.com", PASSWORD)])
async def test_wrong_credentials_are_told_alike(harness: Harness, address: str, password: str) -> None:
    await harness.sign_up()
    answer = await harness.sign_in(address, password)
    assert answer.status_code == 401
    assert answer.json() == {"status": 401, "message": "Incorrect email or password", "error": "invalid-email-password"}


async def test_verification_is_asked_for(start) -> None:
    harness = await start()
    assert await harness.sign_up() is None
    answer = await harness.sign_in()
    assert (answer.status_code, answer.json()["error"]) == (401, "unverified-user")
    values = await harness.follow(await harness.mail("ada@example.com", "email-verify"))
    assert values["type"] == "emailVerify"
    assert (await harness.post("/token", {"refreshToken": values["refreshToken"]})).json()["user"]["emailVerified"] is True
    assert (await harness.sign_in()).status_code == 200


async def test_a_link_counts_once(start) -> None:
    harness = await start()
    await harness.sign_up(redirectTo="http://app.test/welcome?x=1")
    mail = await harness.mail("ada@example.com", "email-verify")
    assert (await harness.client.head(link_of(mail))).status_code == 405, "looking at a link does not use it up"
    first = await harness.follow(mail)
    assert first["x"] == "1"
    assert (await harness.follow(mail))["error"] == "invalid-ticket"


async def test_verification_mail_again(start) -> None:
    harness = await start()
    await harness.sign_up()
    assert (await harness.post("/user/email/send-verification-email", {"email": "ada@example.com"})).json() == "OK"
    old = await harness.mail("ada@example.com", "email-verify", 1)
    new = await harness.mail("ada@example.com", "email-verify", 2)
    assert (await harness.follow(old))["error"] == "invalid-ticket"
    assert "refreshToken" in await harness.follow(new)
    body = {"email": "ada@example.com"}
    assert (await harness.post("/user/email/send-verification-email", body)).json() == "OK"
    answer = await (await start(AUTH_CONCEAL_ERRORS="false")).post("/user/email/send-verification-email", body)
    assert (answer.status_code, answer.json()["error"]) == (400, "email-already-verified")


async def test_address_taken(harness: Harness) -> None:
    await harness.sign_up()
    answer = await harness.post("/signup/email-password", {"email": "Ada@Example.com", "password": PASSWORD})
    assert (answer.status_code, answer.json()["error"]) == (409, "email-already-in-use")


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"allowedRoles": ["user", "admin"]}, "role-not-allowed"),
        ({"defaultRole": "admin"}, "default-role-must-be-in-allowed-roles"),
        ({"allowedRoles": ["me"], "defaultRole": "user"}, "default-role-must-be-in-allowed-roles"),
        ({"redirectTo": "https://evil.example"}, "redirectTo-not-allowed"),
        ({"displayName": "a&b"}, "invalid-request"),
        ({"unknown": 1}, "invalid-request"),
        ({"locale": None}, "invalid-request"),
    ],
)
async def test_options_are_checked(harness: Harness, options: dict, error: str) -> None:
    answer = await harness.post("/signup/email-password", {"email": "a@b.co", "password": PASSWORD, "options": options})
    assert (answer.status_code, answer.json()["error"]) == (400, error)
    assert await harness.db.fetchval("SELECT count(*) FROM auth.users") == 0


async def test_roles_of_one_s_own(start) -> None:
    harness = await start(
        AUTH_EMAIL_SIGNIN_EMAIL_VERIFIED_REQUIRED="false",
        AUTH_USER_DEFAULT_ALLOWED_ROLES="editor,reader",
        AUTH_USER_DEFAULT_ROLE="reader",
    )
    session = await harness.sign_up(allowedRoles=["reader", "editor"], defaultRole="editor")
    assert session["user"]["defaultRole"] == "editor"
    assert claims_of(session["accessToken"])[NAMESPACE]["x-hasura-default-role"] == "editor"


async def test_short_password_and_closed_sign_up(start) -> None:
    harness = await start(AUTH_PASSWORD_MIN_LENGTH="9")
    answer = await harness.post("/signup/email-password", {"email": "a@b.co", "password": "12345678"})
    assert (answer.status_code, answer.json()["error"]) == (400, "password-too-short")
    harness = await start(AUTH_DISABLE_SIGNUP="true")
    answer = await harness.post("/signup/email-password", {"email": "a@b.co", "password": "12345678"})
    assert (answer.status_code, answer.json()["error"]) == (403, "signup-disabled")


async def test_new_users_may_start_disabled(start) -> None:
    harness = await start(AUTH_DISABLE_NEW_USERS="true", AUTH_EMAIL_SIGNIN_EMAIL_VERIFIED_REQUIRED="false")
    assert await harness.sign_up() is None
    answer = await harness.sign_in()
    assert (answer.status_code, answer.json()["error"]) == (401, "disabled-user")


@pytest.mark.parametrize(
    ("variable", "value", "refused", "taken"),
    [
        ("AUTH_ACCESS_CONTROL_ALLOWED_EMAIL_DOMAINS", "good.example", "a@other.example", "a@good.example"),
        ("AUTH_ACCESS_CONTROL_BLOCKED_EMAIL_DOMAINS", "bad.example", "a@BAD.example", "a@good.example"),
        ("AUTH_ACCESS_CONTROL_BLOCKED_EMAILS", "a@x.example", "A@x.example", "b@x.example"),
        ("AUTH_ACCESS_CONTROL_ALLOWED_EMAILS", "a@x.example", "b@x.example", "a@x.example"),
    ],
)
async def test_lists_of_addresses(start, variable: str, value: str, refused: str, taken: str) -> None:
    harness = await start(**{variable: value})
    answer = await harness.post("/signup/email-password", {"email": refused, "password": PASSWORD})
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid-email-password")
    assert (await harness.post("/signup/email-password", {"email": taken, "password": PASSWORD})).status_code == 200


async def test_rows_of_hasura_auth_are_accepted(harness: Harness) -> None:
    stored = bcrypt.hashpw(b"from elsewhere", bcrypt.gensalt(4, prefix=b"2a")).decode()
    await harness.db.execute(
        "INSERT INTO auth.users (email, password_hash, locale, email_verified) VALUES ('old@example.com', $1, 'en', true)", stored
    )
    assert (await harness.sign_in("old@example.com", "from elsewhere")).status_code == 200


async def test_argon2id_behind_a_setting(start) -> None:
    harness = await start(AUTH_PASSWORD_HASH="argon2id", AUTH_EMAIL_SIGNIN_EMAIL_VERIFIED_REQUIRED="false")
    await harness.sign_up()
    assert (await harness.db.fetchval("SELECT password_hash FROM auth.users")).startswith("$argon2id$")
    assert (await harness.sign_in()).status_code == 200


async def test_password_change_keeps_only_this_session(harness: Harness) -> None:
    other = (await harness.sign_up())["refreshToken"]
    session = (await harness.sign_in()).json()["session"]
    answer = await harness.post("/user/password", {"newPassword": "another one"}, session["accessToken"])
    assert answer.json() == "OK"
    assert (await harness.sign_in()).status_code == 401
    assert (await harness.sign_in(password="another one")).status_code == 200
    assert (await harness.post("/token", {"refreshToken": other})).status_code == 401
    assert (await harness.post("/token", {"refreshToken": session["refreshToken"]})).status_code == 200


async def test_password_reset_by_ticket(harness: Harness) -> None:
    session = await harness.sign_up()
    assert (await harness.post("/user/password/reset", {"email": "ada@example.com"})).json() == "OK"
    mail = await harness.mail("ada@example.com", "password-reset")
    ticket = query_of(link_of(mail))["ticket"]
    assert ticket.startswith("passwordReset:")
    answer = await harness.post("/user/password", {"newPassword": "ab", "ticket": ticket})
    assert answer.status_code == 400
    assert (await harness.post("/user/password", {"newPassword": "brand new", "ticket": ticket})).json() == "OK"
    assert (await harness.sign_in(password="brand new")).status_code == 200
    again = await harness.post("/user/password", {"newPassword": "brand new", "ticket": ticket})
    assert (again.status_code, again.json()["error"]) == (401, "invalid-ticket")
    assert (await harness.post("/token", {"refreshToken": session["refreshToken"]})).status_code == 401


async def test_password_reset_by_link_signs_in(harness: Harness) -> None:
    await harness.sign_up()
    await harness.post("/user/password/reset", {"email": "ada@example.com", "options": {"redirectTo": "http://app.test/new"}})
    values = await harness.follow(await harness.mail("ada@example.com", "password-reset"))
    assert values["type"] == "passwordReset"
    session = (await harness.post("/token", {"refreshToken": values["refreshToken"]})).json()
    assert (await harness.post("/user/password", {"newPassword": "brand new"}, session["accessToken"])).json() == "OK"


async def test_password_needs_somebody(harness: Harness) -> None:
    answer = await harness.post("/user/password", {"newPassword": "brand new"})
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid-request")


async def test_email_change(harness: Harness) -> None:
    token = (await harness.sign_up())["accessToken"]
    assert (await harness.post("/user/email/change", {"newEmail": "new@example.com"}, token)).json() == "OK"
    assert (await harness.get("/user", token)).json()["email"] == "ada@example.com"
    values = await harness.follow(await harness.mail("new@example.com", "email-confirm-change"))
    assert values["type"] == "emailConfirmChange"
    shown = (await harness.get("/user", token)).json()
    assert (shown["email"], shown["emailVerified"]) == ("new@example.com", True)


async def test_profile_needs_a_token(harness: Harness) -> None:
    assert (await harness.get("/user")).status_code == 401
    session = await harness.sign_up()
    assert (await harness.get("/user", session["accessToken"])).json() == session["user"]
    await harness.db.execute("DELETE FROM auth.users")
    assert (await harness.get("/user", session["accessToken"])).status_code == 401
