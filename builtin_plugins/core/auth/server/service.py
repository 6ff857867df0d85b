"""What the handlers share: settings, pool, keys and the parts built on them."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import asyncpg
import httpx

from . import migrate, refresh_tokens, sms, tracking, users
from .claims import Claims
from .database import open_pool
from .egress import guarded_client
from .keys import KeyRing
from .mail.outbox import Outbox
from .oauth.providers import Provider, load_providers
from .passwords import Passwords
from .ratelimit import Limits
from .sessions import Sessions
from .settings import Settings

log = logging.getLogger("nself.auth")
_PRUNE_EVERY = 3600
_CLOSING = 10  # seconds for queries under way


@dataclass(slots=True)
class Service:
    """The running server's state."""

    settings: Settings
    keys: KeyRing
    pool: asyncpg.Pool
    http: httpx.AsyncClient
    provider_http: httpx.AsyncClient
    passwords: Passwords
    limits: Limits
    claims: Claims
    sessions: Sessions
    outbox: Outbox
    providers: dict[str, Provider]
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    @classmethod
    async def start(cls, settings: Settings) -> Self:
        """Check the settings that need reading, migrate, open the pool and start the background tasks."""
        keys = KeyRing(settings.jwt_secret, settings.jwt_previous_secrets)
        sms.sender(settings)
        providers = load_providers(settings.provider_variables)
        http = httpx.AsyncClient(timeout=10, follow_redirects=False)
        claims = Claims(settings, http)
        if settings.migrate_at_start:
            await run_migrations(settings)
        pool = await open_pool(settings.database_url, settings.pool_size)
        await users.ensure_roles(pool, (*settings.allowed_roles, "anonymous"))
        rotation = refresh_tokens.Rotation(pool, settings.refresh_token_expires_in, settings.refresh_token_reuse_leeway)
        service = cls(
            settings=settings,
            keys=keys,
            pool=pool,
            http=http,
            provider_http=guarded_client(settings.provider_private_hosts),
            passwords=Passwords(settings.password_hash, settings.password_bcrypt_cost),
            limits=Limits(settings.rate_limits),
            claims=claims,
            sessions=Sessions(settings, keys, claims, rotation),
            outbox=Outbox(settings, pool),
            providers=providers,
        )
        if not settings.smtp.host:
            log.warning("AUTH_SMTP_HOST is not set: mails wait in auth.nself_outbox")
        if settings.sms_passwordless_enabled and not settings.sms_provider:
            log.warning("AUTH_SMS_PROVIDER is not set: only AUTH_SMS_TEST_PHONE_NUMBERS get codes")
        if settings.templates_path and not Path(settings.templates_path).is_dir():
            log.warning("AUTH_TEMPLATES_PATH: there is no folder %s, so mails have the usual texts", settings.templates_path)
        service.tasks = [asyncio.create_task(service.outbox.run()), asyncio.create_task(service._prune())]
        if settings.graphql_url and settings.admin_secret:
            service.tasks.append(asyncio.create_task(tracking.keep_trying(http, settings.graphql_url, settings.admin_secret)))
        return service

    async def _prune(self) -> None:
        while True:
            try:
                await refresh_tokens.prune(self.pool)
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                log.error("expired tokens are not pruned: %s", error)
            await asyncio.sleep(_PRUNE_EVERY)

    async def stop(self) -> None:
        """End the tasks and close what is open."""
        while running := [task for task in self.tasks if not task.done()]:
            # More than once: a library call that ends as it is cancelled may take the cancellation for itself.
            for task in running:
                task.cancel()
            await asyncio.wait(running, timeout=1)
        self.passwords.close()
        await self.provider_http.aclose()
        await self.http.aclose()
        try:
            await asyncio.wait_for(self.pool.close(), _CLOSING)
        except TimeoutError:
            self.pool.terminate()


async def run_migrations(settings: Settings) -> None:
    """Apply the migrations with the role that may, POSTGRES_MIGRATIONS_CONNECTION or the usual one."""
    conn = await asyncpg.connect(settings.migrations_url or settings.database_url)
    try:
        for name in await migrate.apply(conn):
            log.info("migration %s applied", name)
    finally:
        await conn.close()
