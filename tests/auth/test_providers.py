"""Sign-in through a provider (a local OpenID Connect one), with id-tokens, and what providers must not make us do."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from joserfc.jwk import ECKey

from builtin_plugins.core.auth.server.oauth.providers import load_providers
from builtin_plugins.core.auth.server.settings import SettingsError
from builtin_plugins.egress import GuardedTransport, public_address

from .harness import CLIENT_URL, PASSWORD, Harness, query_of
from .oidc_provider import CLIENT_ID, OidcProvider


@pytest.fixture
async def provider() -> AsyncIterator[OidcProvider]:
    made = OidcProvider()
    server, task = await made.serve()
    yield made
    server.should_exit = True
    await task


async def sign_in(harness: Harness, name: str = "oidc", **query: str) -> httpx.Response:
    """Go there and back; the last redirect."""
    there = await harness.get(f"/signin/provider/{name}", **query)
    assert there.status_code == 302, there.text
    async with httpx.AsyncClient() as browser:
        back = await browser.get(there.headers["location"])
    assert back.headers["location"].startswith("http://auth.test/signin/provider/")
    return await harness.client.get(back.headers["location"])


async def session_of(harness: Harness, answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 302, answer.text
    values = query_of(answer.headers["location"])
    assert "refreshToken" in values, values
    return (await harness.post("/token", {"refreshToken": values["refreshToken"]})).json()


async def test_first_and_second_sign_in(start, provider: OidcProvider) -> None:
    harness = await start(**provider.variables())
    answer = await sign_in(harness, redirectTo=f"{CLIENT_URL}/in", metadata='{"from":"oidc"}', allowedRoles="me,user")
    assert answer.headers["location"].startswith(f"{CLIENT_URL}/in?refreshToken=")
    assert answer.headers["referrer-policy"] == "no-referrer"
    user = (await session_of(harness, answer))["user"]
    assert (user["email"], user["emailVerified"], user["displayName"]) == ("ada@example.com", True, "Ada L.")
    assert user["metadata"] == {"from": "oidc"}
    asked = provider.asked[0]
    assert (asked["code_challenge_method"], asked["response_type"], asked["client_id"]) == ("S256", "code", CLIENT_ID)
    assert (await session_of(harness, await sign_in(harness)))["user"]["id"] == user["id"]
    row = await harness.db.fetchrow("SELECT * FROM auth.user_providers")
    assert (row["provider_id"], row["provider_user_id"], row["access_token"], row["refresh_token"]) == ("oidc", "u-1", "at", "rt")


async def test_profile_by_userinfo(start, provider: OidcProvider) -> None:
    google = {
        "AUTH_PROVIDER_GOOGLE_ENABLED": "true",
        "AUTH_PROVIDER_GOOGLE_CLIENT_ID": "the-client",
        "AUTH_PROVIDER_GOOGLE_CLIENT_SECRET": "the-client-s-secret",
        "AUTH_PROVIDER_GOOGLE_AUTHORIZATION_URL": f"{provider.url}/authorize",
        "AUTH_PROVIDER_GOOGLE_TOKEN_URL": f"{provider.url}/token",
        "AUTH_PROVIDER_GOOGLE_USER_PROFILE_URL": f"{provider.url}/userinfo",
    }
    harness = await start(**{**provider.variables(), **google})
    assert (await session_of(harness, await sign_in(harness, "google")))["user"]["email"] == "ada@example.com"


async def test_apple(start, provider: OidcProvider) -> None:
    """Apple's ways: the client's secret is a JWT, the answer comes as a form, the identity is in the id-token."""
    provider.developer_key = ECKey.generate_key("P-256")
    own = {
        "ENABLED": "true",
        "CLIENT_ID": CLIENT_ID,
        "TEAM_ID": "TEAM",
        "KEY_ID": "KID",
        "PRIVATE_KEY": base64.b64encode(provider.developer_key.as_pem(private=True)).decode(),
        "AUTHORIZATION_URL": f"{provider.url}/authorize",
        "TOKEN_URL": f"{provider.url}/token",
        "JWKS_URL": f"{provider.url}/jwks",
        "ISSUER": provider.url,
    }
    apple = {f"AUTH_PROVIDER_APPLE_{name}": value for name, value in own.items()}
    harness = await start(**provider.variables(), **apple)
    there = await harness.get("/signin/provider/apple", redirectTo=f"{CLIENT_URL}/in")
    async with httpx.AsyncClient() as browser:
        back = query_of((await browser.get(there.headers["location"])).headers["location"])
    assert provider.asked[0]["response_mode"] == "form_post"
    del provider.profile["name"]
    user = '{"name":{"firstName":"Ada","lastName":"L."}}'
    answer = await harness.client.post("/signin/provider/apple/callback", data={**back, "user": user})
    shown = (await session_of(harness, answer))["user"]
    assert (shown["email"], shown["displayName"]) == ("ada@example.com", "Ada L.")
    wrong = await harness.client.post("/signin/provider/apple/callback", json=back)
    assert (wrong.status_code, wrong.json()["error"]) == (415, "invalid-request")


async def test_oauth1(start, provider: OidcProvider) -> None:
    names = {"REQUEST_TOKEN_URL": "request", "AUTHORIZATION_URL": "go", "TOKEN_URL": "access", "USER_PROFILE_URL": "me"}
    twitter = {f"AUTH_PROVIDER_TWITTER_{name}": f"{provider.url}/oauth1/{path}" for name, path in names.items()}
    twitter |= {"AUTH_PROVIDER_TWITTER_ENABLED": "true", "AUTH_PROVIDER_TWITTER_CONSUMER_KEY": "ck"}
    harness = await start(**provider.variables(), **twitter, AUTH_PROVIDER_TWITTER_CONSUMER_SECRET="cs")
    for verifier, ends in (("wrong", "error"), ("v1", "refreshToken")):
        there = await harness.get("/signin/provider/twitter")
        assert there.headers["location"] == f"{provider.url}/oauth1/go?oauth_token=rt1"
        signed = provider.asked[-1]["authorization"]
        assert 'oauth_signature_method="HMAC-SHA1"' in signed
        state = signed.split("state%3D")[1].split('"')[0]
        answer = {"oauth_token": "rt1", "oauth_verifier": verifier}
        back = await harness.get("/signin/provider/twitter/callback", state=state, **answer)
        assert ends in query_of(back.headers["location"]), back.headers["location"]
    assert await harness.db.fetchval("SELECT email::text FROM auth.users") == "x@example.com"


async def test_state_counts_once(start, provider: OidcProvider) -> None:
    harness = await start(**provider.variables())
    there = await harness.get("/signin/provider/oidc")
    async with httpx.AsyncClient() as browser:
        back = (await browser.get(there.headers["location"])).headers["location"]
    assert "refreshToken" in query_of((await harness.client.get(back)).headers["location"])
    for url in (back, "/signin/provider/oidc/callback?state=x&code=1"):
        answer = await harness.client.get(url)
        assert answer.headers["location"] == f"{CLIENT_URL}?error=invalid-state&errorDescription=Invalid+state"
    answer = await harness.client.get("/signin/provider/oidc/callback?code=1")
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid-state")


async def test_answers_with_errors(start, provider: OidcProvider) -> None:
    harness = await start(**provider.variables())
    for answer, error in (({"error": "access_denied"}, "oauth-provider-error"), ({"code": "x"}, "oauth-token-echange-failed")):
        there = await harness.get("/signin/provider/oidc")
        state = query_of(there.headers["location"])["state"]
        back = await harness.get("/signin/provider/oidc/callback", state=state, **answer)
        told = query_of(back.headers["location"])
        assert told["error"] == error
        assert told.get("provider_error") == answer.get("error")
    there = await harness.get("/signin/provider/oidc")
    form = {"state": query_of(there.headers["location"])["state"], "error": "x"}
    back = await harness.client.post("/signin/provider/oidc/callback", data=form)
    assert query_of(back.headers["location"])["error"] == "oauth-provider-error"
    there = await harness.get("/signin/provider/oidc")
    answer = {"error": "access_denied", "error_description": "no & never", "error_uri": "https://id.test/why"}
    state = query_of(there.headers["location"])["state"]
    back = await harness.get("/signin/provider/oidc/callback", state=state, **answer)
    told = query_of(back.headers["location"])
    assert (told["provider_error_description"], told["provider_error_url"]) == ("no & never", "https://id.test/why")


@pytest.mark.parametrize(
    "claims", [{"aud": "other"}, {"iss": "http://other"}, {"exp": 1}, {"nonce": "other"}, {"iat": 9999999999}]
)
async def test_wrong_id_tokens(start, provider: OidcProvider, claims: dict) -> None:
    harness = await start(**provider.variables())
    original = provider.id_token
    provider.id_token = lambda **given: original(**{**given, **claims})  # type: ignore[method-assign]
    answer = await sign_in(harness)
    assert query_of(answer.headers["location"])["error"] == "oauth-profile-fetch-failed"
    assert await harness.db.fetchval("SELECT count(*) FROM auth.users") == 0


async def test_same_proven_address_is_the_same_user(start, provider: OidcProvider) -> None:
    harness = await start(**provider.variables(), AUTH_EMAIL_SIGNIN_EMAIL_VERIFIED_REQUIRED="false")
    mine = await harness.sign_up()
    await harness.db.execute("UPDATE auth.users SET email_verified = true")
    assert (await session_of(harness, await sign_in(harness)))["user"]["id"] == mine["user"]["id"]
    assert (await harness.sign_in(password=PASSWORD)).status_code == 200


async def test_a_sign_up_in_advance_gains_nothing(start, provider: OidcProvider) -> None:
    """Somebody signs up with another's address and waits; the owner then comes by a provider."""
    harness = await start(**provider.variables(), AUTH_EMAIL_SIGNIN_EMAIL_VERIFIED_REQUIRED="false")
    theirs = await harness.sign_up()
    await harness.db.execute(
        """INSERT INTO auth.user_providers (user_id, provider_id, provider_user_id, access_token)
           SELECT id, 'github', 'the-thief', '' FROM auth.users"""
    )
    await session_of(harness, await sign_in(harness))
    assert [row["provider_id"] for row in await harness.db.fetch("SELECT provider_id FROM auth.user_providers")] == ["oidc"]
    assert (await harness.sign_in(password=PASSWORD)).status_code == 401
    assert (await harness.post("/token", {"refreshToken": theirs["refreshToken"]})).status_code == 401


