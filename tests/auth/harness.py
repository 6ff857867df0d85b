"""The server inside the test's process, with what a test needs around it."""

from __future__ import annotations

import asyncio
import email
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import default as default_policy
from typing import Any
from urllib.parse import parse_qs, urlsplit

import asyncpg
import httpx
from aiosmtpd.controller import Controller

from builtin_plugins.core.auth.server.app import create_app
from builtin_plugins.core.auth.server.service import Service
from builtin_plugins.core.auth.server.settings import from_environment
from tests.ports import free_port

JWT_KEY = "a-key-that-only-tests-use-0123456789"
CLIENT_URL = "http://app.test"
SERVER_URL = "http://auth.test"
PASSWORD = "correct horse 9"


class MailSink:
    """Takes every mail; `down()` makes it refuse connections until `start()`."""

    def __init__(self) -> None:
        self.messages: list[EmailMessage] = []
        self.port = free_port()
        self._controller: Controller | None = None

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        """Keep one mail."""
        self.messages.append(email.message_from_bytes(envelope.content, policy=default_policy))
        return "250 taken"

    def start(self) -> None:
        """Listen."""
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port)
        self._controller.start()

    def stop(self) -> None:
        """Listen no more."""
        if self._controller:
            self._controller.stop()
            self._controller = None

    def clear(self) -> None:
        """Forget earlier mails."""
        self.messages.clear()


@dataclass
class Harness:
    """One running server."""

    client: httpx.AsyncClient
    service: Service
    db: asyncpg.Connection
    sink: MailSink

    async def post(self, path: str, body: Any = None, token: str | None = None) -> httpx.Response:
        """POST a JSON body."""
        headers = {"authorization": f"Bearer {token}"} if token else {}
        return (
            await self.client.post(path, json=body, headers=headers)
            if body is not None
            else await self.client.post(path, headers=headers)
        )

    async def get(self, path: str, token: str | None = None, **query: str) -> httpx.Response:
        """GET with a query."""
        headers = {"authorization": f"Bearer {token}"} if token else {}
        return await self.client.get(path, params=query, headers=headers)

    async def sign_up(self, address: str = "ada@example.com", password: str = PASSWORD, **options: Any) -> dict[str, Any]:
        """Sign up by password and return the session."""
        body: dict[str, Any] = {"email": address, "password": password}
        if options:
            body["options"] = options
        answer = await self.post("/signup/email-password", body)
        assert answer.status_code == 200, answer.text
        return answer.json()["session"]

    async def sign_in(self, address: str = "ada@example.com", password: str = PASSWORD) -> httpx.Response:
        """Sign in by password."""
        return await self.post("/signin/email-password", {"email": address, "password": password})

    async def mail(self, to: str, template: str, number: int = 1) -> EmailMessage:
        """The n-th mail of this kind to this address; waits for it."""
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            found = [m for m in self.sink.messages if m["To"] == to and m["X-Email-Template"] == template]
            if len(found) >= number:
                return found[number - 1]
            await asyncio.sleep(0.02)
        seen = [(m["To"], m["X-Email-Template"]) for m in self.sink.messages]
        raise AssertionError(f"no mail {template} to {to}; there are {seen}")

    async def follow(self, message: EmailMessage) -> dict[str, str]:
        """Open the mail's link; the values of the redirect."""
        link = link_of(message)
        answer = await self.client.get(link)
        assert answer.status_code == 302, answer.text
        return query_of(answer.headers["location"])


def text_of(message: EmailMessage) -> str:
    """The mail's plain text."""
    part = message.get_body(("plain",))
    assert part is not None
    return part.get_content()


def link_of(message: EmailMessage) -> str:
    """The first link of the mail."""
    match = re.search(r"https?://\S+", text_of(message))
    assert match is not None
    return match[0]


def query_of(url: str) -> dict[str, str]:
    """A URL's query values."""
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


def variables(database_url: str, sink: MailSink) -> dict[str, str]:
    """The usual environment."""
    return {
        "HASURA_GRAPHQL_DATABASE_URL": database_url,
        "HASURA_GRAPHQL_JWT_SECRET": '{"type":"HS256","key":"' + JWT_KEY + '"}',
        "AUTH_SERVER_URL": SERVER_URL,
        "AUTH_CLIENT_URL": CLIENT_URL,
        "AUTH_SMTP_HOST": "127.0.0.1",
        "AUTH_SMTP_PORT": str(sink.port),
        "AUTH_SMTP_SENDER": "nSelf <noreply@example.com>",
        "AUTH_SMTP_RETRY_AFTER": "1",
        "AUTH_PASSWORD_BCRYPT_COST": "4",
    }


@asynccontextmanager
async def open_harness(database_url: str, sink: MailSink, given: dict[str, str]) -> AsyncIterator[Harness]:
    """Start the application as its lifespan does, and stop it."""
    app = create_app(from_environment({**variables(database_url, sink), **given}))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=("127.0.0.9", 1))
    async with app.router.lifespan_context(app):
        db = await asyncpg.connect(database_url)
        async with httpx.AsyncClient(transport=transport, base_url=SERVER_URL) as client:
            yield Harness(client, app.state.service, db, sink)
        await db.close()
