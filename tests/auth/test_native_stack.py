"""Every operation of the contract on a native project, through its proxy, from a page on its first frontend's own address.

What takes part is real: PostgreSQL, the GraphQL engine, the mail catcher, nginx with the local authority's certificates, and
Chromium with a virtual authenticator. Local servers speak for an OpenID Connect provider, for Apple and for an SMS gateway.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc.jwk import ECKey
from starlette.routing import Route

from builtin_plugins.core.auth.server.app import routes
from tests.conftest import Nself
from tests.native_project import until
from tests.ports import free_ports

from .browser import Browser, missing
from .harness import PASSWORD, query_of
from .oidc_provider import CLIENT_ID, OidcProvider
from .sms_gateway import SmsGateway
from .test_browser import CALL, CREATE, GET, Page
from .test_mfa import code_of

pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(missing()), reason=f"not installed: {missing()}")]

PORTS = (
    "POSTGRES_PORT", "HASURA_PORT", "AUTH_PORT", "NGINX_PORT", "NGINX_SSL_PORT", "MAILPIT_SMTP_PORT", "MAILPIT_UI_PORT"
)  # fmt: skip
TABLE = "CREATE TABLE note (id serial PRIMARY KEY, owner uuid NOT NULL, body text NOT NULL)"


@contextmanager
def served(provider: OidcProvider) -> Iterator[OidcProvider]:
    """A provider in a thread of its own: the test waits for a browser meanwhile."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()
    server, task = asyncio.run_coroutine_threadsafe(provider.serve(), loop).result(30)
    yield provider
    server.should_exit = True
    asyncio.run_coroutine_threadsafe(asyncio.wait_for(task, 10), loop).result(20)
    loop.call_soon_threadsafe(loop.stop)


def provider_settings(oidc: OidcProvider, apple: OidcProvider) -> dict[str, str]:
    """What the project is told of the two providers, and of Google's keys."""
    apple.developer_key = ECKey.generate_key("P-256")
    key = base64.b64encode(apple.developer_key.as_pem(private=True)).decode()
    private = f"127.0.0.1:{oidc.port},127.0.0.1:{apple.port}"
    own = oidc.variables() | {"AUTH_PROVIDER_ALLOWED_PRIVATE_HOSTS": private}
    own["AUTH_PROVIDER_OIDC_BASE_URL"] = own.pop("AUTH_PROVIDER_OIDC_HOST")
    as_apple = {
        "ENABLED": "true", "CLIENT_ID": CLIENT_ID, "TEAM_ID": "TEAM", "KEY_ID": "KID", "PRIVATE_KEY": key, "ISSUER": apple.url,
        "AUTHORIZATION_URL": f"{apple.url}/authorize", "TOKEN_URL": f"{apple.url}/token", "JWKS_URL": f"{apple.url}/jwks",
    }  # fmt: skip
    as_google = {"JWKS_URL": f"{oidc.url}/jwks", "AUDIENCE": CLIENT_ID, "ISSUER": oidc.url}
    own |= {f"AUTH_PROVIDER_APPLE_{name}": value for name, value in as_apple.items()}
    return own | {f"AUTH_PROVIDER_GOOGLE_{name}": value for name, value in as_google.items()}