async def test_unproven_address_is_not_linked(start, provider: OidcProvider) -> None:
    harness = await start(**provider.variables(), AUTH_EMAIL_SIGNIN_EMAIL_VERIFIED_REQUIRED="false")
    await harness.sign_up()
    provider.profile["email_verified"] = False
    answer = await sign_in(harness)
    assert query_of(answer.headers["location"])["error"] == "email-already-in-use"


async def test_an_unproven_address_gets_a_mail(start, provider: OidcProvider) -> None:
    harness = await start(**provider.variables())
    provider.profile["email_verified"] = False
    answer = await sign_in(harness, redirectTo=f"{CLIENT_URL}/in")
    assert query_of(answer.headers["location"])["error"] == "unverified-user"
    values = await harness.follow(await harness.mail("ada@example.com", "email-verify"))
    assert "refreshToken" in values
    assert (await session_of(harness, await sign_in(harness)))["user"]["emailVerified"] is True


async def test_linking(start, provider: OidcProvider) -> None:
    harness = await start(**provider.variables(), AUTH_EMAIL_SIGNIN_EMAIL_VERIFIED_REQUIRED="false")
    mine = await harness.sign_up("me@example.com")
    answer = await sign_in(harness, connect=mine["accessToken"])
    assert answer.headers["location"] == CLIENT_URL
    assert (await session_of(harness, await sign_in(harness)))["user"]["id"] == mine["user"]["id"]
    again = await sign_in(harness, connect=mine["accessToken"])
    assert query_of(again.headers["location"])["error"] == "invalid-request"
    assert (await harness.get("/signin/provider/oidc", connect="forged")).status_code == 401


