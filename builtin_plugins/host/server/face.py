"""A plugin as the Host sees it, whether it runs it itself or another process does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from prometheus_client.core import Metric
    from starlette.types import Receive, Scope, Send

    from hookspecs import Event, InstalledPlugin, Job, WebhookResult

State = Literal["starting", "serving", "failed", "hung", "stopped"]


class Plugin(Protocol):
    """What `HostedPlugin` and `RemotePlugin` have in common."""

    name: str
    plugin: InstalledPlugin
    jobs: Mapping[str, Job]
    since: datetime
    sandbox: str
    """What holds it in a process of its own; empty for one in the Host's."""

    @property
    def state(self) -> State:
        """``hung``: it serves, and its loop has shown no sign of life for a while."""

    @property
    def told(self) -> str:
        """Why it does not serve."""

    def secret(self, name: str) -> str | None:
        """The value of a secret setting of its own."""

    def collect(self) -> Iterable[Metric]:
        """Its metrics."""

    async def start(self, patience: float) -> None:
        """Bring it up, or give it up; raises nothing."""

    async def stop(self) -> None:
        """End it, as far as it lets itself be ended."""

    async def serve(self, scope: Scope, receive: Receive, send: Send, patience: float) -> int:
        """Answer a request by the plugin's app; the status that was sent."""

    async def run_job(self, name: str, payload: Mapping[str, Any]) -> None:
        """Run one of its jobs; what it raises passes."""

    async def handle(self, event: Event) -> WebhookResult:
        """Hand it a webhook; what it raises passes."""
