"""Nested inserts: rows with their related rows, parents before children, in one transaction."""

# ruff: noqa: S608 - every identifier here is quoted and every value is a placeholder

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..db.sql import ident, qualified
from ..errors import EngineError, validation
from ..schema.model import Relationship
from ..schema.roles import RoleTable
from .context import Context, Row, cast
from .fields import Field
from .insert import column_for, insert_sql, object_items
from .plan import Statement, Step
from .scope import Val
from .select import object_json, require_selection
from .update import CHECK_FAILED, presets, response_json


class NestedInsert:
    """Runs one `insert_*` field whose objects carry related rows."""

    def __init__(self, factory: Callable[[], Context], variables: dict[str, Any], session: dict[str, str], lease: Any) -> None:
        self.factory = factory
        self.variables = variables
        self.session = session
        self.lease = lease
        self.affected = 0

    async def row(
        self, table: RoleTable, val: Val, conflict: Val | None, path: str, fixed: dict[str, str | None]
    ) -> dict[str, str | None] | None:
        """Insert one object with what hangs on it. Returns its link columns as text and its `ctid`; None if skipped."""
        if table.insert is None:
            raise validation(f"the role may not insert into {table.name}", path)
        columns = table.insert_columns()
        links = table.tracked.relationships
        plain: list[tuple[str, Val]] = []
        later: list[tuple[Relationship, Val]] = []
        fixed = dict(fixed)
        for name, item in object_items(table, val, path):
            link = links.get(name)
            if link is None:
                plain.append((name, item))
            elif item.missing:
                continue
            elif link.array or link.after_parent:
                later.append((link, item))
            else:
                fixed |= await self._before(link, item, f"{path}.{name}")
        wanted = {here for link in links.values() for here, _ in link.mapping}
        inserted = await self._insert(table, columns, plain, conflict, path, fixed, sorted(wanted))
        if inserted is None:
            if later:
                kind = "array relations" if later[0][0].array else f'object relation "{later[0][0].name}"'
                shown = table.tracked.table.name
                message = f'cannot proceed to insert {kind} since insert to table "{shown}" affects zero rows'
                raise EngineError("not-supported", message, path)
            return None
        for link, item in later:
            await self._after(link, item, inserted, f"{path}.{link.name}")
        return inserted

    def _child(self, link: Relationship, path: str) -> RoleTable:
        target = self.factory().role.table(link.target)
        if target is None or target.insert is None:
            raise validation(f"the role may not insert through {link.name}", path)
        return target

    async def _before(self, link: Relationship, val: Val, path: str) -> dict[str, str | None]:
        target = self._child(link, path)
        given = dict(val.items())
        if "data" not in given:
            raise validation('missing required field "data"', path)
        inserted = await self.row(target, given["data"], given.get("on_conflict"), f"{path}.data", {})
        if inserted is None:
            shown = target.tracked.table.name
            message = f'cannot proceed to insert object relation "{link.name}" since insert to table "{shown}" affects zero rows'
            raise EngineError("not-supported", message, path)
        return {here: inserted[there] for here, there in link.mapping}

    async def _after(self, link: Relationship, val: Val, parent: dict[str, str | None], path: str) -> None:
        target = self._child(link, path)
        given = dict(val.items())
        if "data" not in given:
            raise validation('missing required field "data"', path)
        fixed = {there: parent[here] for here, there in link.mapping}
        items = given["data"].elements() if link.array else [given["data"]]
        for item in items:
            await self.row(target, item, given.get("on_conflict"), f"{path}.data", fixed)

    async def _insert(
        self,
        table: RoleTable,
        columns: dict[str, Any],
        plain: list[tuple[str, Val]],
        conflict: Val | None,
        path: str,
        fixed: dict[str, str | None],
        wanted: list[str],
    ) -> dict[str, str | None] | None:
        c = self.factory()
        by_name = table.tracked.table.by_name
        cells: dict[str, str] = {}
        for name, item in plain:
            column = column_for(table, columns, name, path)
            cells[column.name] = c.column_value(item, column, c.enum_of(table, column.name), f"{path}.{name}")
        for name, text in fixed.items():
            if name in cells:
                raise validation(f'cannot insert "{name}": its value comes from the relationship', path)
            cells[name] = cast(c.scope.text(text), by_name[name].type) if text is not None else "NULL"
        cells |= presets(c, table, table.insert or {})
        row = Row(c.alias())
        source = f"VALUES ({', '.join(cells.values())})" if cells else ""
        cte = insert_sql(c, table, row, list(cells), source, conflict, path)
        head, _, verdict = cte.rpartition(f" RETURNING {row.alias} AS r, ")
        names = [*wanted, *[k for k in table.tracked.table.primary_key if k not in wanted]]
        listed = "".join(f", {row.col(name)}::text AS {ident(name)}" for name in names)
        sql = f"{head} RETURNING {row.alias}.ctid::text AS ctid, {verdict}{listed}"
        statement = Statement(sql, c.scope.params)
        found = await self.lease.row(statement.sql, statement.values(self.variables, self.session))
        if found is None:
            return None
        if not found["ok"]:
            raise EngineError("permission-error", CHECK_FAILED, path)
        self.affected += 1
        return dict(found)


def nested_step(
    factory: Callable[[], Context], table: RoleTable, field: Field, objects: Val, conflict: Val | None, path: str, one: bool
) -> Step:
    """A step that inserts, then reads back what was asked for."""
    args = f"{path}.args.{'object' if one else 'objects'}"

    async def run(lease: Any, variables: dict[str, Any], session: dict[str, str]) -> bytes:
        work = NestedInsert(factory, variables, session, lease)
        places = []
        for item in [objects] if one else objects.elements():
            inserted = await work.row(table, item, conflict, args, {})
            if inserted is not None:
                places.append(inserted["ctid"])
        c = factory()
        row = Row(c.alias())
        tids = f"({c.scope.text('{' + ','.join(chr(34) + str(p) + chr(34) for p in places) + '}')})::tid[]"
        source = f"{qualified(*table.tracked.key)} AS {row.alias} WHERE {row.alias}.ctid = ANY ({tids})"
        if one:
            require_selection(field, table.name, path)
            sql = f"SELECT (SELECT {object_json(c, table, field.sets, row, path)} FROM {source} LIMIT 1)"
        else:
            sql = "SELECT " + response_json(c, table, field, source, row, path, str(work.affected))
        statement = Statement(sql, c.scope.params)
        return await lease.value(statement.sql, statement.values(variables, session)) or b"null"

    return Step(field.alias, None, run, error_path=args)