@dataclass
class Visitor:
    """A browser on the frontend's page, and what it has done there."""

    nself: Nself
    home: Path
    browser: Browser
    oidc: OidcProvider
    gateway: SmsGateway
    done: set[tuple[str, str]] = field(default_factory=set)

    def __post_init__(self) -> None:
        listed = json.loads(self.nself("urls", "--json").stdout)["urls"]
        self.urls = {url["service"] or url["label"]: url["url"] for url in listed if url["kind"] in {"route", "frontend"}}
        self.mailbox = f"http://127.0.0.1:{self.port('mailpit/http')}"
        secrets = json.loads(self.nself("secrets", "list", "--show", "--json").stdout)
        self.admin_secret = next(row["value"] for row in secrets if row["name"] == "HASURA_GRAPHQL_ADMIN_SECRET")

    def port(self, name: str) -> int:
        return json.loads((self.nself.folder / ".nself" / "ports.json").read_text())["native"]["dev"][name]

    def run(self, script: str, *arguments: Any) -> Any:
        return self.browser.run(f"const base = given[0]; {CALL} {script}", self.urls["auth"], *arguments)

    def call(self, path: str, body: Any = None, token: str | None = None, method: str = "POST", status: int = 200) -> Any:
        """One operation from the page; its answer."""
        sent = (body if body is not None else {}) if method == "POST" else None
        answer = self.run("return call(given[1], given[2] ?? undefined, given[3])", path, sent, token)
        assert answer["status"] == status, (path, answer)
        if status == 200:
            self.done.add((method, path))
        return answer["body"]

    def graphql(self, query: str, token: str) -> Any:
        """The page's own query as `user`."""
        script = "return (await fetch(given[1], {method: 'POST', headers: {'content-type': 'application/json', "
        script += "authorization: 'Bearer ' + given[3]}, body: JSON.stringify({query: given[2]})})).json()"
        return self.browser.run(script, None, f"{self.urls['hasura']}/v1/graphql", query, token)

    def admin(self, path: str, kind: str, args: Any) -> Any:
        url = f"http://127.0.0.1:{self.port('hasura/http')}{path}"
        headers = {"x-hasura-admin-secret": self.admin_secret}
        answer = httpx.post(url, json={"type": kind, "args": args}, headers=headers, timeout=30)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def mail(self, to: str, subject: str) -> str:
        """The text of the newest mail of that subject, once the catcher has it."""

        def find() -> str | None:
            for listed in httpx.get(f"{self.mailbox}/api/v1/messages").json()["messages"]:
                if listed["To"][0]["Address"] == to and subject in listed["Subject"]:
                    detail = httpx.get(f"{self.mailbox}/api/v1/message/{listed['ID']}").json()
                    return f"{detail['Subject']}\n{detail['Text']}"
            return None

        return until(find, 30)

    def follow(self, text: str) -> dict[str, str]:
        """Open a mail's link in the browser, which leads back to the frontend; what it brought along."""
        link = next(word for word in text.split() if word.startswith("https://"))
        assert link.startswith(self.urls["auth"]), link
        return self.arrive(link, ("GET", "/verify"))

    def arrive(self, url: str, operation: tuple[str, str]) -> dict[str, str]:
        self.browser.open(url)
        until(lambda: self.browser.url.startswith(self.urls["shop"]), 20)
        self.done.add(operation)
        return query_of(self.browser.url)

    def session(self, values: dict[str, str]) -> dict[str, Any]:
        assert "refreshToken" in values, values
        return self.call("/token", {"refreshToken": values["refreshToken"]})


def trusted(authority: Path) -> str:
    """Chromium's argument by which it takes certificates under this authority for good, without errors that bar passkeys."""
    key = x509.load_pem_x509_certificate(authority.read_bytes()).public_key()
    digest = hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()
    return f"--ignore-certificate-errors-spki-list={base64.b64encode(digest).decode()}"


@pytest.fixture(scope="module")
def visitor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visitor]:
    home, folder = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("project")
    nself = Nself(folder, {"HOME": str(home), "NSELF_HOME": str(home / ".nself")})
    page = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=page.serve_forever, daemon=True).start()
    gateway = SmsGateway()
    nself("init", "--yes")
    own = folder / "mails" / "en" / "signin-otp"
    own.mkdir(parents=True)
    (own / "subject.txt").write_text("The shop's code: ${otp}")
    with served(OidcProvider()) as oidc, served(OidcProvider()) as apple:
        switches = ("ANONYMOUS_USERS", "EMAIL_PASSWORDLESS", "OTP_EMAIL", "MFA", "WEBAUTHN")
        settings = {
            **dict(zip(PORTS, map(str, free_ports(len(PORTS))), strict=True)),
            **{f"AUTH_{name}_ENABLED": "true" for name in switches},
            **gateway.variables(),
            **provider_settings(oidc, apple),
            "AUTH_EMAIL_SIGNIN_EMAIL_VERIFIED_REQUIRED": "true",
            "AUTH_TEMPLATES_PATH": "mails",
            "RATE_LIMIT_AUTH_RATE": "100r/s",  # one visitor goes through everything that a whole company does in a day
            "MAILPIT_ENABLED": "true",
            "FRONTEND_APP_1_NAME": "shop",
            "FRONTEND_APP_1_PORT": str(page.server_port),
        }
        with (folder / ".env.dev").open("a") as file:
            file.write("\n" + "".join(f"{name}={value}\n" for name, value in settings.items()))
        nself("start", "--runtime", "native", timeout=280)
        try:
            with Browser(trusted(home / ".nself" / "ca" / "rootCA.pem")) as browser:
                visitor = Visitor(nself, home, browser, oidc, gateway)
                browser.open(visitor.urls["shop"])
                browser.add_authenticator()
                yield visitor
        finally:
            nself("stop")
            nself("destroy", "--yes")
            gateway.stop()
            page.shutdown()


