"""One run on one database with one load tool (wrk): the engine, a hand-written peer, and pgbench with the same SQL.

    python -m benchmarks.graphql.run --database postgres://postgres@127.0.0.1:5432/bench [--seconds 5] [--connections 16]

The database's public schema is WIPED. Needs wrk and pgbench on PATH. Prints one line per work and peer.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import asyncpg
import httpx

ROOT = Path(__file__).parents[2]
SCHEMA = """
DROP SCHEMA public CASCADE; CREATE SCHEMA public;
CREATE TABLE author (id serial PRIMARY KEY, name text, score int);
CREATE TABLE article (id serial PRIMARY KEY, title text, published boolean, author_id int REFERENCES author);
CREATE TABLE comment (id serial PRIMARY KEY, body text, article_id int REFERENCES article);
CREATE TABLE event (id bigserial PRIMARY KEY, kind text, n int);
INSERT INTO author (name, score) SELECT 'author ' || i, i % 50 FROM generate_series(1, 1000) i;
INSERT INTO article (title, published, author_id) SELECT 'title ' || i, i % 2 = 0, 1 + i % 1000 FROM generate_series(0, 4999) i;
INSERT INTO comment (body, article_id) SELECT 'body ' || i, 1 + i % 5000 FROM generate_series(0, 24999) i;
CREATE INDEX ON article (author_id); CREATE INDEX ON comment (article_id); ANALYZE;
"""
WORK = {
    "by-pk": ("query ($id: Int!) { author_by_pk(id: $id) { id name score } }", {"id": 7}),
    "nested": (
        "{ author(limit: 100, order_by: {id: asc}) { id name articles { id title comments { id body } } } }",
        {},
    ),
    "aggregate": (
        "query ($s: Int!) { article_aggregate(where: {author: {score: {_gt: $s}}}) { aggregate { count max { id } } } }",
        {"s": 25},
    ),
    "insert": ("mutation ($k: String!) { insert_event_one(object: {kind: $k, n: 1}) { id } }", {"k": "x"}),
}
LINKS = [("author", "articles", "article", "author_id"), ("article", "comments", "comment", "article_id")]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wrk(url: str, body: bytes, options: argparse.Namespace) -> dict[str, float]:
    """Requests per second and latencies in milliseconds."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        text = json.dumps(body.decode())
        script.write(
            f'wrk.method = "POST"\nwrk.body = {text}\nwrk.headers["Content-Type"] = "application/json"\n'
            'wrk.headers["X-Hasura-Admin-Secret"] = "bench"\n'
        )
        script.flush()
        argv = ["wrk", "-t1", f"-c{options.connections}", f"-d{options.seconds}s", "--latency", "-s", script.name, url]
        out = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in out:
        raise RuntimeError(out)
    units = {"us": 0.001, "ms": 1.0, "s": 1000.0}

    def latency(label: str) -> float:
        number, unit = re.search(rf"{label}%\s+([\d.]+)(us|ms|s)", out).groups()
        return float(number) * units[unit]

    return {"rps": float(re.search(r"Requests/sec:\s+([\d.]+)", out).group(1)), "p50": latency("50"), "p99": latency("99")}


