"""Applies the plugins' migrations, each once, and remembers them in ``nself.migrations``.

Runs through ``SqlAccess`` alone, so every runtime can call it: ``Service.migrator`` names ``apply``.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from hookspecs import Finding, Level, UserError

if TYPE_CHECKING:
    from hookspecs import Migration, PluginMigration, SqlAccess

#: The advisory lock of this ledger: the first bytes of "nself.migrations" hashed, any fixed number does.
_LOCK = int.from_bytes(hashlib.sha256(b"nself.migrations").digest()[:8], "big", signed=True)

_LEDGER = f"""\
SET client_min_messages = warning;
SELECT pg_advisory_lock({_LOCK}) \\g /dev/null
CREATE SCHEMA IF NOT EXISTS nself;
CREATE TABLE IF NOT EXISTS nself.migrations (
    plugin text NOT NULL,
    id text NOT NULL,
    checksum text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (plugin, id)
);
"""

_READ = "SELECT json_build_array(plugin, id, checksum) FROM nself.migrations;\n"

_CREATE_DATABASE = """\
SELECT format('CREATE DATABASE %I', {name}) WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = {name}) \\gexec
"""


def apply(sql: SqlAccess, migrations: Sequence[PluginMigration]) -> list[tuple[str, str]]:
    """Apply what is new, in order, and return ``(plugin, id)`` of each.

    Each runs in a transaction with its line in the ledger, unless it says that it must not; all of them under one lock.
    ``owner`` is the role that runs it; without one the database's owner does. ``UserError`` for an applied migration whose
    text changed since (nothing is applied then), and for one that the database refuses (those before it stay).
    """
    applied: list[tuple[str, str]] = []
    for database in dict.fromkeys(["", *(item.migration.database or "" for item in migrations)]):
        own = [item for item in migrations if (item.migration.database or "") == database]
        known = _known(sql, database)
        _check(own, known)
        todo = [item for item in own if (item.plugin, item.migration.id) not in known]
        if todo:
            _run(sql, database, todo)
            applied += [(item.plugin, item.migration.id) for item in todo]
    return applied


def _known(sql: SqlAccess, database: str) -> dict[tuple[str, str], str]:
    """The ledger. The database itself is made where it is missing."""
    try:
        rows = sql.run(_LEDGER + _READ, database=database)
    except UserError as error:
        if not re.search(r'database ".*" does not exist', error.where):
            raise
        name = f"'{database.replace(chr(39), chr(39) * 2)}'" if database else ":'wanted'"
        getenv = "" if database else "\\getenv wanted POSTGRES_DB\n"
        sql.run(getenv + _CREATE_DATABASE.format(name=name), database="postgres")
        rows = sql.run(_LEDGER + _READ, database=database)
    return {(plugin, id_): checksum for plugin, id_, checksum in map(json.loads, rows.splitlines()) if plugin}


def _check(migrations: Sequence[PluginMigration], known: dict[tuple[str, str], str]) -> None:
    changed = [
        Finding(
            level=Level.ERROR,
            message="was changed after it had been applied",
            where=f"{item.plugin}: {item.migration.id}",
            remedy="restore its text and put the change into a new migration",
            code="migration-changed",
        )
        for item in migrations
        if known.get((item.plugin, item.migration.id), checksum(item.migration)) != checksum(item.migration)
    ]
    if changed:
        names = ", ".join(finding.where for finding in changed)
        raise UserError(
            f"a migration was changed after it had been applied ({names})",
            remedy="restore its text and put the change into a new migration",
            findings=changed,
            code="migration-changed",
        )


def _run(sql: SqlAccess, database: str, todo: Sequence[PluginMigration]) -> None:
    script = _LEDGER
    starts: list[tuple[int, PluginMigration]] = []
    for item in todo:
        starts.append((script.count("\n") + 1, item))
        script += _text(item)
    try:
        sql.run(script, database=database)
    except UserError as error:
        raise UserError(
            f"the database refused the migration {_culprit(error.where, starts)}",
            where=error.where,
            remedy=_remedy(error.where),
            code="migration-failed",
        ) from error


def _text(item: PluginMigration) -> str:
    migration = item.migration
    extensions = "".join(f"CREATE EXTENSION IF NOT EXISTS {_identifier(name)} CASCADE;\n" for name in migration.extensions)
    role = f"SET ROLE {_identifier(migration.owner)};\n" if migration.owner else ""
    back = "RESET ROLE;\n" if migration.owner else ""
    values = ", ".join(_literal(text) for text in (item.plugin, migration.id, checksum(migration)))
    row = f"INSERT INTO nself.migrations VALUES ({values});\n"  # noqa: S608  literals, quoted
    body = f"{extensions}{role}{migration.up.rstrip().rstrip(';')}\n;\n{back}{row}"
    return f"BEGIN;\n{body}COMMIT;\n" if migration.transactional else body


def _culprit(message: str, starts: Sequence[tuple[int, PluginMigration]]) -> str:
    """Which migration a line number of psql's message lies in."""
    found = re.search(r"psql:[^:]*:(\d+):", message)
    line = int(found[1]) if found else 0
    item = next((item for start, item in reversed(starts) if start <= line), starts[0][1])
    return f"{item.plugin}: {item.migration.id}"


def _remedy(message: str) -> str:
    library = re.search(r": (\S+): cannot open shared object file", message)
    if library:
        return f"install the system package with {library[1]}, or leave the extension out of POSTGRES_EXTENSIONS"
    if "is not available" in message:
        return "leave the extension out of POSTGRES_EXTENSIONS, or use an image that has it"
    return ""


def checksum(migration: Migration) -> str:
    """SHA-256 of the migration's text."""
    return hashlib.sha256(migration.up.encode()).hexdigest()


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
