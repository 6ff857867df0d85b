"""A page on a frontend's own address, in a real browser: sign-up to sign-out, and passkeys."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from tests.ports import free_port

from .browser import Browser, missing
from .harness import PASSWORD, Harness, MailSink, link_of, variables
from .test_graphql import FIRST, engine, track

pytestmark = pytest.mark.skipif(bool(missing()), reason=f"not installed: {missing()}")

CALL = """
const call = async (path, body, token) => {
  const headers = {};
  if (body !== undefined) headers["content-type"] = "application/json";
  if (token) headers.authorization = "Bearer " + token;
  const answer = await fetch(base + path, {
    method: body === undefined ? "GET" : "POST",
    headers,
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  return {status: answer.status, body: await answer.json()};
};
"""


class Page(BaseHTTPRequestHandler):
    """The frontend: one empty page."""

    def do_GET(self) -> None:
        """Answer with it."""
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>app</title>")

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


@pytest.fixture
def frontend() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://localhost:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
async def base(database_url: str, mail_sink: MailSink, frontend: str) -> AsyncIterator[str]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    own = {"AUTH_HOST": "127.0.0.1", "AUTH_PORT": str(port), "AUTH_CLIENT_URL": frontend, "AUTH_SERVER_URL": url}
    env = {"PATH": os.environ["PATH"], **variables(database_url, mail_sink), **own, "AUTH_WEBAUTHN_ENABLED": "true"}
    mail_sink.clear()
    process = subprocess.Popen([sys.executable, "-m", "builtin_plugins.core.auth.server"], env=env)
    async with httpx.AsyncClient() as client:
        for _ in range(200):
            try:
                await client.get(url + "/healthz")
                break
            except httpx.TransportError:
                await asyncio.sleep(0.05)
    yield url
    process.terminate()
    process.wait(20)


async def in_page(browser: Browser, script: str, *arguments: object) -> dict:
    return await asyncio.to_thread(browser.run, f"const base = given[0]; {CALL} {script}", *arguments)


async def test_a_visit(base: str, frontend: str, database_url: str, mail_sink: MailSink) -> None:
    async with engine(database_url, HASURA_GRAPHQL_JWT_SECRET=FIRST) as graphql:
        await track(graphql, database_url)
        await visit(base, frontend, str(graphql.base_url).rstrip("/"), mail_sink)


async def visit(base: str, frontend: str, graphql: str, mail_sink: MailSink) -> None:
    """Sign up, verify by mail, sign in, query GraphQL as `user`, refresh, sign out."""
    with Browser() as browser:
        browser.open(frontend)
        user = {"email": "ada@example.com", "password": PASSWORD}
        other = {"email": "bob@example.com", "password": PASSWORD}
        await in_page(browser, 'return call("/signup/email-password", given[1])', base, other)
        answer = await in_page(browser, 'return call("/signup/email-password", given[1])', base, user)
        assert answer == {"status": 200, "body": {"session": None}}
        refused = await in_page(browser, 'return call("/signin/email-password", given[1])', base, user)
        assert (refused["status"], refused["body"]["error"]) == (401, "unverified-user")
        mail = await Harness(None, None, None, mail_sink).mail("ada@example.com", "email-verify")  # type: ignore[arg-type]
        browser.open(link_of(mail))
        assert browser.url.startswith(f"{frontend}/?refreshToken=") or browser.url.startswith(f"{frontend}?refreshToken=")
        session = (
            await in_page(
                browser,
                """const refreshToken = new URL(location.href).searchParams.get("refreshToken");
                   return call("/token", {refreshToken})""",
                base,
            )
        )["body"]
        assert session["user"]["emailVerified"] is True
        signed_in = (await in_page(browser, 'return call("/signin/email-password", given[1])', base, user))["body"]["session"]
        shown = await in_page(browser, 'return call("/user", undefined, given[1])', base, signed_in["accessToken"])
        assert shown["body"]["email"] == "ada@example.com"
        body = {"query": "{ users { email } }"}
        rows = await in_page(browser, 'return call("/v1/graphql", given[1], given[2])', graphql, body, signed_in["accessToken"])
        assert rows["body"] == {"data": {"users": [{"email": "ada@example.com"}]}}
        token = {"refreshToken": signed_in["refreshToken"]}
        renewed = (await in_page(browser, 'return call("/token", given[1])', base, token))["body"]
        token = {"refreshToken": renewed["refreshToken"]}
        assert (await in_page(browser, 'return call("/signout", given[1])', base, token))["body"] == "OK"
        assert (await in_page(browser, 'return call("/token", given[1])', base, token))["status"] == 401


CREATE = """
const options = PublicKeyCredential.parseCreationOptionsFromJSON(given[1]);
return (await navigator.credentials.create({publicKey: options})).toJSON();
"""
GET = """
const options = PublicKeyCredential.parseRequestOptionsFromJSON(given[1]);
return (await navigator.credentials.get({publicKey: options})).toJSON();
"""


async def test_passkeys(base: str, frontend: str, mail_sink: MailSink) -> None:
    with Browser() as browser:
        browser.open(frontend)
        browser.add_authenticator()
        options = (await in_page(browser, 'return call("/signup/webauthn", given[1])', base, {"email": "eve@example.com"}))[
            "body"
        ]
        assert options["rp"]["id"] == "localhost"
        credential = await in_page(browser, CREATE, base, options)
        answer = await in_page(browser, 'return call("/signup/webauthn/verify", given[1])', base, {"credential": credential})
        assert answer == {"status": 200, "body": {"session": None}}
        mail = await Harness(None, None, None, mail_sink).mail("eve@example.com", "email-verify")  # type: ignore[arg-type]
        browser.open(link_of(mail))
        for body in ({}, {"email": "eve@example.com"}):
            options = (await in_page(browser, 'return call("/signin/webauthn", given[1])', base, body))["body"]
            assertion = await in_page(browser, GET, base, options)
            answer = await in_page(browser, 'return call("/signin/webauthn/verify", given[1])', base, {"credential": assertion})
            assert answer["status"] == 200, answer
        token = answer["body"]["session"]["accessToken"]
        options = (await in_page(browser, 'return call("/elevate/webauthn", {}, given[1])', base, token))["body"]
        assertion = await in_page(browser, GET, base, options)
        script = 'return call("/elevate/webauthn/verify", given[1], given[2])'
        elevated = await in_page(browser, script, base, {"credential": assertion}, token)
        assert elevated["status"] == 200, elevated