async def test_disabled_unknown_and_bad_options(start, provider: OidcProvider) -> None:
    harness = await start(**provider.variables())
    assert (await harness.get("/signin/provider/github")).json()["error"] == "disabled-endpoint"
    assert (await harness.get("/signin/provider/nope")).json()["error"] == "invalid-request"
    for query in ({"redirectTo": "https://evil.example"}, {"metadata": "{"}, {"displayName": "a&b"}, {"allowedRoles": "admin"}):
        assert (await harness.get("/signin/provider/oidc", **query)).status_code == 400, query


async def test_provider_urls_lead_nowhere_inside(start, provider: OidcProvider) -> None:
    """Neither a configured host nor an endpoint in a discovery document reaches a private address."""
    closed = {**provider.variables(), "AUTH_PROVIDER_ALLOWED_PRIVATE_HOSTS": ""}
    harness = await start(**closed)
    answer = await harness.get("/signin/provider/oidc")
    assert query_of(answer.headers["location"])["error"] == "oauth-provider-error"
    assert provider.asked == []
    provider.document["token_endpoint"] = "http://169.254.169.254/latest/meta-data"
    harness = await start(**provider.variables())
    answer = await sign_in(harness)
    assert query_of(answer.headers["location"])["error"] == "oauth-token-echange-failed"
    provider.document = {"issuer": "https://accounts.example.com"}
    answer = await harness.get("/signin/provider/oidc")
    assert query_of(answer.headers["location"])["error"] == "oauth-provider-error"


