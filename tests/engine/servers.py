"""A PostgreSQL and an engine of the tests' own, on free loopback ports, removed afterwards."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx

from tests.ports import free_port

SECRET = "engine-tests-only"
ROOT = Path(__file__).parents[2]


def debian_programs() -> Path | None:
    """Debian's server programs, where PostGIS is installed with them."""
    for share in sorted(Path("/usr/share/postgresql").glob("*/extension/postgis.control"), reverse=True):
        programs = Path("/usr/lib/postgresql") / share.parts[4] / "bin"
        if (programs / "initdb").exists():
            return programs
    return None


def _account() -> dict[str, object]:
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _unpacked(account: dict[str, object]) -> Path:
    """The programs of pg0, unpacked once and kept for later runs."""
    import pg0

    home = Path(tempfile.gettempdir()) / f"nself-engine-pg0-{account.get('user', os.getuid())}"
    found = sorted(home.glob(".pg0/installation/*/bin/initdb"))
    if found:
        return found[-1].parent
    home.mkdir(mode=0o755, exist_ok=True)
    program = home / "pg0"
    shutil.copy2(Path(pg0.__file__).parent / "bin" / "pg0", program)
    if account:
        os.chown(home, account["user"], account["group"])
        os.chown(program, account["user"], account["group"])
    environment = {"HOME": str(home), "PATH": os.environ["PATH"]}
    data, port = str(home / "first"), str(free_port())
    start = [program, "start", "--name", "unpack", "--port", port, "--data-dir", data]
    for argv in (start, [program, "stop", "--name", "unpack"]):
        subprocess.run(argv, cwd=home, env=environment, check=True, capture_output=True, timeout=180, **account)
    shutil.rmtree(home / "first", ignore_errors=True)
    return sorted(home.glob(".pg0/installation/*/bin/initdb"))[-1].parent


class Postgres:
    """One cluster; `stop` and `start` let tests see the database go away and come back."""

    def __init__(self, programs: Path, folder: Path, account: dict[str, object], environment: dict[str, str]) -> None:
        self.programs, self.folder, self.account, self.environment = programs, folder, account, environment
        self.port = free_port()
        self.url = f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def run(self, program: str, *arguments: str) -> None:
        environment = {"HOME": str(self.folder), "PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", **self.environment}
        if not self.programs.is_relative_to("/usr"):
            environment["LD_LIBRARY_PATH"] = str(self.programs.parent / "lib")
        with (self.folder / "programs.log").open("ab") as log:
            argv = [self.programs / program, *arguments]
            subprocess.run(
                argv, cwd=self.folder, env=environment, check=True, stdout=log, stderr=log, timeout=120, **self.account
            )

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self.folder} -c fsync=off"
        self.run("pg_ctl", "-D", str(self.folder / "data"), "-o", options, "-l", str(self.folder / "log"), "-w", "start")

    def stop(self) -> None:
        self.run("pg_ctl", "-D", str(self.folder / "data"), "-m", "immediate", "-w", "stop")


@contextlib.contextmanager
def running_postgres(*, postgis: bool = False, **environment: str) -> Iterator[Postgres]:
    """A fresh cluster, with this environment. PostgreSQL refuses root, so root hands it to `nobody`."""
    account = _account()
    programs = debian_programs() if postgis else None
    programs = programs or _unpacked(account)
    folder = Path(tempfile.mkdtemp(prefix="nself-engine-pg-", dir="/tmp"))
    if account:
        os.chown(folder, account["user"], account["group"])
    server = Postgres(programs, folder, account, environment)
    try:
        server.run("initdb", "-D", str(folder / "data"), "-U", "postgres", "-A", "trust", "-E", "UTF8")
        server.start()
        yield server
    finally:
        with contextlib.suppress(subprocess.CalledProcessError):
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)


class Engine:
    """An engine in a process of its own."""

    def __init__(self, url: str, **variables: str) -> None:
        self.port = free_port()
        self.base = f"http://127.0.0.1:{self.port}"
        kept = {k: v for k, v in os.environ.items() if not k.startswith("HASURA_")}
        self.environment = kept | {
            "HASURA_GRAPHQL_DATABASE_URL": url,
            "HASURA_GRAPHQL_SERVER_PORT": str(self.port),
            "HASURA_GRAPHQL_ADMIN_SECRET": SECRET,
            "HASURA_GRAPHQL_EVENTS_FETCH_INTERVAL": "100",
            "HASURA_GRAPHQL_LIVE_QUERIES_MULTIPLEXED_REFETCH_INTERVAL": "100",
            "HASURA_GRAPHQL_STREAMING_QUERIES_MULTIPLEXED_REFETCH_INTERVAL": "100",
            "HASURA_GRAPHQL_SCHEMA_SYNC_POLL_INTERVAL": "100",
            **variables,
        }
        self.http = httpx.Client(base_url=self.base, timeout=30)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        argv = [sys.executable, "-m", "builtin_plugins.core.hasura.engine"]
        self.process = subprocess.Popen(argv, cwd=ROOT, env=self.environment, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            with contextlib.suppress(httpx.HTTPError):
                if self.http.get("/v1/version").status_code == 200:
                    return
            time.sleep(0.05)
        raise RuntimeError("the engine did not start")

    def stop(self, *, hard: bool = False) -> None:
        if self.process is not None:
            self.process.kill() if hard else self.process.terminate()
            self.process.wait(20)
            self.process = None

    def meta(self, kind: str, args: object, path: str = "/v1/metadata") -> httpx.Response:
        body = {"type": kind, "args": args}
        return self.http.post(path, json=body, headers={"x-hasura-admin-secret": SECRET})

    def sql(self, text: str) -> dict:
        reply = self.meta("run_sql", {"sql": text}, "/v2/query")
        assert reply.status_code == 200, reply.text
        return reply.json()

    def ask(self, query: str, variables: dict | None = None, role: str | None = None, **session: str) -> dict:
        headers = {"x-hasura-admin-secret": SECRET}
        if role:
            headers["x-hasura-role"] = role
        headers |= {f"x-hasura-{key.replace('_', '-')}": value for key, value in session.items()}
        reply = self.http.post("/v1/graphql", json={"query": query, "variables": variables or {}}, headers=headers)
        return reply.json()


@contextlib.contextmanager
def running_engine(url: str, **variables: str) -> Iterator[Engine]:
    """An engine on this database."""
    engine = Engine(url, **variables)
    try:
        engine.start()
        yield engine
    finally:
        engine.stop()
        engine.http.close()