def test_a_visit(visitor: Visitor) -> None:
    """Sign up, verify by mail, sign in, query GraphQL as `user`, see only the own rows, refresh, sign out."""
    visitor.admin("/v1/query", "run_sql", {"sql": TABLE})
    visitor.admin("/v1/metadata", "pg_track_table", {"source": "default", "table": "note"})
    permission = {"columns": ["body"], "filter": {"owner": {"_eq": "X-Hasura-User-Id"}}}
    permit = {"source": "default", "table": "note", "role": "user", "permission": permission}
    visitor.admin("/v1/metadata", "pg_create_select_permission", permit)

    user = {"email": "ada@example.com", "password": PASSWORD}
    assert visitor.browser.url.startswith("https://shop.")
    assert visitor.call("/signup/email-password", user) == {"session": None}
    refused = visitor.call("/signin/email-password", user, status=401)
    assert refused["error"] == "unverified-user"
    first = visitor.session(visitor.follow(visitor.mail("ada@example.com", "Verify")))
    assert first["user"]["emailVerified"] is True

    session = visitor.call("/signin/email-password", user)["session"]
    rows = f"('{session['user']['id']}', 'mine'), (gen_random_uuid(), 'not mine')"
    visitor.admin("/v1/query", "run_sql", {"sql": f"INSERT INTO note (owner, body) VALUES {rows}"})
    assert visitor.graphql("{ note { body } }", session["accessToken"]) == {"data": {"note": [{"body": "mine"}]}}
    renewed = visitor.call("/token", {"refreshToken": session["refreshToken"]})
    assert visitor.graphql("{ note { body } }", renewed["accessToken"]) == {"data": {"note": [{"body": "mine"}]}}
    assert visitor.call("/token/verify", {"token": renewed["accessToken"]}) == "OK"
    assert visitor.call("/signout", {"refreshToken": renewed["refreshToken"]}) == "OK"
    assert visitor.call("/token", {"refreshToken": renewed["refreshToken"]}, status=401)["error"] == "invalid-refresh-token"


def test_mails_and_messages(visitor: Visitor) -> None:
    bob = {"email": "bob@example.com", "password": PASSWORD}
    visitor.call("/signup/email-password", bob)
    visitor.mail(bob["email"], "Verify")
    visitor.call("/user/email/send-verification-email", {"email": bob["email"]})
    until(lambda: httpx.get(f"{visitor.mailbox}/api/v1/search", params={"query": "to:bob"}).json()["messages_count"] == 2)
    visitor.session(visitor.follow(visitor.mail(bob["email"], "Verify")))

    visitor.call("/user/password/reset", {"email": bob["email"]})
    session = visitor.session(visitor.follow(visitor.mail(bob["email"], "Reset")))
    visitor.call("/user/password", {"newPassword": "another one 7"}, session["accessToken"])
    session = visitor.call("/signin/email-password", {**bob, "password": "another one 7"})["session"]
    visitor.call("/user/email/change", {"newEmail": "bo@example.com"}, session["accessToken"])
    visitor.follow(visitor.mail("bo@example.com", ""))
    assert visitor.call("/user", token=session["accessToken"], method="GET")["email"] == "bo@example.com"

    visitor.call("/signin/passwordless/email", {"email": "carl@example.com"})
    assert visitor.session(visitor.follow(visitor.mail("carl@example.com", "")))["user"]["emailVerified"] is True
    visitor.call("/signin/otp/email", {"email": "dora@example.com"})
    code = visitor.mail("dora@example.com", "The shop's code").splitlines()[0].split()[-1]
    assert visitor.call("/signin/otp/email/verify", {"email": "dora@example.com", "otp": code})["session"]
    number = "+4915112345"
    visitor.call("/signin/passwordless/sms", {"phoneNumber": number})
    answer = visitor.call("/signin/passwordless/sms/otp", {"phoneNumber": number, "otp": visitor.gateway.code(number)})
    assert answer["session"]["user"]["phoneNumberVerified"] is True


