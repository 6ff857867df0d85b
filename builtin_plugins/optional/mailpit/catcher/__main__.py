"""Run the catcher, set by Mailpit's own variables: ``MP_SMTP_BIND_ADDR``, ``MP_UI_BIND_ADDR``, ``MP_MAX_MESSAGES``,
``MP_UI_AUTH``, ``MP_SMTP_AUTH_ACCEPT_ANY``."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import uvicorn
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

from builtin_plugins.optional.mailpit.catcher.message import Message
from builtin_plugins.optional.mailpit.catcher.store import Store
from builtin_plugins.optional.mailpit.catcher.web import application

_LARGEST = 50 * 1024 * 1024


class Handler:
    """Takes whatever comes."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802  aiosmtpd's name
        content = envelope.original_content or b""
        message = Message(content, envelope.mail_from or "", list(envelope.rcpt_tos))
        self._store.add(message)
        print(f"caught a message of {len(content)} bytes for {', '.join(message.recipients)}", flush=True)  # noqa: T201  the log
        return "250 2.0.0 Ok"


def _anyone(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
    return AuthResult(success=True)


def _address(name: str, default: str) -> tuple[str, int]:
    host, _, port = os.environ.get(name, default).rpartition(":")
    return host or "127.0.0.1", int(port)


async def main() -> None:
    store = Store(int(os.environ.get("MP_MAX_MESSAGES", "500")))
    handler = Handler(store)
    accept = os.environ.get("MP_SMTP_AUTH_ACCEPT_ANY") == "1"

    def protocol() -> SMTP:
        return SMTP(
            handler,
            data_size_limit=_LARGEST,
            enable_SMTPUTF8=True,
            ident="nself mail catcher",
            authenticator=_anyone if accept else None,
            auth_require_tls=False,
        )

    host, port = _address("MP_SMTP_BIND_ADDR", "127.0.0.1:1025")
    smtp = await asyncio.get_running_loop().create_server(protocol, host, port)
    host, port = _address("MP_UI_BIND_ADDR", "127.0.0.1:8025")
    config = uvicorn.Config(
        application(store, os.environ.get("MP_UI_AUTH", "")), host=host, port=port, log_level="warning", lifespan="off"
    )
    async with smtp:
        await uvicorn.Server(config).serve()


if __name__ == "__main__":
    asyncio.run(main())
