"""The Compose runtime against the programs it stands before: ``docker compose up -d --wait`` and ``docker ps``.

    .venv/bin/python -m benchmarks.runtime [rounds]

A Docker Engine must answer, with the images of ``python -m tests.e2e_docker.images``. The stack is the core with a cache, on
the stand-ins. Both sides start the very same file, each from nothing (no containers, no volumes), in turns; then both list what
runs. Goals: ``start`` within 1.1 times, ``status`` within 3 times. ``NSELF_TEST_COMPOSE_V2`` names a Compose v2 that is not
installed (``tests.e2e_docker.engine.compose_v2``). Compose v1 has no ``--wait``: it is then asked for the health until all are
healthy, as a script would.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from builtin_plugins.runtimes.compose import binaries
from tests.e2e_docker import images
from tests.installed import build_wheel, copy_of_checkout, install
from tests.ports import free_ports

NAME = "bench-runtime"
PORTS = ("POSTGRES_PORT", "HASURA_PORT", "AUTH_PORT", "REDIS_PORT", "NGINX_PORT", "NGINX_SSL_PORT")


def nself(folder: Path, *arguments: str) -> float:
    return timed(folder, str(folder.parent / "installed" / "bin" / "nself"), *arguments)


def timed(folder: Path, *argv: str) -> float:
    begin = time.perf_counter()
    done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False)
    took = time.perf_counter() - begin
    if done.returncode:
        raise SystemExit(f"{' '.join(argv)}\n{done.stdout}{done.stderr}")
    return took


def compose_up(folder: Path, program: str, *, wait: bool) -> float:
    """From nothing to healthy by Compose alone."""
    argv = [program, "-p", NAME, "-f", "docker-compose.yml"]
    begin = time.perf_counter()
    timed(folder, *argv, "up", "-d", *(["--wait"] if wait else []))
    while not wait and unhealthy():
        time.sleep(0.2)
    took = time.perf_counter() - begin
    timed(folder, *argv, "down", "-v")
    return took


def unhealthy() -> list[str]:
    listed = subprocess.run(
        ["docker", "ps", "-a", "--filter", f"label=nself.project={NAME}", "--format", "{{json .}}"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    return [line for line in listed.splitlines() if "(healthy)" not in json.loads(line)["Status"]]


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    place = Path(tempfile.mkdtemp(prefix="nself-bench-"))
    folder, home = place / "project", place / "home"
    folder.mkdir()
    (home / ".docker" / "cli-plugins").mkdir(parents=True)
    # as users have it: an editable install takes twice as long to begin
    install(place / "installed", build_wheel(copy_of_checkout(place / "checkout"), place))
    os.environ |= {"NSELF_HOME": str(home), "HOME": str(home)}
    if given := os.environ.get("NSELF_TEST_COMPOSE_V2"):
        (home / ".docker" / "cli-plugins" / "docker-compose").symlink_to(given)
    found = binaries.find()
    if found is None:
        raise SystemExit("there is no Docker Compose")
    settings = dict(zip(PORTS, map(str, free_ports(len(PORTS))), strict=True)) | images.settings() | {"REDIS_ENABLED": "true"}
    (folder / ".env").write_text(f"ENV=dev\nPROJECT_NAME={NAME}\n")
    (folder / ".env.dev").write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
    try:
        nself(folder, "build")
        theirs, ours, listed, status = [], [], [], []
        for _ in range(rounds):
            theirs.append(compose_up(folder, found.path, wait=not found.is_v1))
            ours.append(nself(folder, "start", "--runtime", "compose"))
            print(f"a round: {theirs[-1]:.2f} s and {ours[-1]:.2f} s", flush=True)
            for _ in range(7):
                listed.append(timed(folder, "docker", "ps"))
                status.append(nself(folder, "status"))
            nself(folder, "destroy", "--yes")
        tell(f"docker compose {found.version} up -d{'' if found.is_v1 else ' --wait'}", theirs, "nself start", ours, 1.1)
        tell("docker ps", listed, "nself status", status, 3)
    finally:
        subprocess.run(
            [found.path, "-p", NAME, "-f", "docker-compose.yml", "down", "-v"], cwd=folder, capture_output=True, check=False
        )
        shutil.rmtree(place)


def tell(peer: str, theirs: list[float], name: str, ours: list[float], goal: float) -> None:
    base, mine = statistics.median(theirs), statistics.median(ours)
    print(f"{peer}: {base * 1000:.0f} ms; {name}: {mine * 1000:.0f} ms; {mine / base:.2f} times (goal {goal}; fastest of each: "
          f"{min(ours) / min(theirs):.2f} times)")  # fmt: skip


if __name__ == "__main__":
    main()
