"""Before PostgreSQL starts as a local process: programs unpacked, a data folder of the right major, the password in force."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from builtin_plugins.core.postgres import programs
from builtin_plugins.core.postgres.sql_text import identifier
from builtin_plugins.core.postgres.version import NATIVE_MAJOR
from hookspecs import UserError

if TYPE_CHECKING:
    from hookspecs import NativeContext

VOLUME = "postgres_data"
_CREDENTIALS = "nself.credentials"


def check(context: NativeContext) -> None:
    """``UserError`` for data of another PostgreSQL major, and for a folder that holds something else."""
    data = context.place("volume", VOLUME)
    if any(data.iterdir()):
        check_major(data)


def prepare(context: NativeContext) -> None:
    """Make ready. ``UserError`` for data of another PostgreSQL major."""
    data = context.place("volume", VOLUME)
    owner = data.stat()
    other = os.geteuid() == 0
    folder = programs.unpack(uid=owner.st_uid if other else None, gid=owner.st_gid if other else None)
    # libxml2 of these programs finds its own ICU by this alone
    variable = "DYLD_LIBRARY_PATH" if sys.platform == "darwin" else "LD_LIBRARY_PATH"
    context.env[variable] = str(folder / "lib")
    if not any(data.iterdir()):
        _initialise(context, data)
        return
    check_major(data)
    _forget_stale_pid(data)
    _renew_credentials(context, data)


def check_major(data: Path) -> None:
    """Refuse data of another major, and a folder that holds something else."""
    try:
        found = (data / "PG_VERSION").read_text(encoding="ascii").strip()
    except FileNotFoundError:
        raise UserError(
            "the folder for PostgreSQL's data holds something else", where=str(data), remedy="move it away", code="data-foreign"
        ) from None
    if found != str(NATIVE_MAJOR):
        raise UserError(
            f"the data is of PostgreSQL {found}, and this runtime has PostgreSQL {NATIVE_MAJOR}",
            where=str(data),
            remedy=(
                f"dump it with PostgreSQL {found}'s pg_dumpall, move the folder away, start, and restore with psql; "
                f"or use the compose runtime with POSTGRES_VERSION={found}"
            ),
            code="data-major",
        )


def _initialise(context: NativeContext, data: Path) -> None:
    """Run initdb in a folder beside it, which takes the place of the empty one in one step."""
    fresh = context.place("volume", f".{VOLUME}.new")
    if any(fresh.iterdir()):  # of a start that was cut off
        shutil.rmtree(fresh)
        fresh = context.place("volume", f".{VOLUME}.new")
    password = context.place("run", "initdb.password")
    context.write(password, context.env["POSTGRES_PASSWORD"])
    try:
        context.run(
            [
                context.program("initdb"), "--pgdata", str(fresh), "--username", context.env["POSTGRES_USER"],
                "--pwfile", str(password), "--auth", "scram-sha-256", "--encoding", "UTF8",
                # PostgreSQL's own C.UTF-8, the same on every system
                "--locale-provider", "builtin", "--builtin-locale", "C.UTF-8", "--locale", "C",
                "--no-instructions", "--no-sync",
            ]
        )  # fmt: skip
    finally:
        password.unlink(missing_ok=True)
    name = context.env["POSTGRES_DB"]
    if name != "postgres" and "\n" not in name:
        _single_user(context, fresh, f"CREATE DATABASE {identifier(name)}\n", "-c", "fsync=off")
    context.write(fresh / _CREDENTIALS, _fingerprint(context, os.urandom(8).hex()))
    # Nothing of it was forced to disk one by one; once, together, is the same and much faster.
    context.run([context.program("initdb"), "--sync-only", "--pgdata", str(fresh), *_sync_method()])
    fresh.replace(data)


def _sync_method() -> list[str]:
    return ["--sync-method", "syncfs"] if sys.platform == "linux" else []


def _forget_stale_pid(data: Path) -> None:
    """A server that was killed leaves its pid; another process may have that number by now."""
    path = data / "postmaster.pid"
    try:
        pid = int(path.read_text(encoding="ascii").split("\n", 1)[0])
    except (FileNotFoundError, ValueError):
        return
    import psutil

    try:
        alive = psutil.Process(pid)
        ours = alive.name().startswith("postgres") and Path(alive.cwd()) == data.resolve()
    except psutil.Error:
        ours = False
    if not ours:
        path.unlink(missing_ok=True)


def _renew_credentials(context: NativeContext, data: Path) -> None:
    """Bring a changed ``POSTGRES_USER`` or ``POSTGRES_PASSWORD`` into the database before it is opened to anybody."""
    path = data / _CREDENTIALS
    known = path.read_text(encoding="ascii") if path.exists() else ""
    if known == _fingerprint(context, known.partition(":")[0]):
        return
    role = context.env["POSTGRES_USER"].replace('"', '""')
    text = context.env["POSTGRES_USER"].replace("'", "''")
    password = context.env["POSTGRES_PASSWORD"].replace("'", "''")
    if "\n" in password:
        raise UserError("POSTGRES_PASSWORD holds a line break", remedy="choose another", code="postgres-password")
    make = (
        f"DO $nself$BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{text}') "
        f'THEN CREATE ROLE "{role}"; END IF; END$nself$'
    )
    statements = f"SET standard_conforming_strings = on\n{make}\nALTER ROLE \"{role}\" SUPERUSER LOGIN PASSWORD '{password}'\n"
    _single_user(context, data, statements)
    context.write(path, _fingerprint(context, os.urandom(8).hex()))


def _single_user(context: NativeContext, data: Path, statements: str, *options: str) -> None:
    """Run statements, one a line, before there is a network: PostgreSQL's single-user mode."""
    program = context.program("postgres")
    context.run(
        [program, "--single", "-D", str(data), "-c", "log_min_error_statement=panic", *options, "postgres"], stdin=statements
    )


def _fingerprint(context: NativeContext, salt: str) -> str:
    secret = f"{context.env['POSTGRES_USER']}\0{context.env['POSTGRES_PASSWORD']}".encode()
    return f"{salt}:{hashlib.scrypt(secret, salt=salt.encode(), n=1024, r=8, p=1).hex()}"
