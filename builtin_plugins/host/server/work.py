"""The queue, webhooks in and webhooks out, joined to the plugins: all of it on the Host's loop, under the Host's own role."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from builtin_plugins.host.jobs import Queue, Workers, handlers
from builtin_plugins.host.jobs.metrics import Meter
from builtin_plugins.host.webhooks import Outbound, Source, intake, secrets_of, webhook_tasks
from builtin_plugins.host.webhooks.remote import PayPal

from .bridge import across
from .egress import guarded_client

if TYPE_CHECKING:
    import asyncpg
    from prometheus_client import CollectorRegistry

    from .face import Plugin

_PAYPAL = ("*.paypal.com",)
_LOOK = 2.0  # seconds between two looks at which plugins serve


class Work:
    """What ``HostContext.enqueue`` and ``deliver`` call, from any plugin's loop; and the workers that run what was queued."""

    def __init__(
        self,
        pool: asyncpg.Pool,
        plugins: Mapping[str, Plugin],
        registry: CollectorRegistry,
        public_url: str,
        private_hosts: Collection[str] = (),
    ) -> None:
        self._pool = pool
        self._plugins = plugins
        self._home = asyncio.get_running_loop()
        self._queue = Queue(pool)
        self._outbound = Outbound(pool, self._queue, private_hosts=private_hosts)
        self._meter = Meter(registry)
        self._workers = Workers(pool, {}, meter=self._meter)
        self._served: set[str] = set()
        self._paypal = guarded_client(_PAYPAL, ())
        parts = urlsplit(public_url)
        self.intake = intake(
            pool,
            base_url=f"{parts.scheme}://{parts.netloc}" if parts.netloc else "",
            paypal=PayPal(self._paypal),
            stored=self._workers.wake,
        )
        registry.register(self.intake)
        for name, plugin in plugins.items():  # taken and stored whether or not the plugin's code comes up
            rules = plugin.plugin.manifest.webhooks
            self.intake.serve(name, [Source(name, rule, secrets_of(plugin.secret(rule.secret))) for rule in rules])

    async def run(self) -> None:
        """Work until cancelled."""
        looking = asyncio.create_task(self._look())
        try:
            await self._workers.run()
        finally:
            looking.cancel()
            await self._outbound.aclose()
            await self._paypal.aclose()

    def stop(self) -> None:
        """Claim nothing more; `run` ends when what runs has ended."""
        self._workers.stop()

    async def refresh(self) -> None:
        """Bring the queue's figures up to date."""
        await self._meter.refresh(self._pool)

    def settle(self) -> None:
        """Run the work of the plugins that serve, and of no others."""
        for name, plugin in self._plugins.items():
            serves = plugin.state == "serving"
            if serves and name not in self._served:
                self._served.add(name)
                jobs = [job.model_copy(update={"run": partial(plugin.run_job, job.name)}) for job in plugin.jobs.values()]
                self._workers.serve(handlers(name, jobs))
                if "handle_webhook" in plugin.plugin.hooks:
                    self._workers.serve(webhook_tasks(name, plugin.plugin.manifest.webhooks, plugin.handle))
                self._workers.serve(self._outbound.tasks([name]))
            elif not serves and name in self._served:
                self._served.discard(name)
                self._workers.withdraw(name)

    async def _look(self) -> None:
        while True:
            self.settle()
            await asyncio.sleep(_LOOK)

    # -- from the plugins' loops

    async def enqueue(
        self, plugin: str, job: str, payload: Mapping[str, Any], *, delay: float, priority: int | None, key: str
    ) -> str:
        """See ``HostContext.enqueue``."""
        known = self._plugins[plugin].jobs
        if job not in known:
            raise ValueError(f"{plugin} has no job {job!r}; it has {', '.join(known) or 'none'}")
        urgency = known[job].priority if priority is None else priority
        return await across(self._queue.enqueue(plugin, job, payload, delay=delay, priority=urgency, key=key), self._home)

    async def deliver(self, plugin: str, url: str, event: str, payload: Mapping[str, Any], *, secret: str, id: str) -> str:
        """See ``HostContext.deliver``."""
        return await across(self._outbound.deliver(plugin, url, event, payload, secret=secret, id=id), self._home)
