"""One run on one database with one load tool (wrk): the engine, PostGraphile, a hand-written peer, and pgbench with the same SQL.

    python -m benchmarks.graphql.run [--database URL] [--seconds 5] [--rounds 3] [--work NAME] [--connections 16] [--json]

Without a database a scratch cluster is started. A database that is given has its public schema WIPED. Needs wrk and pgbench;
PostGraphile is installed by npm into a temporary folder, and left out by name where that cannot be done.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import statistics
import sys
from pathlib import Path

from tests.engine.servers import running_postgres
from tests.ports import free_port

from . import postgraphile
from .load import Figures, pgbench, serving, wrk
from .work import POSTGRAPHILE, WORK, fill, statements, track


def body(text: str, variables: dict[str, object]) -> bytes:
    return json.dumps({"query": text, "variables": variables}).encode()


def measure(database: str, options: argparse.Namespace) -> dict[str, dict[str, Figures]]:
    """Work → who → figures. The peers of one work take turns, in another order each time, so that they meet the same machine."""
    fill(database)
    ports = {name: free_port() for name in ("engine", "hand-written", "postgraphile")}
    run = {"seconds": options.seconds, "connections": options.connections}
    engine_env = {
        "HASURA_GRAPHQL_DATABASE_URL": database,
        "HASURA_GRAPHQL_SERVER_PORT": str(ports["engine"]),
        "HASURA_GRAPHQL_ADMIN_SECRET": "bench",
        "HASURA_GRAPHQL_ENABLED_LOG_TYPES": "startup",
    }
    found: dict[str, dict[str, Figures]] = {}
    servers = {}
    with contextlib.ExitStack() as stack:
        argv = [sys.executable, "-m", "builtin_plugins.core.hasura.engine"]
        servers["engine"] = stack.enter_context(serving(argv, engine_env, ports["engine"]))
        track(f"http://127.0.0.1:{ports['engine']}")
        compiled = statements(database)
        peer_env = {"PEER_DATABASE": database, "PEER_STATEMENTS": json.dumps({name: sql for name, (sql, _) in compiled.items()})}
        argv = [sys.executable, "-m", "uvicorn", "benchmarks.graphql.peer:app", "--port", str(ports["hand-written"])]
        argv += ["--log-level", "error", "--no-access-log"]
        servers["hand-written"] = stack.enter_context(serving(argv, peer_env, ports["hand-written"]))
        command = postgraphile.installed(Path(options.peer_folder))
        if isinstance(command, str):
            print(f"postgraphile: left out: {command}", file=sys.stderr)
        else:
            env = {**postgraphile.MODE, "DATABASE": database, "PORT": str(ports["postgraphile"])}
            server = stack.enter_context(serving(command, env, ports["postgraphile"], Path(options.peer_folder)))
            servers["postgraphile"] = server
        for name, asked in WORK.items():
            if options.work not in (None, name):
                continue
            sql, params = compiled[name]
            calls = {
                "engine": ("/v1/graphql", body(*asked)),
                "hand-written": ("/", json.dumps({"work": name, "params": params}).encode()),
            }
            if not isinstance(command, str) and name in POSTGRAPHILE:
                calls["postgraphile"] = ("/graphql", body(*POSTGRAPHILE[name]))
            places = {who: (f"http://127.0.0.1:{ports[who]}{path}", sent) for who, (path, sent) in calls.items()}
            for who, (url, sent) in places.items():
                wrk(url, sent, servers[who], 1, options.connections)
            taken: dict[str, list[Figures]] = {}
            order = list(places)
            for _ in range(options.rounds):
                for who in order:
                    url, sent = places[who]
                    taken.setdefault(who, []).append(wrk(url, sent, servers[who], **run))
                order.append(order.pop(0))
                taken.setdefault("pgbench", []).append(pgbench(database, sql, params, **run))
            found[name] = {who: middle(figures) for who, figures in taken.items()}
    return found


def middle(figures: list[Figures]) -> Figures:
    """The median of each figure over the rounds."""
    return {key: statistics.median(one[key] for one in figures) for key in figures[0]}


def ratios(found: dict[str, Figures]) -> dict[str, float]:
    """The engine's throughput as a part of each peer's."""
    own = found["engine"]["rps"]
    return {who: round(own / figures["rps"], 2) for who, figures in found.items() if who != "engine" and figures["rps"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--database", help="a scratch database whose public schema is wiped")
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--work", choices=list(WORK), help="this one alone")
    parser.add_argument("--rounds", type=int, default=3, help="turns each takes; the median is shown")
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--peer-folder", default=str(postgraphile.FOLDER), help="where PostGraphile is installed")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    for program in ("wrk", "pgbench"):
        if shutil.which(program) is None:
            raise SystemExit(f"{program} is not installed (Debian: wrk, postgresql)")
    with contextlib.ExitStack() as stack:
        database = options.database or stack.enter_context(running_postgres()).url
        found = measure(database, options)
    if options.json:
        print(json.dumps({name: {"figures": peers, "ratios": ratios(peers)} for name, peers in found.items()}, indent=2))
        return
    for name, peers in found.items():
        for who, figures in peers.items():
            shown = "  ".join(f"{key} {value:,.2f}" for key, value in figures.items())
            print(f"{name:10} {who:13} {shown}")
        print(f"{name:10} {'engine / …':13} " + "  ".join(f"{who} {value}" for who, value in ratios(peers).items()), flush=True)


if __name__ == "__main__":
    main()