def pgbench(sql: str, params: list[str], options: argparse.Namespace) -> dict[str, float]:
    """Transactions per second of the same SQL, prepared."""
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
        lines = [f"\\set p{number} {value}" for number, value in enumerate(params, 1) if value.isdigit()]
        for number, value in enumerate(params, 1):
            place = f":p{number}" if value.isdigit() else f"'{value}'"
            sql = sql.replace(f"${number}::text", f"{place}::text")
        script.write("\n".join([*lines, sql + ";"]))
        script.flush()
        argv = ["pgbench", "-n", "-M", "prepared", "-c", str(options.connections), "-T", str(options.seconds), "-f", script.name]
        done = subprocess.run([*argv, options.database], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return {"rps": float(re.search(r"tps = ([\d.]+)", done.stdout).group(1))}


def statements(url: str) -> dict[str, tuple[str, list[str]]]:
    """The SQL the engine makes of each work, with its parameters, by compiling it here."""
    from builtin_plugins.core.hasura.engine.config import read
    from builtin_plugins.core.hasura.engine.engine import Engine
    from builtin_plugins.core.hasura.engine.logs import Logger

    async def compile_all() -> dict[str, tuple[str, list[str]]]:
        engine = Engine(read({"HASURA_GRAPHQL_DATABASE_URL": url}), Logger(()))
        await engine.load()
        found = {}
        for name, (text, variables) in WORK.items():
            plan, given = engine.executor.plan(text, None, dict(variables), "admin", False)
            statement = plan.statement or plan.steps[0].statement
            found[name] = (statement.sql, statement.values(given, {}))
        await engine.stop()
        return found

    return asyncio.run(compile_all())


def prepare(base: str, database: str) -> None:
    """Tables, rows and metadata."""

    async def fill() -> None:
        connection = await asyncpg.connect(database)
        await connection.execute(SCHEMA)
        await connection.close()

    asyncio.run(fill())
    http = httpx.Client(base_url=base, headers={"x-hasura-admin-secret": "bench"})
    calls = [("clear_metadata", {}), *(("pg_track_table", {"table": t}) for t in ("author", "article", "comment", "event"))]
    for table, name, other, column in LINKS:
        using = {"foreign_key_constraint_on": {"table": other, "column": column}}
        calls.append(("pg_create_array_relationship", {"table": table, "name": name, "using": using}))
        back = {"foreign_key_constraint_on": column}
        calls.append(("pg_create_object_relationship", {"table": other, "name": table, "using": back}))
    for kind, args in calls:
        reply = http.post("/v1/metadata", json={"type": kind, "args": args})
        reply.raise_for_status()


def serve(argv: list[str], env: dict[str, str], port: int) -> subprocess.Popen[bytes]:
    """Start a server and wait for its port."""
    process = subprocess.Popen(argv, cwd=ROOT, env=os.environ | env, stdout=subprocess.DEVNULL)
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return process
        time.sleep(0.05)
    process.kill()
    raise RuntimeError("a server did not start")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", required=True)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--connections", type=int, default=16)
    options = parser.parse_args()
    engine_port, peer_port = free_port(), free_port()
    env = {
        "HASURA_GRAPHQL_DATABASE_URL": options.database,
        "HASURA_GRAPHQL_SERVER_PORT": str(engine_port),
        "HASURA_GRAPHQL_ADMIN_SECRET": "bench",
        "HASURA_GRAPHQL_ENABLED_LOG_TYPES": "startup",
    }
    engine = serve([sys.executable, "-m", "builtin_plugins.core.hasura.engine"], env, engine_port)
    peer = None
    try:
        prepare(f"http://127.0.0.1:{engine_port}", options.database)
        compiled = statements(options.database)
        peer_env = {
            "PEER_DATABASE": options.database,
            "PEER_STATEMENTS": json.dumps({name: sql for name, (sql, _) in compiled.items()}),
        }
        argv = [sys.executable, "-m", "uvicorn", "benchmarks.graphql.peer:app", "--port", str(peer_port), "--log-level", "error"]
        peer = serve([*argv, "--no-access-log"], peer_env, peer_port)
        for name, (text, variables) in WORK.items():
            sql, params = compiled[name]
            ask = json.dumps({"query": text, "variables": variables}).encode()
            results = {
                "engine": wrk(f"http://127.0.0.1:{engine_port}/v1/graphql", ask, options),
                "hand-written": wrk(
                    f"http://127.0.0.1:{peer_port}/", json.dumps({"work": name, "params": params}).encode(), options
                ),
                "pgbench": pgbench(sql, params, options),
            }
            for peer_name, found in results.items():
                print(name, peer_name, " ".join(f"{key}={value:.2f}" for key, value in found.items()), flush=True)
    finally:
        for process in (engine, peer):
            if process is not None:
                process.terminate()
                process.wait(15)


if __name__ == "__main__":
    main()
