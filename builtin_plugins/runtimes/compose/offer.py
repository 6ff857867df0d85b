"""What this machine has: an engine that answers, and a Compose to talk to it with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from builtin_plugins.runtimes.compose import binaries, endpoint

if TYPE_CHECKING:
    from hookspecs import Offer


def offer(priority: int) -> Offer:
    """The runtime with whether it can run here. Takes a few milliseconds, at most the ping's timeout."""
    from hookspecs import Offer

    reason = why_not()
    return Offer(
        name="compose",
        available=not reason,
        reason=reason or "a Docker Engine answers",
        load="builtin_plugins.runtimes.compose.runtime:Compose",
        eject="builtin_plugins.runtimes.compose.eject:eject",
        look="builtin_plugins.runtimes.docker_glance:look",
        addressing="names",
        priority=priority,
    )


def why_not() -> str:
    """Why containers cannot run here, empty where they can."""
    try:
        where = endpoint.current()
    except endpoint.ContextError as error:
        return str(error)
    trouble = endpoint.ping(where)
    if trouble:
        return f"no Docker Engine answers at {where.url}: {trouble}"
    if binaries.find() is None:
        return "a Docker Engine answers, but there is no Docker Compose (neither the v2 plugin nor docker-compose)"
    return ""
