"""What a running plugin is given: ``hookspecs.HostContext``."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import orjson

from hookspecs.roles import role_of

if TYPE_CHECKING:
    import asyncpg
    import httpx
    import prometheus_client

    from hookspecs import Settings

    from ..document import Document, Hosted
    from .environment import HostEnvironment
    from .link import HostLink
    from .work import Work

_IDLE = 60  # seconds after which an unused connection is given back to the database


class Context:
    """One plugin's. Pool and HTTP client belong to the loop the plugin runs on, and are made when first asked for.

    ``work`` is set before the plugin is brought up.
    """

    work: Work | HostLink

    def __init__(self, hosted: Hosted, environment: HostEnvironment, document: Document) -> None:
        self.plugin = hosted.plugin.name
        self.settings: Settings = hosted.settings
        self.logger = logging.getLogger(f"plugin.{self.plugin}")
        self._manifest = hosted.plugin.manifest
        self._environment = environment
        self._pool_size = document.pool_size
        self._services = document.services
        self._private_hosts = document.private_hosts

    @property
    def url(self) -> str:
        """See ``HostContext``."""
        parts = urlsplit(self._environment.public_url)
        return f"{parts.scheme}://{parts.netloc}/plugins/{self.plugin}"

    @cached_property
    def data(self) -> Path:
        folder = self._environment.data / self.plugin
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder

    @cached_property
    def pool(self) -> asyncpg.Pool:
        return make_pool(self._environment, self.plugin, self._pool_size)

    @cached_property
    def http(self) -> httpx.AsyncClient:
        from .egress import guarded_client, proxied_client, reachable

        if self._environment.egress:
            return proxied_client()
        return guarded_client(*reachable(self._manifest.permissions.network, self._services, self._private_hosts, self.settings))

    @cached_property
    def metrics(self) -> prometheus_client.CollectorRegistry:
        import prometheus_client

        return prometheus_client.CollectorRegistry(auto_describe=True)

    def now(self) -> datetime:
        return datetime.now(UTC)

    def secret(self, name: str) -> str | None:
        entry = self.settings.entries.get(name)
        if entry is None:
            self.settings[name]  # KeyError for a name it may not see
            return None
        if not entry.secret:
            raise KeyError(f"{name} is no secret: use settings[{name!r}]")
        return self._environment.secret(name)

    def capability(self, name: str, attribute: str) -> str | None:
        return self._environment.capability(name, attribute)

    async def enqueue(
        self, job: str, payload: Mapping[str, Any], *, delay: float = 0, priority: int | None = None, key: str = ""
    ) -> str:
        return await self.work.enqueue(self.plugin, job, payload, delay=delay, priority=priority, key=key)

    async def deliver(self, url: str, event: str, payload: Mapping[str, Any], *, secret: str, id: str = "") -> str:
        return await self.work.deliver(self.plugin, url, event, payload, secret=secret, id=id)

    async def open(self) -> None:
        """Make the pool on the loop that will use it. It connects when first asked for a connection."""
        await self.pool

    async def close(self) -> None:
        """Give back connections."""
        if "http" in self.__dict__:
            await self.http.aclose()
        if "pool" in self.__dict__:
            self.pool.terminate()


def make_pool(environment: HostEnvironment, plugin: str, size: int, **more: Any) -> asyncpg.Pool:
    """A pool under the plugin's own role, not yet opened: ``await`` it on the loop that uses it. ``more`` goes to asyncpg."""
    import asyncpg

    return asyncpg.create_pool(
        host=environment.sql("host"),
        port=int(environment.sql("port")),
        database=environment.sql("database"),
        user=role_of(plugin),
        password=environment.password(plugin),
        min_size=0,
        max_size=size,
        max_inactive_connection_lifetime=_IDLE,
        init=_speak_json,
        **{"server_settings": {"application_name": f"nself plugin {plugin}"}} | more,
    )


async def _speak_json(connection: asyncpg.Connection) -> None:
    for kind in ("json", "jsonb"):
        await connection.set_type_codec(
            kind, schema="pg_catalog", encoder=lambda value: orjson.dumps(value).decode(), decoder=orjson.loads
        )
