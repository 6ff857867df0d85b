"""Live queries: what subscribers of one operation cost the database, and how soon they learn of a change.

    python -m benchmarks.graphql.subscribers [--subscribers 5000] [--sockets 500] [--seconds 5]

A scratch cluster is started. For growing numbers of subscribers the statements per second of the database, and the processor
time of the engine, are printed beside those of a single one: the former should not grow at all.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import time
from typing import Any

import asyncpg
import psutil
from websockets.asyncio.client import ClientConnection, connect

from tests.engine.servers import running_postgres
from tests.ports import free_port

from .load import serving
from .work import fill, track

QUERY = "subscription { author(limit: 10, order_by: {id: asc}) { id name score } }"
HEADERS = {"x-hasura-admin-secret": "bench"}


class Client:
    """One socket with several subscriptions; `seen` holds when each heard of the newest score."""

    def __init__(self, socket: ClientConnection, count: int) -> None:
        self.socket = socket
        self.count = count
        self.wanted = 0
        self.seen: list[float] = []
        self.task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        await self.socket.send(json.dumps({"type": "connection_init", "payload": {"headers": HEADERS}}))
        await self.socket.recv()
        for number in range(self.count):
            await self.socket.send(json.dumps({"type": "subscribe", "id": str(number), "payload": {"query": QUERY}}))
        heard = 0
        while heard < self.count:
            heard += '"next"' in str(await self.socket.recv())
        self.task = asyncio.create_task(self._listen())

    async def _listen(self) -> None:
        async for message in self.socket:
            if f'"score" : {self.wanted}' in str(message) or f'"score":{self.wanted}' in str(message):
                self.seen.append(time.perf_counter())


async def statements(connection: asyncpg.Connection) -> int:
    """Transactions so far; a statement of its own is one."""
    await connection.execute("SELECT pg_stat_clear_snapshot()")
    found: int = await connection.fetchval("SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()")
    return found


async def measure(url: str, base: str, server: psutil.Process, steps: list[int], options: argparse.Namespace) -> None:
    database = await asyncpg.connect(url)
    clients: list[Client] = []
    for step in steps:
        missing = step - sum(client.count for client in clients)
        sockets = max(1, options.sockets * missing // steps[-1])
        for number in range(sockets):
            share = missing // sockets + (number < missing % sockets)
            socket = await connect(
                base, subprotocols=["graphql-transport-ws"], compression=None, max_size=None, ping_interval=None
            )
            client = Client(socket, share)
            await client.open()
            clients.append(client)
        await asyncio.sleep(2)
        before, cpu, started = await statements(database), sum(server.cpu_times()[:2]), time.perf_counter()
        await asyncio.sleep(options.seconds)
        after, spent, seconds = await statements(database), sum(server.cpu_times()[:2]) - cpu, time.perf_counter() - started
        score = 1000 + step
        for client in clients:
            client.wanted, client.seen = score, []
        changed = time.perf_counter()
        await database.execute("UPDATE author SET score = $1 WHERE id = 1", score)
        while sum(len(client.seen) for client in clients) < step and time.perf_counter() - changed < 60:
            await asyncio.sleep(0.02)
        delays = sorted(moment - changed for client in clients for moment in client.seen)
        shown: dict[str, Any] = {
            "subscribers": step,
            "statements/s": round((after - before) / seconds, 1),
            "engine cpu %": round(100 * spent / seconds, 1),
            "told": len(delays),
            "change p50 ms": round(1000 * statistics.median(delays)),
            "p99 ms": round(1000 * delays[int(len(delays) * 0.99) - 1 if len(delays) > 1 else 0]),
            "engine MB": round(server.memory_info().rss / 1e6),
        }
        print("  ".join(f"{name} {value}" for name, value in shown.items()), flush=True)
    for client in clients:
        if client.task is not None:
            client.task.cancel()
        await client.socket.close()
    await database.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--subscribers", type=int, default=5000)
    parser.add_argument("--sockets", type=int, default=500)
    parser.add_argument("--seconds", type=int, default=5)
    options = parser.parse_args()
    steps = sorted({step for step in (1, 100, 1000, options.subscribers) if step <= options.subscribers})
    port = free_port()
    with running_postgres() as postgres:
        fill(postgres.url)
        env = {
            "HASURA_GRAPHQL_DATABASE_URL": postgres.url,
            "HASURA_GRAPHQL_SERVER_PORT": str(port),
            "HASURA_GRAPHQL_ADMIN_SECRET": "bench",
            "HASURA_GRAPHQL_ENABLED_LOG_TYPES": "startup",
        }
        with serving([sys.executable, "-m", "builtin_plugins.core.hasura.engine"], env, port) as server:
            track(f"http://127.0.0.1:{port}")
            asyncio.run(measure(postgres.url, f"ws://127.0.0.1:{port}/v1/graphql", server, steps, options))


if __name__ == "__main__":
    main()
