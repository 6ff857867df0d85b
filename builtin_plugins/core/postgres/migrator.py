"""What ``Service.migrator`` names: roles, the migrations of ours and of installed plugins, undoing, and dropping.

Runs through ``SqlAccess`` alone, so every runtime can use it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from builtin_plugins.core.postgres import ledger, migrate, plugin_migrations, roles
from builtin_plugins.core.postgres.roles import Role
from builtin_plugins.core.postgres.sql_text import identifier, literal
from hookspecs import Migration, MigrationState, UserError
from hookspecs.roles import role_of

if TYPE_CHECKING:
    from hookspecs import PluginMigration, Project, Resolver, SqlAccess, Stack


class Migrator:
    """See ``hookspecs.Migrator``."""

    def __init__(self, sql: SqlAccess, project: Project, stack: Stack, resolver: Resolver) -> None:
        self._sql = sql
        self._resolver = resolver
        installed = {plugin.name: plugin for plugin in project.installed}
        self._theirs = {name: [m for m in stack.migrations if m.plugin == name] for name in installed}
        self._ours = [m for m in stack.migrations if m.plugin not in installed]
        # a built-in has a role where it has a migration run by it
        own = dict.fromkeys(m.plugin for m in self._ours if m.migration.owner == role_of(m.plugin))
        self._roles = {name: Role(name, roles.password(resolver, name)) for name in own}
        self._roles |= {name: Role.of(plugin, roles.password(resolver, name)) for name, plugin in installed.items()}

    def apply(self) -> list[tuple[str, str]]:
        """See ``hookspecs.Migrator``."""
        known = ledger.read(self._sql)
        theirs = [m for mine in self._theirs.values() for m in mine]
        ledger.check([m for m in (*self._ours, *theirs) if not m.migration.database], known)
        if self._roles:
            self._make_roles()
        applied = migrate.apply(self._sql, self._ours)
        for name, mine in self._theirs.items():
            for database, items in migrate.by_database(mine).items():
                todo = migrate.pending(items, ledger.read(self._sql, database) if database else known)
                if todo:
                    plugin_migrations.apply(self._sql, self._roles[name], todo)
                    applied += [(name, item.migration.id) for item in todo]
        if self._roles:
            self._settle()
        return applied

    def _make_roles(self) -> None:
        owners: dict[str, str] = {}
        for role in self._roles.values():
            for table in role.tables or ():
                owner = owners.setdefault(table, role.plugin)
                if owner != role.plugin:
                    raise UserError(
                        f"the table {table} is listed by both {owner} and {role.plugin}",
                        remedy=f"nself plugin disable {role.plugin}", code="table-twice",
                    )  # fmt: skip
        found = json.loads(self._sql.run(ledger.LEDGER + roles.SCHEMA + roles.KNOWN).strip() or "{}")
        self._sql.run(roles.reconcile(list(self._roles.values()), found))

    def _settle(self) -> None:
        """Grants upon tables that are there only now; and what a role made that it should not."""
        stray = [json.loads(row) for row in self._sql.run(roles.grants(list(self._roles.values()))).splitlines() if row]
        if stray:
            told = "; ".join(f"{plugin} has made {name}" for plugin, name in stray)
            raise UserError(
                f"a plugin owns what its `tables` does not list: {told}",
                remedy=f"nself plugin disable {stray[0][0]}, and report it to its author", code="table-unlisted",
            )  # fmt: skip

    def status(self) -> list[MigrationState]:
        """See ``hookspecs.Migrator``."""
        items = [*self._ours, *(m for mine in self._theirs.values() for m in mine)]
        known: ledger.Known = {}
        for database in migrate.by_database(items):
            known |= ledger.read(self._sql, database, make=False)
        found = [_state(item, known.get((item.plugin, item.migration.id))) for item in items]
        there = {(one.plugin, one.id) for one in found}
        found += [
            MigrationState(plugin=line.plugin, id=line.id, state="orphaned", applied_at=line.at, reversible=line.down is not None)
            for key, line in known.items()
            if key not in there
        ]
        return found

    def undo(self, plugin: str, *, down_to: str | None = None) -> list[str]:
        """See ``hookspecs.Migrator``."""
        role = self._roles.get(plugin)
        if role is None or plugin not in self._theirs:
            raise UserError(
                f"{plugin} has no migrations that could be undone", remedy="nself plugin migrate status", code="plugin-unknown"
            )
        undone: list[str] = []
        for database, items in reversed(migrate.by_database(self._theirs[plugin]).items()):
            if undone and down_to is None:
                break
            lines = [line for line in ledger.read(self._sql, database).values() if line.plugin == plugin]
            downs = _downs(plugin, lines, {item.migration.id: item for item in items}, down_to)
            if downs:
                plugin_migrations.undo(self._sql, role, downs, database)
                undone += [migration.id for migration, _ in downs]
        return undone

    def drop(self, plugin: str) -> list[str]:
        """See ``hookspecs.Migrator``."""
        return drop(self._sql, plugin)


def _state(item: PluginMigration, line: ledger.Applied | None) -> MigrationState:
    changed = line is not None and line.checksum != ledger.checksum(item.migration)
    return MigrationState(
        plugin=item.plugin,
        id=item.migration.id,
        state="pending" if line is None else "changed" if changed else "applied",
        applied_at=line.at if line else "",
        reversible=item.migration.down is not None,
    )


def _downs(
    plugin: str, lines: list[ledger.Applied], items: dict[str, PluginMigration], down_to: str | None
) -> list[tuple[Migration, str]]:
    """The migrations to undo, latest first, with the text that does it: the plugin's own, else what the ledger kept."""
    order = [line.id for line in lines]
    if down_to and down_to not in order:
        raise UserError(
            f"{plugin} has applied no migration {down_to!r}", remedy=f"it is one of {', '.join(order)}", code="migration-unknown"
        )
    wanted = lines[-1:] if down_to is None else lines[order.index(down_to) + 1 :] if down_to else lines
    found = []
    for line in reversed(wanted):
        item = items.get(line.id)
        migration = item.migration if item else Migration(id=line.id, up="", down=line.down)
        if migration.down is None:
            raise UserError(
                f"{plugin}: {line.id} cannot be undone: it does not say how",
                remedy="nself plugin uninstall --drop-data removes the plugin's tables", code="migration-irreversible",
            )  # fmt: skip
        found.append((migration, migration.down))
    return found


