"""Webhooks taken in per second, beside `pgbench` doing single-row INSERTs on the same PostgreSQL, in turns in one run.

    .venv/bin/python -m benchmarks.plugins.webhooks [--seconds 8] [--rounds 3] [--clients 16 64]

One Host process (uvicorn, uvloop, httptools) verifies GitHub's signature of 600 bytes, stores the event with durable commits and
answers; `wrk` sends, each request with an id of its own. `pgbench` inserts rows of the same size into a table with the same
unique index, one commit each. On a busy machine its seventeen processes get the more of it, so the CPU that each event costs in
all processes together is printed too. Afterwards the events stored are counted against the answers given. Needs `wrk`, `pgbench`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import hmac
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import asyncpg
import httpx
import psutil

from builtin_plugins.host.jobs import migrations
from builtin_plugins.host.jobs.queue import POOL
from builtin_plugins.host.server.http import http_for
from builtin_plugins.host.webhooks import Source, intake
from hookspecs.models.manifest import Webhook
from tests.auth.postgres import running_postgres
from tests.ports import free_port

SECRET = "of-the-benchmark"
BODY = b'{"ref":"refs/heads/main","padding":"' + b"x" * 560 + b'"}'
_LUA = """
local n = 0
local thread = 0
function setup(t) thread = thread + 1; t:set("id", thread .. "-" .. os.time()) end
function request()
  n = n + 1
  return "POST /webhooks/bench HTTP/1.1\\r\\nHost: bench\\r\\nContent-Type: application/json\\r\\nX-GitHub-Event: push\\r\\n" ..
    "X-Hub-Signature-256: sha256=MAC\\r\\nX-GitHub-Delivery: " .. id .. "-" .. n .. "\\r\\nUser-Agent: GitHub-Hookshot/1\\r\\n" ..
    "Accept: */*\\r\\nContent-Length: LENGTH\\r\\n\\r\\n" .. 'BODY'
end
"""
_PGBENCH = """\\set n random(1, 9000000000000000000)
INSERT INTO peer (plugin, name, once, event, payload)
VALUES ('bench', 'webhook-main', :n::bigint::text || '-' || :client_id::int::text,
    '{"type": "push", "form": false, "headers": {}}', 'BODY');
"""
_PEER = """
CREATE TABLE peer (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, plugin text NOT NULL, name text NOT NULL, once text,
    event jsonb, payload bytea NOT NULL, created_at timestamptz NOT NULL DEFAULT now());
CREATE UNIQUE INDEX ON peer (plugin, name, once);
"""


def serve(url: str, port: int) -> None:
    """The Host's intake alone, as the Host runs it."""
    import uvicorn

    async def main() -> None:
        async with asyncpg.create_pool(url, min_size=2, max_size=4, **POOL) as pool:
            app = intake(pool)
            app.serve("bench", [Source("bench", Webhook(source="main", scheme="github", secret="X"), (SECRET,))])
            config = uvicorn.Config(
                app, port=port, http=http_for(app), access_log=False, log_level="error", lifespan="off", server_header=False
            )
            await uvicorn.Server(config).serve()

    import uvloop

    uvloop.run(main())


async def postmaster(url: str) -> psutil.Process:
    """PostgreSQL's first process."""
    connection = await asyncpg.connect(url)
    found = psutil.Process(await connection.fetchval("SELECT pg_backend_pid()")).parent()
    await connection.close()
    assert found is not None
    return found


def spent(server: psutil.Process, host: int) -> float:
    """Seconds of CPU that PostgreSQL, the Host, and the clients that have ended took so far."""
    total = 0.0
    for process in (server, psutil.Process(host), *server.children()):
        with contextlib.suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system
    times = server.cpu_times()
    mine = resource.getrusage(resource.RUSAGE_CHILDREN)
    return total + times.children_user + times.children_system + mine.ru_utime + mine.ru_stime


def pgbench(url: str, folder: Path, clients: int, seconds: int) -> tuple[float, int]:
    """INSERTs per second, and how many."""
    script = folder / "insert.sql"
    script.write_text(_PGBENCH.replace("BODY", BODY.decode()))
    command = ["pgbench", "-n", "-M", "prepared", "-f", script, "-c", str(clients), "-j", "2", "-T", str(seconds), url]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    number = re.search(r"actually processed: (\d+)", done.stdout)
    return float(re.search(r"tps = ([\d.]+)", done.stdout)[1]), int(number[1])  # type: ignore[index]


