"""From the queue to the plugin: a stored webhook becomes an `Event`, and ``handle_webhook`` is called with it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from functools import partial

from builtin_plugins.host.jobs import Claimed, Task
from hookspecs.models.host import Event
from hookspecs.models.manifest import Webhook

from .schemes.model import read
from .store import PREFIX

Handle = Callable[[Event], Awaitable[object]]

#: Calls of a handler after the first, over about two and a half hours; then the event is dead.
_RETRIES = 8


def webhook_tasks(plugin: str, webhooks: Iterable[Webhook], handle: Handle) -> dict[tuple[str, str], Task]:
    """What the workers do with a plugin's webhooks. ``handle`` calls the plugin's ``handle_webhook``; a raise calls it again."""
    return {(plugin, PREFIX + rule.source): Task(run=partial(_run, handle), retries=_RETRIES, timeout=120) for rule in webhooks}


async def _run(handle: Handle, claimed: Claimed) -> None:
    await handle(event_of(claimed))


def event_of(claimed: Claimed) -> Event:
    """A stored webhook as plugins see it."""
    return Event(
        id=claimed.once,
        source=claimed.name.removeprefix(PREFIX),
        type=claimed.event["type"],
        payload=read(claimed.payload, form=claimed.event["form"]) if claimed.payload else {},
        headers=claimed.event["headers"],
        received_at=claimed.created_at,
        attempt=claimed.attempt,
    )
