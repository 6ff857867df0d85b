"""What must hold before the server listens, told in one line each where it does not."""

from __future__ import annotations

import asyncio
import logging
import time
from importlib.util import find_spec

import asyncpg
import httpx

from . import sms
from .claims import Claims
from .keys import KeyRing
from .mail.templates import Templates
from .oauth.providers import load_providers
from .service import run_migrations
from .settings import Settings, SettingsError

log = logging.getLogger("nself.auth")


class NotReadyError(Exception):
    """The server cannot start; the text says why and never holds a password."""


async def check(settings: Settings) -> None:
    """Read keys, claims and providers, and reach the database: for up to AUTH_DATABASE_PATIENCE while it starts."""
    KeyRing(settings.jwt_secret, settings.jwt_previous_secrets)
    load_providers(settings.provider_variables)
    sms.sender(settings)
    try:
        Templates(settings.templates_path, settings.locale_default).check()
    except (ValueError, OSError) as error:
        raise SettingsError(f"AUTH_TEMPLATES_PATH: {error}") from None
    if settings.mfa_enabled and find_spec("segno") is None:
        raise SettingsError("AUTH_MFA_ENABLED needs the library segno (pip install segno)")
    async with httpx.AsyncClient() as http:
        Claims(settings, http)
    deadline = time.monotonic() + settings.database_patience
    while True:
        try:
            await _reach(settings)
        except (OSError, asyncpg.CannotConnectNowError, asyncpg.ConnectionDoesNotExistError) as error:
            if time.monotonic() > deadline:
                raise NotReadyError(f"the database does not answer ({type(error).__name__})") from None
            await asyncio.sleep(0.5)
        except ValueError:  # its text quotes what it took for a port, which may be a part of the password
            raise SettingsError(
                "the database's address is no PostgreSQL URL: percent-encode what is special in the password, such as # / @"
            ) from None
        except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise NotReadyError(f"the database refuses: {error}") from None
        else:
            return


async def _reach(settings: Settings) -> None:
    if settings.migrate_at_start:
        await run_migrations(settings)
    conn = await asyncpg.connect(settings.database_url)
    try:
        if not await conn.fetchval("SELECT to_regclass('auth.nself_outbox') IS NOT NULL"):
            raise NotReadyError("the schema auth is not there: run the migrations, or set AUTH_MIGRATE_AT_START=true")
    finally:
        await conn.close()