#: Rows of the plugin's in nself's own schemas (``nself_…``: what waits in a queue) are those with its name in a column `plugin`.
_DROP = """\
DO $nself$
DECLARE
    place regclass;
BEGIN
    PERFORM pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = {name};
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = {name}) THEN
        DROP OWNED BY {role} CASCADE;
        DROP ROLE {role};
    END IF;
    FOR place IN SELECT c.oid::regclass FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'plugin'
                 WHERE c.relkind = 'r' AND starts_with(c.relnamespace::regnamespace::text, 'nself_') LOOP
        EXECUTE format('DELETE FROM %s WHERE plugin = %L', place, {plugin});
    END LOOP;
    DELETE FROM nself.migrations WHERE plugin = {plugin};
    DELETE FROM nself.plugins WHERE plugin = {plugin};
END $nself$;
"""


def drop(sql: SqlAccess, plugin: str) -> list[str]:
    """See ``hookspecs.Migrator``: in one transaction but for databases of the plugin's own, which go first."""
    role = role_of(plugin)
    sql.run(ledger.LEDGER + roles.SCHEMA)
    owned = f"FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner WHERE r.rolname = {literal(role)} AND c.relkind IN ('r', 'p')"
    gone = [f"table {name}" for name in sql.run(f"SELECT c.relname {owned} ORDER BY 1;\n").split()]
    bases = sql.run(f"SELECT datname FROM pg_database WHERE datdba = to_regrole({literal(role)})::oid ORDER BY 1;\n").split()
    for base in bases:
        sql.run(f"DROP DATABASE IF EXISTS {identifier(base)} WITH (FORCE);\n")
        gone.append(f"database {base}")
    there = sql.run(f"SELECT 1 FROM pg_roles WHERE rolname = {literal(role)};\n").strip()
    sql.run(_DROP.format(name=literal(role), role=identifier(role), plugin=literal(plugin)))
    return [*gone, *([f"role {role}"] if there else [])]
