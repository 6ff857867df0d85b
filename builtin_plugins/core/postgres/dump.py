"""The database as one SQL file: its roles, then each database's content. PostgreSQL's own programs write and read it.

A database is made anew with the server's own locale before its content is read, since the locale of another machine or image
may not exist here; so settings made by ``ALTER DATABASE`` and the privileges on the database itself are not part of the dump.
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from hookspecs import DataAccess

_PSQL = ("psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", "postgres")
_DATABASES = "SELECT datname FROM pg_database WHERE datallowconn AND NOT datistemplate AND datname <> 'postgres' ORDER BY 1"


def dump(service: DataAccess, into: Path) -> None:
    """Write the dump. ``UserError`` with the program's message where one fails."""
    with into.open("wb") as out:
        for line in _output(service, "pg_dumpall", "--roles-only").splitlines():
            if not line.startswith(("\\restrict", "\\unrestrict")):  # between them psql would refuse \\gexec
                out.write((_unless_there(line) + "\n").encode())
        for name in _output(service, *_PSQL, "-c", _DATABASES).splitlines():
            out.write(_make(name).encode())
            out.flush()
            _run(service, ["pg_dump", "--dbname", f"dbname={_connection(name)}"], stdout=out)
            out.seek(0, 2)


def restore(service: DataAccess, source: Path) -> None:
    """Read the dump into a server whose databases of the same names it replaces."""
    with source.open("rb") as content:
        _run(service, [*_PSQL, "-o", "/dev/null", "-f", "-"], stdin=content)


def _unless_there(line: str) -> str:
    """``CREATE ROLE`` of a role that the server may have already (its own superuser) as a statement that then does nothing."""
    found = re.fullmatch(r"CREATE ROLE (.+);", line)
    if not found:
        return line
    name = found[1][1:-1].replace('""', '"') if found[1].startswith('"') else found[1]
    quoted = name.replace("'", "''")
    return f"SELECT {_literal(line)} WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{quoted}') \\gexec"


def _make(name: str) -> str:
    identifier = '"' + name.replace('"', '""') + '"'
    drop = f"DROP DATABASE IF EXISTS {identifier} WITH (FORCE);\n"
    return f"\n\\connect postgres\n{drop}CREATE DATABASE {identifier};\n\\connect {identifier}\n"


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _connection(name: str) -> str:
    """A value in a connection string (libpq, section 34.1.1.1)."""
    return "'" + name.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _output(service: DataAccess, *argv: str) -> str:
    with tempfile.TemporaryFile() as said:
        _run(service, list(argv), stdout=said)
        said.seek(0)
        return said.read().decode()


def _run(service: DataAccess, argv: list[str], *, stdin: IO[bytes] | None = None, stdout: IO[bytes] | None = None) -> None:
    password = {"PGPASSWORD": service.environment["POSTGRES_PASSWORD"]}
    service.run(argv, stdin=stdin, stdout=stdout, env=password)