def wrk(port: int, folder: Path, clients: int, seconds: int) -> tuple[float, int, str]:
    """Requests per second, how many were answered, and the 99th percentile."""
    script = folder / "post.lua"
    mac = hmac.new(SECRET.encode(), BODY, hashlib.sha256).hexdigest()
    script.write_text(_LUA.replace("MAC", mac).replace("LENGTH", str(len(BODY))).replace("BODY", BODY.decode()))
    command = ["wrk", "-t1", f"-c{clients}", f"-d{seconds}s", "--latency", "-s", str(script), f"http://127.0.0.1:{port}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in done or "Socket errors" in done:
        print(done)
    found = {name: re.search(pattern, done) for name, pattern in
             {"rate": r"Requests/sec:\s+([\d.]+)", "all": r"(\d+) requests in", "late": r"99%\s+(\S+)"}.items()}  # fmt: skip
    return float(found["rate"][1]), int(found["all"][1]), found["late"][1]  # type: ignore[index]


async def prepare(url: str) -> None:
    """The Host's tables and the peer's."""
    connection = await asyncpg.connect(url)
    await connection.execute("CREATE SCHEMA nself_host")
    for migration in migrations():
        await connection.execute(migration.up)
    await connection.execute(_PEER)
    await connection.close()


async def stored(url: str) -> int:
    """Events in the database; then the tables are emptied."""
    connection = await asyncpg.connect(url)
    found: int = await connection.fetchval("SELECT count(*) FROM nself_host.jobs")
    await connection.execute("TRUNCATE nself_host.jobs, peer")
    await connection.execute("CHECKPOINT")
    await connection.close()
    return found


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--clients", type=int, nargs="+", default=[16, 64])
    asked = parser.parse_args()
    for needed in ("wrk", "pgbench"):
        if not shutil.which(needed):
            sys.exit(f"{needed} is not installed")
    port = free_port()
    with tempfile.TemporaryDirectory() as name, running_postgres(durable=True) as url:
        folder = Path(name)
        asyncio.run(prepare(url))
        host = subprocess.Popen([sys.executable, "-m", "benchmarks.plugins.webhooks", "serve", url, str(port)])
        try:
            for _ in range(100):
                try:
                    httpx.get(f"http://127.0.0.1:{port}/")
                    break
                except httpx.HTTPError:
                    time.sleep(0.1)
            base: list[tuple[float, float]] = []
            ours: dict[int, list[tuple[float, float]]] = {clients: [] for clients in asked.clients}
            server = asyncio.run(postmaster(url))
            for _ in range(asked.rounds):
                before = spent(server, host.pid)
                rate, number = pgbench(url, folder, 16, asked.seconds)
                each = (spent(server, host.pid) - before) / number * 1e6
                base.append((rate, each))
                asyncio.run(stored(url))
                print(f"pgbench, 16 clients: {rate:,.0f}/s, {each:.0f} us of CPU each", flush=True)
                for clients in asked.clients:
                    before = spent(server, host.pid)
                    rate, answered, late = wrk(port, folder, clients, asked.seconds)
                    each = (spent(server, host.pid) - before) / max(answered, 1) * 1e6
                    ours[clients].append((rate, each))
                    kept = asyncio.run(stored(url))
                    lost = "" if kept >= answered else f", LOST {answered - kept}"
                    shown = f"{rate:,.0f}/s, {each:.0f} us of CPU each, 99 % within {late}{lost}"
                    print(f"intake, {clients} connections: {shown}", flush=True)
            for clients, found in ours.items():
                rates, costs = ([statistics.median(column) for column in zip(*rows, strict=True)] for rows in (found, base))
                print(f"intake with {clients} connections = {rates[0] / costs[0]:.2f} x pgbench with 16 (goal: at least 1);"
                      f" for the same CPU it does {costs[1] / rates[1]:.2f} x as much")  # fmt: skip
        finally:
            host.terminate()
            host.wait()


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        serve(sys.argv[2], int(sys.argv[3]))
    else:
        main()