def test_anonymous_tokens_and_second_factor(visitor: Visitor) -> None:
    anonymous = visitor.call("/signin/anonymous")["session"]
    body = {"signInMethod": "email-password", "email": "eve@example.com", "password": PASSWORD}
    visitor.call("/user/deanonymize", body, anonymous["accessToken"])
    session = visitor.session(visitor.follow(visitor.mail("eve@example.com", "Verify")))
    token = session["accessToken"]
    assert session["user"]["id"] == anonymous["user"]["id"]

    expires = (datetime.now(UTC) + timedelta(days=2)).isoformat()
    pat = visitor.call("/pat", {"expiresAt": expires}, token)["personalAccessToken"]
    assert visitor.call("/signin/pat", {"personalAccessToken": pat})["session"]["user"]["email"] == "eve@example.com"

    secret = visitor.call("/mfa/totp/generate", token=token, method="GET")["totpSecret"]
    visitor.call("/user/mfa", {"code": code_of(secret, -1), "activeMfaType": "totp"}, token)
    ticket = visitor.call("/signin/email-password", {"email": "eve@example.com", "password": PASSWORD})["mfa"]["ticket"]
    assert visitor.call("/signin/mfa/totp", {"ticket": ticket, "otp": code_of(secret)})["session"]


def test_passkeys(visitor: Visitor) -> None:
    options = visitor.call("/signup/webauthn", {"email": "fay@example.com"})
    assert options["rp"]["id"] == urlsplit(visitor.urls["shop"]).hostname
    credential = visitor.run(CREATE, options)
    assert visitor.call("/signup/webauthn/verify", {"credential": credential}) == {"session": None}
    visitor.follow(visitor.mail("fay@example.com", "Verify"))
    assertion = visitor.run(GET, visitor.call("/signin/webauthn"))
    token = visitor.call("/signin/webauthn/verify", {"credential": assertion})["session"]["accessToken"]
    assertion = visitor.run(GET, visitor.call("/elevate/webauthn", token=token))
    assert visitor.call("/elevate/webauthn/verify", {"credential": assertion}, token)["session"]

    user = {"email": "ada@example.com", "password": PASSWORD}
    token = visitor.call("/signin/email-password", user)["session"]["accessToken"]
    credential = visitor.run(CREATE, visitor.call("/user/webauthn/add", token=token))
    assert visitor.call("/user/webauthn/verify", {"credential": credential, "nickname": "mine"}, token)["nickname"] == "mine"


def test_providers(visitor: Visitor) -> None:
    start = f"{visitor.urls['auth']}/signin/provider"
    visitor.oidc.profile = {"sub": "g-1", "email": "gil@example.com", "email_verified": True, "name": "Gil"}
    values = visitor.arrive(f"{start}/oidc", ("GET", "/signin/provider/{provider}"))
    assert visitor.session(values)["user"]["email"] == "gil@example.com"
    visitor.done.add(("GET", "/signin/provider/{provider}/callback"))
    values = visitor.arrive(f"{start}/apple", ("POST", "/signin/provider/{provider}/callback"))
    assert visitor.session(values)["user"]["email"] == "ada@example.com", "the address that both have proven"

    body = {"provider": "google", "idToken": visitor.oidc.id_token(sub="g-2", email="hal@example.com")}
    token = visitor.call("/signin/idtoken", body)["session"]["accessToken"]
    body["idToken"] = visitor.oidc.id_token(sub="g-3", email="hal@example.com")
    assert visitor.call("/link/idtoken", body, token) == "OK"


def test_nothing_of_the_contract_is_left_out(visitor: Visitor) -> None:
    for path in ("/healthz", "/version", "/.well-known/jwks.json"):
        visitor.call(path, method="GET")
    assert visitor.run("return (await fetch(base + '/healthz', {method: 'HEAD'})).status") == 200
    visitor.done.add(("HEAD", "/healthz"))
    ours = {(method, route.path) for route in routes() if isinstance(route, Route) for method in route.methods or ()}
    assert visitor.done == ours