INSIDE = [
    "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0", "100.64.0.1", "224.0.0.1",
    "255.255.255.255", "::1", "::", "fe80::1", "fc00::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "2002:7f00:1::",
    "64:ff9b::7f00:1",
]  # fmt: skip


@pytest.mark.parametrize("address", INSIDE)
def test_private_addresses(address: str) -> None:
    assert not public_address(address)


def test_public_addresses() -> None:
    assert public_address("93.184.216.34")
    assert public_address("2606:2800:220:1::1")


@pytest.mark.parametrize(
    "url", ["https://localhost/", "https://127.0.0.1/", "http://93.184.216.34/", "https://[::1]/", "https://2130706433/"]
)
async def test_guard(url: str) -> None:
    async with httpx.AsyncClient(transport=GuardedTransport(())) as client:
        with pytest.raises(httpx.RequestError):
            await client.get(url)


def id_token_settings(provider: OidcProvider) -> dict[str, str]:
    return {
        **provider.variables(),
        "AUTH_PROVIDER_GOOGLE_JWKS_URL": f"{provider.url}/jwks",
        "AUTH_PROVIDER_GOOGLE_AUDIENCE": f"other,{CLIENT_ID}",
        "AUTH_PROVIDER_GOOGLE_ISSUER": provider.url,
        "AUTH_EMAIL_SIGNIN_EMAIL_VERIFIED_REQUIRED": "false",
    }


async def test_id_token_sign_in_and_link(start, provider: OidcProvider) -> None:
    harness = await start(**id_token_settings(provider))
    plain = {"provider": "google", "idToken": provider.id_token()}
    user = (await harness.post("/signin/idtoken", plain)).json()["session"]["user"]
    assert user["email"] == "ada@example.com"
    hashed = provider.id_token(nonce=hashlib.sha256(b"n-1").hexdigest())
    answer = await harness.post("/signin/idtoken", {"provider": "google", "idToken": hashed, "nonce": "n-1"})
    assert answer.json()["session"]["user"]["id"] == user["id"]
    mine = await harness.sign_up("me@example.com")
    body = {"provider": "google", "idToken": provider.id_token(sub="u-2", email="x@y.zz")}
    assert (await harness.post("/link/idtoken", body, mine["accessToken"])).json() == "OK"
    assert (await harness.post("/signin/idtoken", body)).json()["session"]["user"]["id"] == mine["user"]["id"]
    assert (await harness.post("/link/idtoken", body, mine["accessToken"])).status_code == 400


async def test_id_tokens_refused(start, provider: OidcProvider) -> None:
    harness = await start(**id_token_settings(provider))
    stranger = OidcProvider(port=provider.port)
    unsigned = "eyJhbGciOiJub25lIn0." + provider.id_token().split(".")[1] + "."
    wrong = {
        "nonce missing": {"idToken": provider.id_token(nonce="a")},
        "nonce other": {"idToken": provider.id_token(nonce="a"), "nonce": "b"},
        "nonce not in token": {"idToken": provider.id_token(), "nonce": "b"},
        "audience": {"idToken": provider.id_token(aud="else")},
        "issuer": {"idToken": provider.id_token(iss="https://else")},
        "expired": {"idToken": provider.id_token(exp=int(time.time()) - 100)},
        "other key": {"idToken": stranger.id_token()},
        "unsigned": {"idToken": unsigned},
        "rubbish": {"idToken": "x"},
    }
    for name, body in wrong.items():
        answer = await harness.post("/signin/idtoken", {"provider": "google", **body})
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid-request"), name
    answer = await harness.post("/signin/idtoken", {"provider": "apple", "idToken": "x"})
    assert answer.json()["error"] == "disabled-endpoint"


def test_table_of_providers() -> None:
    table = load_providers({})
    assert len(table) == 17
    assert not any(provider.enabled for provider in table.values())
    for provider in table.values():
        urls = [provider.authorize, provider.token, provider.userinfo, provider.jwks, provider.request_token]
        assert all(url.startswith("https://") for url in urls if url), provider.name
        json.loads(provider.model_dump_json())


