"""Parts that need no service: settings, keys, redirects, claims, limits, metadata."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builtin_plugins.core.auth.server import redirects
from builtin_plugins.core.auth.server.admin.keys import ALGORITHMS, new_secret, rotate
from builtin_plugins.core.auth.server.claims import encode, extract, parse_path, selection
from builtin_plugins.core.auth.server.errors import TABLE, ApiError
from builtin_plugins.core.auth.server.keys import InvalidTokenError, KeyRing
from builtin_plugins.core.auth.server.metadata import tables
from builtin_plugins.core.auth.server.migrate import migrations
from builtin_plugins.core.auth.server.oauth.providers import load_providers
from builtin_plugins.core.auth.server.ratelimit import Limiter, Limits, network
from builtin_plugins.core.auth.server.settings import RateLimits, SettingsError, from_environment, unread

HS256 = json.dumps({"type": "HS256", "key": "k" * 32})
LEAST = {"HASURA_GRAPHQL_DATABASE_URL": "postgresql://x/y", "HASURA_GRAPHQL_JWT_SECRET": HS256}


def test_defaults_are_hasura_auth_s() -> None:
    settings = from_environment(LEAST)
    assert (settings.port, settings.access_token_expires_in, settings.refresh_token_expires_in) == (4000, 900, 2592000)
    assert settings.allowed_roles == ("me", "user")
    assert settings.email_verified_required
    assert not settings.rate_limits.enabled
    assert settings.smtp.port == 587


def test_settings_from_parts() -> None:
    env = {"HASURA_GRAPHQL_JWT_SECRET": HS256, "POSTGRES_HOST": "db", "POSTGRES_PASSWORD": "a/b@c:d", "POSTGRES_DB": "shop"}
    assert from_environment(env).database_url == "postgresql://postgres:a%2Fb%40c%3Ad@db:5432/shop"
    given = from_environment(
        {**LEAST, "AUTH_ACCESS_TOKEN_EXPIRES_IN": "15m", "AUTH_RATE_LIMIT_EMAIL_INTERVAL": "1h30m", "AUTH_PORT": ""}
    )
    assert (given.access_token_expires_in, given.rate_limits.email_interval, given.port) == (900, 5400, 4000)
    assert from_environment({**LEAST, "AUTH_API_PREFIX": "/v1/"}).api_prefix == "/v1", "links go on with a slash"


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"HASURA_GRAPHQL_JWT_SECRET": ""}, "not set: HASURA_GRAPHQL_JWT_SECRET"),
        ({"HASURA_GRAPHQL_DATABASE_URL": ""}, "HASURA_GRAPHQL_DATABASE_URL"),
        ({"AUTH_PORT": "x", "AUTH_CLIENT_URL": "nowhere"}, "AUTH_PORT.*; AUTH_CLIENT_URL"),
        ({"AUTH_RATE_LIMIT_EMAIL_INTERVAL": "soon"}, "AUTH_RATE_LIMIT_EMAIL_INTERVAL"),
        ({"AUTH_JWT_CUSTOM_CLAIMS": "{"}, "AUTH_JWT_CUSTOM_CLAIMS"),
        ({"AUTH_API_PREFIX": "v1"}, "AUTH_API_PREFIX.*/v1"),
        ({"AUTH_WEBAUTHN_RP_ORIGINS": "https://a.test,nonsense"}, "AUTH_WEBAUTHN_RP_ORIGINS.*nonsense"),
        ({"AUTH_ACCESS_CONTROL_ALLOWED_REDIRECT_URLS": "foo"}, "AUTH_ACCESS_CONTROL_ALLOWED_REDIRECT_URLS.*foo"),
        ({"AUTH_ACCESS_CONTROL_ALLOWED_REDIRECT_URLS": "https://a.test,http://h:port/"}, "ALLOWED_REDIRECT_URLS.*h:port"),
        ({"AUTH_ACCESS_CONTROL_ALLOWED_REDIRECT_URLS": "*://a.test"}, "ALLOWED_REDIRECT_URLS.*absolute"),
        ({"AUTH_CLIENT_URL": "https://"}, "AUTH_CLIENT_URL"),
        ({"AUTH_CLIENT_URL": "javascript:alert(1)"}, "AUTH_CLIENT_URL"),
        ({"AUTH_SERVER_URL": "ftp://a.test"}, "AUTH_SERVER_URL"),
        ({"HASURA_GRAPHQL_GRAPHQL_URL": "http://h:port/v1/graphql"}, "HASURA_GRAPHQL_GRAPHQL_URL"),
        ({"AUTH_PASSWORD_HIBP_URL": "nowhere"}, "AUTH_PASSWORD_HIBP_URL"),
        ({"AUTH_SMS_WEBHOOK_URL": "http://h:port"}, "AUTH_SMS_WEBHOOK_URL"),
        ({"AUTH_SMTP_SENDER": "nSelf <>"}, "AUTH_SMTP_SENDER.*noreply@example.com"),
        ({"AUTH_SMTP_SENDER": "nobody"}, "AUTH_SMTP_SENDER"),
        ({"AUTH_LOCALE_ALLOWED_LOCALES": "en,german"}, "AUTH_LOCALE_ALLOWED_LOCALES.*german"),
        ({"AUTH_PASSWORD_MIN_LENGTH": "51"}, "AUTH_PASSWORD_MIN_LENGTH"),
        ({"AUTH_REFRESH_TOKEN_EXPIRES_IN": "9" * 14}, "AUTH_REFRESH_TOKEN_EXPIRES_IN"),
        ({"AUTH_JWT_CUSTOM_CLAIMS": '{"a": 5}'}, "AUTH_JWT_CUSTOM_CLAIMS.a"),
        ({"AUTH_TRUSTED_PROXIES": "10.0.0.0/8,abc"}, "AUTH_TRUSTED_PROXIES.*abc"),
        (
            {"AUTH_RATE_LIMIT_EMAIL_BURST": "many", "AUTH_SMTP_PORT": "x", "AUTH_MFA_ENABLED": "maybe"},
            "AUTH_RATE_LIMIT_EMAIL_BURST.*; AUTH_SMTP_PORT.*; AUTH_MFA_ENABLED",
        ),
    ],
)
def test_wrong_settings_name_the_variable(change: dict, text: str) -> None:
    with pytest.raises(SettingsError, match=text):
        from_environment({**LEAST, **change})


def test_variables_that_nobody_reads_are_told() -> None:
    given = {
        "AUTH_ACESS_TOKEN_EXPIRES_IN": "60",
        "AUTH_OF_ANOTHER": "x",
        "AUTH_PROVIDER_GITHUB_ENABLED": "true",
        "AUTH_PORT": "1",
    }
    assert list(unread(given)) == [
        "AUTH_ACESS_TOKEN_EXPIRES_IN is not read; did you mean AUTH_ACCESS_TOKEN_EXPIRES_IN?",
        "AUTH_OF_ANOTHER is not read",
    ]


def test_a_provider_that_nobody_knows_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"AUTH_PROVIDER_NOSUCH_ENABLED: no such provider; known are .*github"):
        load_providers({"AUTH_PROVIDER_NOSUCH_ENABLED": "true"})
    assert not load_providers({"AUTH_PROVIDER_WINDOWS_LIVE_ENABLED": "false"})["github"].enabled


def test_wrong_settings_of_a_provider() -> None:
    with pytest.raises(SettingsError, match="AUTH_PROVIDER_GITHUB_ENABLED: use true or false, not 'maybe'"):
        load_providers({"AUTH_PROVIDER_GITHUB_ENABLED": "maybe"})
    with pytest.raises(SettingsError, match="github is enabled without"):
        load_providers({"AUTH_PROVIDER_GITHUB_ENABLED": "yes"})
    for url in ("{x}", "nowhere", "http://h:port/"):
        with pytest.raises(SettingsError, match="AUTH_PROVIDER_GITHUB_TOKEN_URL"):
            load_providers({"AUTH_PROVIDER_GITHUB_TOKEN_URL": url})


def test_an_app_s_own_scheme_may_be_the_client() -> None:
    client = from_environment({**LEAST, "AUTH_CLIENT_URL": "shop://"}).client_url
    assert redirects.allowed("shop://", client, ()) and not redirects.allowed("https://a.test", client, ())
    assert redirects.with_query("shop://", {"x": "1"}) == "shop://?x=1"
    assert redirects.with_query("shop:///in?a=&b=2#c", {"x": "1"}) == "shop:///in?a=&b=2&x=1#c"


def test_settings_hide_secrets() -> None:
    settings = from_environment({**LEAST, "AUTH_SMTP_PASS": "hush-hush", "AUTH_PROVIDER_GITHUB_CLIENT_SECRET": "hush-hush"})
    assert "hush-hush" not in repr(settings)
    assert "kkkk" not in repr(settings)


@pytest.mark.parametrize(
    "secret",
    [
        "not json",
        "[]",
        "{}",
        '{"type":"HS256"}',
        '{"type":"HS256","key":"short"}',
        '{"type":"none","key":"' + "k" * 32 + '"}',
        '{"type":"RS256","key":"no pem"}',
        '{"type":["HS256"],"key":"' + "k" * 32 + '"}',
        '{"type":"HS256","kid":5,"key":"' + "k" * 32 + '"}',
        '{"type":"HS256","issuer":["x"],"key":"' + "k" * 32 + '"}',
        '{"type":"HS256","audience":[5],"key":"' + "k" * 32 + '"}',
        json.dumps({**new_secret("ES256"), "signing_key": new_secret("ES256")["signing_key"]}),
        json.dumps({**new_secret("ES384"), "type": "ES256"}),
        json.dumps({k: v for k, v in new_secret("ES256").items() if k != "signing_key"}),
    ],
)
def test_wrong_secrets(secret: str) -> None:
    with pytest.raises(SettingsError) as caught:
        KeyRing(secret)
    assert "kkkk" not in str(caught.value)


def test_wrong_older_secrets() -> None:
    for older in ('[{"type":"HS256","key":"' + "k" * 32 + '","not_after":"soon"}]', "{}", "[5]"):
        with pytest.raises(SettingsError, match="AUTH_JWT_PREVIOUS_SECRETS"):
            KeyRing(HS256, older)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_algorithm(algorithm: str) -> None:
    ring = KeyRing(json.dumps(new_secret(algorithm)))
    token = ring.sign("me", {"x-hasura-user-id": "me"}, 60, session="s")
    assert ring.verify(token) == {"x-hasura-user-id": "me", "sub": "me", "sid": "s"}
    assert ("keys" in ring.jwks()) and bool(ring.jwks()["keys"]) != algorithm.startswith("HS")


def test_options_of_the_secret() -> None:
    secret = {"type": "HS256", "key": "k" * 32, "claims_namespace": "ns", "claims_format": "stringified_json", "audience": "app"}
    ring = KeyRing(json.dumps(secret))
    assert ring.verify(ring.sign("me", {"a": 1}, 60))["a"] == 1
    other = KeyRing(json.dumps({**secret, "audience": "other"}))
    with pytest.raises(InvalidTokenError):
        other.verify(ring.sign("me", {"a": 1}, 60))
    several = KeyRing(json.dumps({**secret, "audience": ["app", "shop"]}))
    assert several.verify(ring.sign("me", {"a": 1}, 60))["a"] == 1
    assert ring.verify(several.sign("me", {"a": 1}, 60))["a"] == 1
    with pytest.raises(InvalidTokenError):
        several.verify(other.sign("me", {"a": 1}, 60))


def test_overlap_ends() -> None:
    turned = rotate(HS256, overlap=100, now=1000)
    token = KeyRing(HS256).sign("me", {}, 10_000, now=1000)
    ring = KeyRing(turned.secret, turned.previous)
    assert ring.verify(token, now=1050)["sub"] == "me"
    with pytest.raises(InvalidTokenError):
        ring.verify(token, now=1101)
    assert [item["type"] for item in json.loads(turned.engine_secrets)] == ["HS256", "HS256"]
    later = rotate(turned.secret, turned.previous, algorithm="EdDSA", now=2000)
    assert len(json.loads(later.previous)) == 1
    assert "signing_key" not in later.engine_secrets
    assert json.loads(later.engine_secrets)[0]["type"] == "Ed25519"


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("http://app.test", True),
        ("http://app.test/", True),
        ("http://app.test:80/deep/er?x=1#y", True),
        ("HTTP://APP.TEST/x", True),
        ("https://app.test/", False),
        ("http://app.test.evil.example", False),
        ("https://a.example.com/x", True),
        ("https://a.b.example.com/x", False),
        ("https://example.com/x", False),
        ("https://x.example.org/app", True),
        ("https://x.example.org/app/sub", True),
        ("https://x.example.org/apple", False),
        ("https://x.example.org/app/../admin", False),
        ("https://x.example.org/app/%2e%2e/admin", False),
        ("https://pr-12-shop.example.net/", True),
        ("https://evil.example/pr-12-shop.example.net/", False),
        ("myapp://callback/x", True),
        ("otherapp://callback", False),
        ("http://app.test@evil.example/", False),
        ("//app.test", False),
        ("", False),
    ],
)
def test_redirects(url: str, allowed: bool) -> None:
    rules = ("https://*.example.com", "https://x.example.org/app", "https://pr-*-shop.example.net", "myapp://callback")
    assert redirects.allowed(url, "http://app.test", rules) is allowed


@given(st.text(max_size=60))
def test_redirects_never_fail(text: str) -> None:
    for url in (text, "http://app.test" + text, "http://" + text):
        if redirects.allowed(url, "http://app.test", ()):
            rest = url[len("http://app.test") :]
            assert url.lower().startswith("http://app.test")
            assert rest == "" or rest[0] in "/?#:"


def test_query_values_are_set() -> None:
    assert redirects.with_query("http://a/b?x=1&y=2#z", {"y": "3&4"}) == "http://a/b?x=1&y=3%264#z"


def test_custom_claims() -> None:
    paths = [parse_path(p) for p in ("profile.org.id", "teams[].id", "teams[0].name", "metadata.plan.tier", "email")]
    wanted = "{ profile { org { id } } teams { id name } metadata email }"
    assert selection(paths) == wanted
    user: dict[str, Any] = {
        "profile": {"org": {"id": 7}},
        "teams": [{"id": "a", "name": "A"}, {"id": "b"}],
        "metadata": {"plan": {"tier": "gold"}},
        "email": None,
    }
    values = [extract(user, path) for path in paths]
    assert values == [7, ["a", "b"], "A", "gold", None]
    assert [encode(v) for v in values[:4]] == ["7", '{"a","b"}', "A", "gold"]
    assert encode(['a"b', "c,d"]) == '{"a\\"b","c,d"}'
    for wrong in ("a..b", "a b", "a{b}", "", "a)}", "1a"):
        with pytest.raises(SettingsError):
            parse_path(wrong)


def test_buckets() -> None:
    limiter = Limiter(2, 10)
    assert [limiter.take("a", 0) > 0 for _ in range(3)] == [False, False, True]
    assert limiter.take("b", 0) == 0
    assert limiter.take("a", 5) == 0
    assert limiter.take("a", 5) == pytest.approx(5)


def test_mails_may_be_limited_for_all_callers_together() -> None:
    given = {"AUTH_RATE_LIMIT_ENABLE": "true", "AUTH_RATE_LIMIT_EMAIL_BURST": "1"}
    each = Limits(RateLimits.model_validate(given))
    assert [each.check(("email",), caller) > 0 for caller in ("a", "b", "a")] == [False, False, True]
    together = Limits(RateLimits.model_validate({**given, "AUTH_RATE_LIMIT_EMAIL_IS_GLOBAL": "true"}))
    assert [together.check(("email",), caller) > 0 for caller in ("a", "b")] == [False, True]


def test_errors_keep_their_status() -> None:
    for code, (status, _, _) in TABLE.items():
        assert ApiError(code).body()["status"] == status
        if code != "invalid-request":
            with pytest.raises(ValueError, match=code):
                ApiError(code, status=418)


def test_metadata_hides_what_secures() -> None:
    known = {entry["table"]["name"]: entry for entry in tables()}
    text = migrations()[0].up
    for name, entry in known.items():
        assert f"auth.{name} (" in text
        for column in entry["configuration"]["column_config"]:
            assert f"  {column} " in text, (name, column)
    for entry in known.values():
        for permission in entry.get("select_permissions", []):
            shown = set(permission["permission"]["columns"])
            assert not {c for c in shown if c.endswith("hash") or c in ("ticket", "totp_secret", "access_token", "refresh_token")}
            assert "X-Hasura-User-Id" in json.dumps(permission["permission"]["filter"])
            assert permission["role"] == "user"


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2::7", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff:1:2:3", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("a:b", "a:b"),
        ("-", "-"),
    ],
)
def test_whom_a_limit_counts(address: str, counted: str) -> None:
    assert network(address) == counted
