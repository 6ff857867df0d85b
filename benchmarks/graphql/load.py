"""The load tools of the GraphQL benchmark: wrk over HTTP, pgbench for the database alone; and servers, one process each."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[2]
MILLISECONDS = {"us": 0.001, "ms": 1.0, "s": 1000.0}
Figures = dict[str, float]


@contextlib.contextmanager
def serving(argv: list[str], env: dict[str, str], port: int, cwd: Path = ROOT) -> Iterator[psutil.Process]:
    """A server's process, from when its port answers until the end of the block."""
    process = subprocess.Popen(argv, cwd=cwd, env=os.environ | env, stdout=subprocess.DEVNULL)
    try:
        for _ in range(600):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            if process.poll() is not None:
                raise RuntimeError(f"{argv[0]} ended with {process.returncode}")
            time.sleep(0.05)
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(15)


def wrk(url: str, body: bytes, server: psutil.Process, seconds: int, connections: int) -> Figures:
    """Requests per second, latencies in milliseconds, and the server's own processor time per request in microseconds.

    The last one hardly depends on what else the machine does.
    """
    before = sum(server.cpu_times()[:2])
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(
            f'wrk.method = "POST"\nwrk.body = {json.dumps(body.decode())}\nwrk.headers["Content-Type"] = "application/json"\n'
            'wrk.headers["X-Hasura-Admin-Secret"] = "bench"\n'
        )
        script.flush()
        argv = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "--timeout", "30s"]
        argv += ["-s", script.name, url]
        out = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in out:
        raise RuntimeError(out)
    latencies = {label: re.search(rf"{label}%\s+([\d.]+)(us|ms|s)", out) for label in ("50", "99")}
    found = {f"p{label}": float(match[1]) * MILLISECONDS[match[2]] for label, match in latencies.items() if match}
    rate = re.search(r"Requests/sec:\s+([\d.]+)", out)
    assert rate is not None
    requests = re.search(r"(\d+) requests in", out)
    assert requests is not None
    spent = (sum(server.cpu_times()[:2]) - before) * 1e6 / max(1, int(requests[1]))
    return {"rps": float(rate[1]), **found, "cpu": spent}


def pgbench(database: str, sql: str, params: list[str], seconds: int, connections: int) -> Figures:
    """Transactions per second of the same SQL, prepared."""
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
        lines = [f"\\set p{number} {value}" for number, value in enumerate(params, 1) if value.isdigit()]
        for number, value in enumerate(params, 1):
            place = f":p{number}" if value.isdigit() else f"'{value}'"
            sql = sql.replace(f"${number}::text", f"{place}::text")
        script.write("\n".join([*lines, sql + ";"]))
        script.flush()
        argv = ["pgbench", "-n", "-M", "prepared", "-c", str(connections), "-T", str(seconds), "-f", script.name, database]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
    rate = re.search(r"tps = ([\d.]+)", done.stdout)
    if done.returncode or rate is None:
        raise RuntimeError(done.stderr)
    return {"rps": float(rate[1])}
