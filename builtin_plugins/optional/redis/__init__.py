"""Redis for caches and queues; the native runtime runs Valkey in its place."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from hookspecs import hookimpl

if TYPE_CHECKING:
    from hookspecs import Project, Service


@hookimpl
def contribute_services(project: Project) -> Iterable[Service]:
    if not project.settings["REDIS_ENABLED"]:
        return ()
    from builtin_plugins.optional.redis.service import service

    return (service(project),)
