"""A PostgreSQL of the tests' own: on a free loopback port, unpacked by pg0, run as an unprivileged user, removed afterwards."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pg0

from tests.ports import free_port

PASSWORD = "auth-tests-only"


@contextlib.contextmanager
def running_postgres(*, durable: bool = False) -> Iterator[str]:
    """The URL of a fresh server. PostgreSQL refuses root, so root hands it to `nobody`; `durable` keeps fsync on."""
    folder = Path(tempfile.mkdtemp(prefix="nself-auth-pg-", dir="/tmp"))
    program = folder / "pg0"
    shutil.copy2(Path(pg0.__file__).parent / "bin" / "pg0", program)
    account: dict[str, object] = {}
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        for path in (folder, program):
            os.chown(path, nobody.pw_uid, nobody.pw_gid)
        account = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
    environment = {"HOME": str(folder), "PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
    port = free_port()

    def run(*arguments: str) -> None:
        log = folder / "pg0.log"
        with log.open("ab") as out:
            done = subprocess.run(
                [program, *arguments], cwd=folder, env=environment, stdout=out, stderr=out, timeout=120, check=False, **account
            )
        if done.returncode:
            raise RuntimeError(f"pg0 {arguments[0]} failed:\n{log.read_text('utf-8', 'replace')[-2000:]}")

    options = [
        f"fsync={'on' if durable else 'off'}",
        "listen_addresses=127.0.0.1",
        "max_connections=60",
        f"unix_socket_directories={folder}",
    ]
    flags = [part for option in options for part in ("-c", option)]
    try:
        run("start", "--name", "auth", "--port", str(port), "--data-dir", str(folder / "data"), "-P", PASSWORD, *flags)
        yield f"postgresql://postgres:{PASSWORD}@127.0.0.1:{port}/postgres"
    finally:
        with contextlib.suppress(RuntimeError):
            run("stop", "--name", "auth")
        shutil.rmtree(folder, ignore_errors=True)
