"""What 600 tracked tables cost: loading, the first query of a role, the next one, introspection, and memory.

    python -m benchmarks.graphql.tables [--tables 600] [--roles 20]

A scratch cluster is started. The same figures for 10 tables stand beside: a first query should cost about the same, since a
role's schema is built only as far as an operation needs it.
"""

from __future__ import annotations

import argparse
import sys
import time
from typing import Any

import httpx

from tests.engine.servers import running_postgres
from tests.ports import free_port

from .load import serving

ADMIN = {"x-hasura-admin-secret": "bench"}


def schema(count: int) -> str:
    """Tables of twelve columns, each referring to the one before."""
    columns = ", ".join(f"c{n} {kind}" for n, kind in enumerate(["text", "int", "timestamptz", "jsonb", "numeric"] * 2))
    made = [f"CREATE TABLE t0 (id serial PRIMARY KEY, up int, {columns});"]
    made += [f"CREATE TABLE t{n} (id serial PRIMARY KEY, up int REFERENCES t{n - 1}, {columns});" for n in range(1, count)]
    return "DROP SCHEMA public CASCADE; CREATE SCHEMA public; " + " ".join(made) + " INSERT INTO t0 (c0) VALUES ('x');"


def metadata(count: int, roles: int) -> dict[str, Any]:
    """Every table tracked, related both ways, and readable by every role."""
    tables = []
    for n in range(count):
        permission = {"columns": "*", "filter": {"c1": {"_eq": "X-Hasura-User-Id"}}}
        entry: dict[str, Any] = {
            "table": {"schema": "public", "name": f"t{n}"},
            "select_permissions": [{"role": f"r{r}", "permission": permission} for r in range(roles)],
        }
        if n:
            entry["object_relationships"] = [{"name": "parent", "using": {"foreign_key_constraint_on": "up"}}]
        if n + 1 < count:
            using = {"foreign_key_constraint_on": {"table": {"schema": "public", "name": f"t{n + 1}"}, "column": "up"}}
            entry["array_relationships"] = [{"name": "children", "using": using}]
        tables.append(entry)
    return {"version": 3, "sources": [{"name": "default", "kind": "postgres", "tables": tables}]}


def timed(http: httpx.Client, text: str, **headers: str) -> float:
    """Milliseconds of a request that must succeed."""
    started = time.perf_counter()
    reply = http.post("/v1/graphql", json={"query": text}, headers=ADMIN | {f"x-hasura-{k}": v for k, v in headers.items()})
    seconds = time.perf_counter() - started
    assert "data" in reply.json(), reply.text[:300]
    return 1000 * seconds


def measure(count: int, roles: int, url: str) -> dict[str, float]:
    port = free_port()
    env = {
        "HASURA_GRAPHQL_DATABASE_URL": url,
        "HASURA_GRAPHQL_SERVER_PORT": str(port),
        "HASURA_GRAPHQL_ADMIN_SECRET": "bench",
        "HASURA_GRAPHQL_ENABLED_LOG_TYPES": "startup",
    }
    command = [sys.executable, "-m", "builtin_plugins.core.hasura.engine"]
    found: dict[str, float] = {}
    with serving(command, env, port), httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=120, headers=ADMIN) as http:
        http.post("/v1/metadata", json={"type": "clear_metadata", "args": {}}).raise_for_status()
        http.post("/v2/query", json={"type": "run_sql", "args": {"sql": schema(count)}}).raise_for_status()
        started = time.perf_counter()
        done = http.post("/v1/metadata", json={"type": "replace_metadata", "args": metadata(count, roles)})
        assert done.status_code == 200, done.text[:500]
        found["replace metadata ms"] = 1000 * (time.perf_counter() - started)
    started = time.perf_counter()
    with serving(command, env, port) as server, httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=120) as http:
        found["start ms"] = 1000 * (time.perf_counter() - started)
        before = server.memory_info().rss
        text = "{ t0(limit: 1) { id c0 children(limit: 1) { id c1 } } }"
        who = {"role": "r0", "user-id": "1"}
        found["first query ms"] = timed(http, text, **who)
        found["same query ms"] = timed(http, text, **who)
        found["another ms"] = timed(http, "{ t1(where: {parent: {c1: {_gt: 1}}}) { id } }", **who)
        for number in range(1, roles):
            timed(http, text, role=f"r{number}", **{"user-id": "1"})
        found[f"MB for {roles} roles"] = (server.memory_info().rss - before) / 1e6
        found["introspection ms"] = timed(http, "{ __schema { types { name fields { name } } } }", **who)
        found["MB in all"] = server.memory_info().rss / 1e6
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", type=int, default=600)
    parser.add_argument("--roles", type=int, default=20)
    options = parser.parse_args()
    with running_postgres() as server:
        few, many = (measure(count, options.roles, server.url) for count in (10, options.tables))
    for name, value in many.items():
        ratio = value / max(few[name], 0.1)
        print(f"{name:20} {options.tables} tables {value:9.1f}   10 tables {few[name]:9.1f}   ratio {ratio:.1f}")


if __name__ == "__main__":
    main()
