"""How long a first native start of the core takes, against what it cannot do without: initdb and a first query.

    .venv/bin/python benchmarks/native_start.py [rounds]

Both are measured in turn in one run, with the programs unpacked; the last line is the ratio of the medians. The goal is 2.5.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from builtin_plugins.core.postgres import programs
from builtin_plugins.runtimes.native.layout import Layout
from nself_core.workspace import Workspace
from tests.native_project import NativeProject, quiet
from tests.ports import free_ports

CORE = {"HASURA_ENABLED": "true", "AUTH_ENABLED": "true", "NGINX_ENABLED": "true"}
PORTS = ("NGINX_PORT", "NGINX_SSL_PORT", "HASURA_PORT", "AUTH_PORT")


def bare() -> float:
    """Seconds for initdb with its own defaults, a server, and one query."""
    folder = Path(tempfile.mkdtemp(prefix="nself-bench-"))
    user = Layout(root=folder, state=folder, project="bench").user
    home = programs.unpack(uid=user.uid if user else None, gid=user.gid if user else None)
    env = {"PATH": f"{home / 'bin'}:{os.environ['PATH']}", "LD_LIBRARY_PATH": str(home / "lib"), "LANG": "C.UTF-8"}
    drop = {"user": user.uid, "group": user.gid, "extra_groups": []} if user else {}
    if user:
        os.chown(folder, user.uid, user.gid)
    port = str(free_ports(1)[0])
    data = str(folder / "data")
    common = {"env": env, "cwd": folder, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, **drop}
    begin = time.perf_counter()
    subprocess.run([home / "bin" / "initdb", "-D", data, "-U", "postgres", "-A", "trust"], check=True, **common)
    server = subprocess.Popen([home / "bin" / "postgres", "-D", data, "-p", port, "-k", str(folder)], **common)
    query = [home / "bin" / "psql", "-h", "127.0.0.1", "-p", port, "-U", "postgres", "-c", "SELECT 1"]
    while subprocess.run(query, check=False, **common).returncode:
        time.sleep(0.01)
    took = time.perf_counter() - begin
    server.terminate()
    server.wait()
    shutil.rmtree(folder)
    return took


def ours(**settings: str) -> tuple[float, list[str]]:
    """Seconds from the runtime's ``start`` to every core service healthy; and who was."""
    folder = Path(tempfile.mkdtemp(prefix="nself-bench-"))
    ports = dict(zip(PORTS, map(str, free_ports(len(PORTS))), strict=True))
    project = NativeProject(folder, **ports, **settings)
    Workspace.open(start=folder).build()
    try:
        runtime = project.runtime()
        begin = time.perf_counter()
        states = runtime.start(None, timeout=120, progress=quiet)
        took = time.perf_counter() - begin
        for state in states:
            if state.status != "unavailable" and state.health != "healthy":
                raise SystemExit(f"{state.name} is {state.health}: {state.reason}")
        return took, [state.name for state in states if state.status == "running"]
    finally:
        project.destroy()
        shutil.rmtree(folder)


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    bare()  # unpacks, and warms the page cache
    base, started, names = [], [], []
    for _ in range(rounds):
        base.append(bare())
        took, names = ours(**CORE)
        started.append(took)
    print(f"initdb and first query   {statistics.median(base):6.3f} s  (of {rounds}, {min(base):.3f} to {max(base):.3f})")
    print(f"start of {', '.join(names)}: {statistics.median(started):6.3f} s  ({min(started):.3f} to {max(started):.3f})")
    print(f"ratio {statistics.median(started) / statistics.median(base):.2f}  (goal: at most 2.5)")


if __name__ == "__main__":
    main()
