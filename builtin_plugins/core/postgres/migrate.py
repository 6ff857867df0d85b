"""Migrations of nself's own plugins, each applied once as the database's owner and remembered in ``nself.migrations``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from builtin_plugins.core.postgres.ledger import LEDGER, Known, check, checksum, culprit, read, refused
from builtin_plugins.core.postgres.sql_text import identifier, literal, nullable
from hookspecs import UserError

if TYPE_CHECKING:
    from hookspecs import PluginMigration, SqlAccess


def apply(sql: SqlAccess, migrations: Sequence[PluginMigration]) -> list[tuple[str, str]]:
    """Apply what is new, in order, and return ``(plugin, id)`` of each.

    Each runs in a transaction with its line in the ledger, unless it says that it must not; all of them under one lock.
    ``owner`` is the role that runs it; without one the database's owner does. ``UserError`` for an applied migration whose
    text changed since (nothing is applied then), and for one that the database refuses (those before it stay).
    """
    applied: list[tuple[str, str]] = []
    for database, own in by_database(migrations).items():
        todo = pending(own, read(sql, database))
        if todo:
            _run(sql, database, todo)
            applied += [(item.plugin, item.migration.id) for item in todo]
    return applied


def by_database(migrations: Sequence[PluginMigration]) -> dict[str, list[PluginMigration]]:
    """The migrations by the database they are for, the project's own (``""``) first."""
    found: dict[str, list[PluginMigration]] = {"": []}
    for item in migrations:
        found.setdefault(item.migration.database or "", []).append(item)
    return found


def pending(migrations: Sequence[PluginMigration], known: Known) -> list[PluginMigration]:
    """What is new. ``UserError`` where something applied was changed."""
    check(migrations, known)
    return [item for item in migrations if (item.plugin, item.migration.id) not in known]


def _run(sql: SqlAccess, database: str, todo: Sequence[PluginMigration]) -> None:
    script = LEDGER
    starts: list[tuple[int, PluginMigration]] = []
    for item in todo:
        starts.append((script.count("\n") + 1, item))
        script += _text(item)
    try:
        sql.run(script, database=database)
    except UserError as error:
        raise refused(error, culprit(error.where or error.message, starts)) from error


def _text(item: PluginMigration) -> str:
    migration = item.migration
    extensions = "".join(f"CREATE EXTENSION IF NOT EXISTS {identifier(name)} CASCADE;\n" for name in migration.extensions)
    role = f"SET ROLE {identifier(migration.owner)};\n" if migration.owner else ""
    back = "RESET ROLE;\n" if migration.owner else ""
    values = ", ".join((*map(literal, (item.plugin, migration.id, checksum(migration))), nullable(migration.down)))
    row = f"INSERT INTO nself.migrations (plugin, id, checksum, down) VALUES ({values});\n"
    body = f"{extensions}{role}{migration.up.rstrip().rstrip(';')}\n;\n{back}{row}"
    return f"BEGIN;\n{body}COMMIT;\n" if migration.transactional else body
