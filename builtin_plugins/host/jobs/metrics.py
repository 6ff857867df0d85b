"""The queue in Prometheus: what ended and how long it took, counted here; what waits, runs and is dead, asked of the database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

if TYPE_CHECKING:
    import asyncpg

    from .claims import End

# Each part by its own partial index: what is done, which is most, is not read.
_ONE = """
    SELECT plugin, name, state, count(*) AS number, extract(epoch FROM now() - min(run_at))::float8 AS age
    FROM nself_host.jobs WHERE state = 'STATE' GROUP BY plugin, name, state
"""
_STATES = "UNION ALL".join(_ONE.replace("STATE", state) for state in ("queued", "running", "dead"))


class Meter:
    """Metrics of the queue, registered in ``registry``; call `refresh` before they are served."""

    def __init__(self, registry: CollectorRegistry) -> None:
        labels = ("plugin", "job")
        self._ended = Counter("nself_jobs_ended", "Runs of jobs, by how they ended.", (*labels, "outcome"), registry=registry)
        self._seconds = Histogram("nself_jobs_seconds", "How long runs of jobs took.", labels, registry=registry)
        self._number = Gauge("nself_jobs", "Jobs that wait, run or are dead.", (*labels, "state"), registry=registry)
        self._age = Gauge("nself_jobs_oldest_seconds", "How long the oldest due job waits.", labels, registry=registry)

    def ended(self, plugin: str, name: str, end: End, seconds: float) -> None:
        """Count a run."""
        outcome = {"done": "done", "dead": "dead", "queued": "given_back" if end.unused else "retried"}[end.state]
        self._ended.labels(plugin, name, outcome).inc()
        self._seconds.labels(plugin, name).observe(seconds)

    async def refresh(self, pool: asyncpg.Pool) -> None:
        """Ask the database how many jobs there are in each state."""
        rows = await pool.fetch(_STATES)
        self._number.clear()
        self._age.clear()
        for row in rows:
            self._number.labels(row["plugin"], row["name"], row["state"]).set(row["number"])
            if row["state"] == "queued":
                self._age.labels(row["plugin"], row["name"]).set(max(row["age"], 0))
