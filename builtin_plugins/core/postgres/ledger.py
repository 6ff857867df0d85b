"""``nself.migrations``: what was applied, with the checksum of its text and how to undo it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from builtin_plugins.core.postgres.sql_text import literal
from hookspecs import Finding, Level, UserError

if TYPE_CHECKING:
    from hookspecs import Migration, PluginMigration, SqlAccess

#: The advisory lock of this ledger: the first bytes of "nself.migrations" hashed, any fixed number does.
LOCK = int.from_bytes(hashlib.sha256(b"nself.migrations").digest()[:8], "big", signed=True)

LEDGER = f"""\
SET client_min_messages = warning;
SELECT pg_advisory_lock({LOCK}) \\g /dev/null
CREATE SCHEMA IF NOT EXISTS nself;
CREATE TABLE IF NOT EXISTS nself.migrations (
    plugin text NOT NULL,
    id text NOT NULL,
    checksum text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (plugin, id)
);
ALTER TABLE nself.migrations ADD COLUMN IF NOT EXISTS down text;
"""

_READ = """\
SELECT json_build_array(plugin, id, checksum, applied_at, down) FROM nself.migrations ORDER BY plugin, applied_at, id;
"""

_CREATE_DATABASE = """\
SELECT format('CREATE DATABASE %I', {name}) WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = {name}) \\gexec
"""


@dataclass(frozen=True)
class Applied:
    """One line of the ledger."""

    plugin: str
    id: str
    checksum: str
    at: str = ""
    down: str | None = None


Known = dict[tuple[str, str], Applied]


def read(sql: SqlAccess, database: str = "", *, make: bool = True) -> Known:
    """The ledger, in the order of application. The database itself is made where it is missing, unless it must not."""
    try:
        rows = sql.run(LEDGER + _READ, database=database)
    except UserError as error:
        if not re.search(r'database ".*" does not exist', f"{error.where} {error.message}"):
            raise
        if not make:
            return {}
        name = literal(database) if database else ":'wanted'"
        getenv = "" if database else "\\getenv wanted POSTGRES_DB\n"
        sql.run(getenv + _CREATE_DATABASE.format(name=name), database="postgres")
        rows = sql.run(LEDGER + _READ, database=database)
    found = [Applied(*json.loads(row)) for row in rows.splitlines() if row.startswith("[")]
    return {(one.plugin, one.id): one for one in found}


def check(migrations: Sequence[PluginMigration], known: Known) -> None:
    """``UserError`` for those whose text is not what was applied."""
    changed = [
        Finding(
            level=Level.ERROR,
            message="was changed after it had been applied",
            where=f"{item.plugin}: {item.migration.id}",
            remedy="restore its text and put the change into a new migration",
            code="migration-changed",
        )
        for item in migrations
        if (before := known.get((item.plugin, item.migration.id))) and before.checksum != checksum(item.migration)
    ]
    if changed:
        names = ", ".join(finding.where for finding in changed)
        raise UserError(
            f"a migration was changed after it had been applied ({names})",
            remedy="restore its text and put the change into a new migration",
            findings=changed,
            code="migration-changed",
        )


def checksum(migration: Migration) -> str:
    """SHA-256 of the migration's text."""
    return hashlib.sha256(migration.up.encode()).hexdigest()


def culprit(message: str, starts: Sequence[tuple[int, PluginMigration]]) -> str:
    """Which migration a line number of psql's message lies in; each is known with the line it starts at."""
    found = re.search(r"psql:[^:]*:(\d+):", message)
    line = int(found[1]) if found else 0
    item = next((item for start, item in reversed(starts) if start <= line), starts[0][1])
    return f"{item.plugin}: {item.migration.id}"


def refused(error: UserError, name: str) -> UserError:
    """The error of a migration that the database did not take."""
    said = error.where if "ERROR" in error.where else error.message
    return UserError(f"the database refused the migration {name}", where=said, remedy=_remedy(said), code="migration-failed")


def _remedy(message: str) -> str:
    library = re.search(r": (\S+): cannot open shared object file", message)
    if library:
        return f"install the system package with {library[1]}, or leave the extension out of POSTGRES_EXTENSIONS"
    if "is not available" in message:
        return "leave the extension out of POSTGRES_EXTENSIONS, or use an image that has it"
    return ""
