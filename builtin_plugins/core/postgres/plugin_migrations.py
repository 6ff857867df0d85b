"""Migrations of installed plugins: each plugin's run in a session of its own role, so that no text of theirs has more rights.

A text is handed over as a literal and run by ``EXECUTE``: it can neither commit nor reach psql's own commands, and it stands or
falls with its line in the ledger.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from builtin_plugins.core.postgres import ledger
from builtin_plugins.core.postgres.roles import SCHEMA, Role
from builtin_plugins.core.postgres.sql_text import identifier, literal, nullable
from hookspecs import UserError
from hookspecs.roles import role_of

if TYPE_CHECKING:
    from hookspecs import Migration, PluginMigration, SqlAccess

#: A role may set defaults of its own sessions, so those that psql's reading of literals depends on are set anew.
_OPENING = """\
SET standard_conforming_strings = on;
SET client_min_messages = warning;
SET search_path = public;
CREATE FUNCTION pg_temp.run(text) RETURNS void LANGUAGE plpgsql AS 'BEGIN EXECUTE $1; END';
"""
_TRUSTED = """\
SELECT json_agg(w) FROM unnest({names}::text[]) w WHERE NOT EXISTS (SELECT FROM pg_extension WHERE extname = w)
    AND NOT EXISTS (SELECT FROM pg_available_extension_versions v WHERE v.name = w AND v.trusted);
"""


def apply(sql: SqlAccess, role: Role, todo: Sequence[PluginMigration]) -> None:
    """Apply a plugin's new migrations of one database, in order. ``UserError`` names one that was refused; it left nothing."""
    database = _database_of(role, todo)
    _make_ready(sql, role, database, todo)
    script = _OPENING
    starts = []
    for item in todo:
        starts.append((script.count("\n") + 1, item))
        script += _up(item.migration)
    try:
        sql.run(script, database=database, user=role.name, password=role.password)
    except UserError as error:
        raise ledger.refused(error, ledger.culprit(error.where or error.message, starts)) from error
    finally:
        sql.run(_close(role), database=database)


def undo(sql: SqlAccess, role: Role, downs: Sequence[tuple[Migration, str]], database: str) -> None:
    """Run the undoing texts in the order given, all or none of those that a transaction can hold."""
    sql.run(_open(role), database=database)
    script = _OPENING + "BEGIN;\n"
    for migration, down in downs:
        forget = f"SELECT nself.forget({literal(migration.id)});\n"
        if migration.transactional:
            script += f"SELECT pg_temp.run({literal(down)});\n{forget}"
        else:
            script += f"COMMIT;\n{_bare(migration, down)}{forget}BEGIN;\n"
    try:
        sql.run(script + "COMMIT;\n", database=database, user=role.name, password=role.password)
    except UserError as error:
        raise UserError(
            f"the database refused to undo {role.plugin}: {downs[0][0].id}"
            if len(downs) == 1
            else f"{role.plugin} is not undone",
            where=error.where or error.message,
            remedy="nself plugin migrate status shows what is applied",
            code="migration-failed",
        ) from error
    finally:
        sql.run(_close(role), database=database)


def _database_of(role: Role, todo: Sequence[PluginMigration]) -> str:
    """The database of these migrations. ``UserError`` for one, or for an owner, that is not the plugin's own."""
    for item in todo:
        if item.migration.owner not in {None, role.name}:
            raise UserError(
                f"plugin {role.plugin} asks for the role {item.migration.owner}, which is not its own",
                where=f"{item.plugin}: {item.migration.id}", remedy="its author must leave `owner` out", code="migration-owner",
            )  # fmt: skip
    database = todo[0].migration.database or ""
    if database and not re.fullmatch(rf"{role_of(role.plugin)}(_[a-z0-9_]+)?", database):
        raise UserError(
            f"plugin {role.plugin} asks for the database {database}, which is not its own",
            where=f"{todo[0].plugin}: {todo[0].migration.id}",
            remedy=f"its author must name it {role.name}, or {role.name}_…",
            code="migration-database",
        )
    return database


def _make_ready(sql: SqlAccess, role: Role, database: str, todo: Sequence[PluginMigration]) -> None:
    """As the database's owner: extensions that may be made, a database of the plugin's own, the right to make tables."""
    wanted = sorted({name for item in todo for name in item.migration.extensions})
    if wanted:
        names = "ARRAY[" + ", ".join(map(literal, wanted)) + "]"
        refused = json.loads(sql.run(_TRUSTED.format(names=names), database=database).strip() or "null")
        if refused:
            raise UserError(
                f"plugin {role.plugin} needs the extension {', '.join(refused)}, which gives rights beyond its own tables",
                remedy=f"if you want it in your database, add it to POSTGRES_EXTENSIONS: {','.join(refused)}",
                code="extension-untrusted",
            )
    extensions = "".join(f"CREATE EXTENSION IF NOT EXISTS {identifier(name)} CASCADE;\n" for name in wanted)
    if database:
        own = f"INSERT INTO nself.plugins VALUES ({literal(role.plugin)}, {literal(role.name)}, NULL) ON CONFLICT DO NOTHING;\n"
        owner = (
            f"ALTER DATABASE {identifier(database)} OWNER TO {identifier(role.name)};\n"
            f"REVOKE ALL ON DATABASE {identifier(database)} FROM PUBLIC;\n"
            f"GRANT USAGE ON SCHEMA nself TO {identifier(role.name)};\n"
            f"GRANT EXECUTE ON FUNCTION nself.record(text, text, text), nself.forget(text) TO {identifier(role.name)};\n"
        )
        extensions = SCHEMA + own + owner + extensions
    sql.run(extensions + _open(role), database=database)


def _open(role: Role) -> str:
    return f"GRANT USAGE, CREATE ON SCHEMA public TO {identifier(role.name)};\n"


def _close(role: Role) -> str:
    return f"REVOKE CREATE ON SCHEMA public FROM {identifier(role.name)};\n"


def _up(migration: Migration) -> str:
    values = ", ".join((literal(migration.id), literal(ledger.checksum(migration)), nullable(migration.down)))
    record = f"SELECT nself.record({values});\n"
    if migration.transactional:
        return f"BEGIN;\nSELECT pg_temp.run({literal(migration.up)});\n{record}COMMIT;\n"
    return _bare(migration, migration.up) + record


def _bare(migration: Migration, text: str) -> str:
    """A statement that no transaction can hold. It stands bare in the script, so it may hold nothing that psql acts upon."""
    statement = text.strip().rstrip(";").strip()
    if "\\" in statement or ";" in statement:
        raise UserError(
            f"the migration {migration.id} is not transactional, and is not one plain statement",
            remedy="its author must write one statement, without a backslash or a semicolon inside",
            code="migration-text",
        )
    return statement + "\n;\n"
