"""Stopping services in reverse order of need, with everything that runs below them."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from builtin_plugins.runtimes.native.daemon import Daemon
from builtin_plugins.runtimes.native.layout import instance_key
from builtin_plugins.runtimes.native.processes import descendants, end

if TYPE_CHECKING:
    from hookspecs import Service
    from hookspecs.models.runtime import Progress

_PAUSE = 0.03


def waves(services: list[Service]) -> list[list[Service]]:
    """The services in groups to stop one after the other: each when nothing that needs it is left."""
    left = {service.name: service for service in services}
    found = []
    while left:
        needed = {need.service for service in left.values() for need in service.needs}
        wave = [service for service in left.values() if service.name not in needed] or list(left.values())
        found.append(wave)
        for service in wave:
            del left[service.name]
    return found


def stop(daemon: Daemon, services: list[Service], progress: Progress) -> None:
    """Stop every instance of these services that runs."""
    for wave in waves(services):
        names = [instance_key(service.name, number) for service in wave for number in range(1, service.replicas + 1)]
        states = daemon.rpc.states()
        running = [name for name in names if name in states and states[name].state in {"STARTING", "RUNNING", "BACKOFF"}]
        if running:
            with ThreadPoolExecutor(max_workers=len(running)) as pool:
                list(pool.map(lambda name: _stop_and_tell(daemon, name, progress), running))


def _stop_and_tell(daemon: Daemon, name: str, progress: Progress) -> None:
    service = name.partition(".")[0]
    progress(service, "stopping", "")
    stop_one(daemon, name)
    progress(service, "stopped", "")


def stop_one(daemon: Daemon, name: str) -> None:
    """Stop one process and what runs below it; returns once they are gone."""
    state = daemon.rpc.states().get(name)
    below = descendants(state.pid) if state and state.pid else []
    daemon.rpc.stop(name)
    # the supervisor itself kills what does not end within the service's grace
    while (state := daemon.rpc.states().get(name)) and state.alive:
        time.sleep(_PAUSE)
    end(below, grace=5)