def test_provider_without_credentials() -> None:
    with pytest.raises(SettingsError, match="github is enabled without AUTH_PROVIDER_GITHUB_CLIENT_ID, "):
        load_providers({"AUTH_PROVIDER_GITHUB_ENABLED": "true"})
    named = load_providers({"AUTH_PROVIDER_GITLAB_BASE_URL": "https://git.example.com/"})["gitlab"]
    assert urlsplit(named.authorize).hostname == "git.example.com"


async def test_an_answer_counts_in_its_own_browser_alone(start, provider: OidcProvider) -> None:
    """Somebody goes to the provider and sends the way back to a victim, who would be signed in as that one."""
    harness = await start(**provider.variables())
    there = await harness.get("/signin/provider/oidc")
    cookie = there.headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=lax" in cookie and "max-age=600" in cookie
    async with httpx.AsyncClient() as browser:
        back = (await browser.get(there.headers["location"])).headers["location"]
    async with httpx.AsyncClient(transport=harness.client._transport, base_url=harness.client.base_url) as victim:
        answer = await victim.get(back)
        assert query_of(answer.headers["location"])["error"] == "invalid-state"
        await victim.get("/signin/provider/oidc")
        answer = await victim.get(back)
        assert "refreshToken" not in query_of(answer.headers["location"]), "a cookie of another way does not do"
    answer = await harness.client.get(back)
    assert "refreshToken" in query_of(answer.headers["location"]), "the victim's visit spoilt nothing"
    assert "max-age=0" in answer.headers["set-cookie"].lower()


async def test_the_cookie_of_an_https_server(start, provider: OidcProvider) -> None:
    harness = await start(**provider.variables(), AUTH_SERVER_URL="https://auth.test")
    cookie = (await harness.get("/signin/provider/oidc")).headers["set-cookie"]
    assert cookie.startswith("__Host-auth-state-")
    assert "Secure" in cookie and "Path=/" in cookie and "Domain" not in cookie


async def test_who_may_add_an_identity(start, provider: OidcProvider) -> None:
    plain = {"AUTH_EMAIL_SIGNIN_EMAIL_VERIFIED_REQUIRED": "false", "AUTH_ANONYMOUS_USERS_ENABLED": "true"}
    harness = await start(**provider.variables(), **plain)
    anonymous = (await harness.post("/signin/anonymous", {})).json()["session"]["accessToken"]
    answer = await harness.get("/signin/provider/oidc", connect=anonymous)
    assert (answer.status_code, answer.json()["error"]) == (403, "forbidden-anonymous")
    gone = await harness.sign_up("me@example.com")
    await harness.post("/signout", {"refreshToken": gone["refreshToken"]})
    assert (await harness.get("/signin/provider/oidc", connect=gone["accessToken"])).status_code == 401


async def test_a_provider_is_no_way_round_the_second_factor(start, provider: OidcProvider) -> None:
    harness = await start(**provider.variables(), AUTH_EMAIL_SIGNIN_EMAIL_VERIFIED_REQUIRED="false")
    await harness.sign_up()
    await harness.db.execute("UPDATE auth.users SET email_verified = true, active_mfa_type = 'totp', totp_secret = 'x'")
    answer = await sign_in(harness)
    assert query_of(answer.headers["location"])["error"] == "email-already-in-use"
    assert await harness.db.fetchval("SELECT count(*) FROM auth.user_providers") == 0


async def test_letters_that_look_alike_are_another_address(start, provider: OidcProvider) -> None:
    harness = await start(**provider.variables(), AUTH_EMAIL_SIGNIN_EMAIL_VERIFIED_REQUIRED="false")
    mine = await harness.sign_up("kim@example.com")
    provider.profile["email"] = "\u212aim@example.com"
    stranger = await session_of(harness, await sign_in(harness))
    assert stranger["user"]["id"] != mine["user"]["id"]
    assert "email" not in stranger["user"]


async def test_endless_and_compressed_answers(provider: OidcProvider) -> None:
    class Inner(httpx.AsyncBaseTransport):
        def __init__(self) -> None:
            self.headers: dict[str, str] = {}

        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            async def endless() -> AsyncIterator[bytes]:
                while True:
                    yield b"x" * 65536

            return httpx.Response(200, headers=self.headers, content=endless())

    inner = Inner()
    async with httpx.AsyncClient(transport=GuardedTransport(("p.test",), inner, most_bytes=1 << 20)) as client:
        with pytest.raises(httpx.RequestError, match="too long"):
            await client.get("https://p.test/")
        inner.headers = {"content-encoding": "gzip"}
        with pytest.raises(httpx.RequestError, match="compressed"):
            await client.get("https://p.test/")
