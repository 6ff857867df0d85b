"""The engine: pools, the schema in force, and how a new metadata document or a changed database takes effect."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import asyncpg

from .config import Config
from .db.catalog import Catalog, Name, introspect
from .db.pool import DOWN, Pool
from .db.sql import ident, qualified
from .errors import DatabaseDown, EngineError
from .executor import Executor
from .logs import Logger
from .metadata.store import Store, clone, empty
from .metadata.tables import SOURCE
from .schema.build import build, source_of
from .schema.model import ADMIN, Schema
from .schema.names import parse_name
from .schema.roles import role_schema
from .schema.roots import duplicate_roots


class Engine:
    """Everything one process serves."""

    def __init__(self, config: Config, logger: Logger) -> None:
        self.config = config
        self.logger = logger
        self.pool = Pool(config.database_url, config.pool_size, config.connection_timeout)
        same = config.metadata_database_url == config.database_url
        self.meta_pool = self.pool if same else Pool(config.metadata_database_url, 4, config.connection_timeout)
        self.store = Store(self.meta_pool)
        self.executor = Executor(self.pool)
        self.document: dict[str, Any] = empty()
        self.resource_version = 0
        self.catalog = Catalog()
        self.lock = asyncio.Lock()
        self.ready = False
        self.tasks: list[asyncio.Task[Any]] = []
        self.listeners: list[Any] = []
        self.remotes: Any = None

    @property
    def schema(self) -> Schema:
        """The schema in force."""
        if self.executor.schema is None:
            raise DatabaseDown("the schema is not loaded yet")
        return self.executor.schema

    async def start(self) -> None:
        """Load what is stored; when the database is down, keep trying in the background."""
        try:
            await self.load()
        except (DatabaseDown, *DOWN, asyncpg.PostgresError) as error:
            self.logger.write("startup", {"kind": "database", "info": f"not reachable yet: {error}"}, "error")
        self.tasks.append(asyncio.create_task(self._follow()))

    async def stop(self) -> None:
        """End background work and close the pools."""
        for task in self.tasks:
            task.cancel()
        for task in self.tasks:
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await task
        await self.pool.close()
        if self.meta_pool is not self.pool:
            await self.meta_pool.close()

    async def load(self) -> None:
        """Prepare the catalogue tables, read the document and build the schema."""
        await self.store.prepare()
        document, version = await self.store.load()
        catalog = await self.introspect()
        schema = await self.build(document, catalog)
        self.adopt(document, version, catalog, schema)
        self.ready = True
        self.logger.write("startup", {"kind": "schema-sync", "info": {"resource_version": version}})

    async def _follow(self) -> None:
        """Keep in step with other processes, and come back when the database does."""
        while True:
            await asyncio.sleep(self.config.schema_poll_ms / 1000)
            try:
                if not self.ready:
                    await self.load()
                elif await self.store.version() != self.resource_version:
                    async with self.lock:
                        if await self.store.version() != self.resource_version:
                            await self.load()
            except (EngineError, *DOWN, asyncpg.PostgresError) as error:
                self.logger.write("schema-sync", {"info": f"cannot follow the metadata: {error}"}, "warn")

    async def introspect(self, connection: asyncpg.Connection | None = None) -> Catalog:
        """A fresh snapshot of the catalogue."""
        if connection is not None:
            return await introspect(connection)
        async with self.pool.lease() as lease:
            return await introspect(lease.connection)

    async def build(self, document: dict[str, Any], catalog: Catalog, connection: Any = None) -> Schema:
        """Build a schema, reading the rows of enum tables."""
        wanted = [parse_name(t["table"]) for t in source_of(document).get("tables") or () if t.get("is_enum")]
        enums: dict[Name, list[tuple[str, str | None]]] = {}
        for name in wanted:
            table = catalog.tables.get(name)
            if table is None or len(table.primary_key) != 1:
                continue
            key = table.primary_key[0]
            others = [column.name for column in table.columns if column.name != key]
            comment = f"{ident(others[0])}::text" if others else "NULL"
            sql = f"SELECT {ident(key)}::text, {comment} FROM {qualified(*name)} ORDER BY 1"  # noqa: S608 - identifiers quoted
            if connection is not None:
                rows = await connection.fetch(sql)
            else:
                async with self.pool.lease() as lease:
                    rows = await lease.connection.fetch(sql)
            enums[name] = [(row[0], row[1]) for row in rows]
        return build(
            document,
            catalog,
            enums,
            stringify=self.config.stringify_numeric,
            infer_functions=self.config.infer_function_permissions,
        )

    def adopt(self, document: dict[str, Any], version: int, catalog: Catalog, schema: Schema) -> None:
        """Make a schema the one in force."""
        self.document, self.resource_version, self.catalog = document, version, catalog
        self.executor.use(schema)
        for listener in self.listeners:
            listener()

    async def change(self, document: dict[str, Any], *, catalog: Catalog | None = None, strict: bool = True) -> Schema:
        """Put an edited document in force and store it. In `strict`, new inconsistencies refuse the change."""
        found = catalog or self.catalog
        schema = await self.build(document, found)
        if strict and self._worse(schema) and catalog is None:
            found = await self.introspect()
            schema = await self.build(document, found)
        if strict:
            self.refuse(schema)
        await self.install_triggers(schema)
        version = await self.store.save(document, self.resource_version, self._unplanned(document))
        self.adopt(document, version, found, schema)
        return schema

    def _unplanned(self, document: dict[str, Any]) -> list[str]:
        """The cron triggers of the document in force that this one leaves out or gives another schedule."""
        planned = {trigger["name"]: trigger["schedule"] for trigger in document.get("cron_triggers") or ()}
        old = self.document.get("cron_triggers") or ()
        return [trigger["name"] for trigger in old if planned.get(trigger["name"]) != trigger["schedule"]]

    def _worse(self, schema: Schema) -> list[Any]:
        known = {item.name for item in self.executor.schema.inconsistent} if self.executor.schema else set()
        return [item for item in schema.inconsistent if item.name not in known]

    def refuse(self, schema: Schema) -> None:
        """Raise when a schema has inconsistencies or clashes the one in force does not have."""
        worse = self._worse(schema)
        if worse:
            first = worse[0]
            raise EngineError(first.code, first.reason, "$.args", 400, [item.json() for item in worse])
        clashes = duplicate_roots(role_schema(schema, ADMIN))
        if clashes:
            listed = ", ".join(dict.fromkeys(clashes))
            raise EngineError("unexpected", f"found duplicate fields in selection set: {listed}", "$.args", 500)

    async def reload(self) -> Schema:
        """Look at the database again."""
        catalog = await self.introspect()
        schema = await self.build(self.document, catalog)
        await self.install_triggers(schema)
        self.adopt(self.document, self.resource_version, catalog, schema)
        return schema

    async def install_triggers(self, schema: Schema, connection: Any = None) -> None:
        """Make the triggers that fill the event log match the metadata."""
        from .events.triggers import statements

        old = self.executor.schema
        before = {name for table in old.tables.values() for name in table.triggers} if old else set()
        if not before and not any(table.triggers for table in schema.tables.values()):
            return
        async with self.pool.transaction() as lease:
            await lease.connection.execute(SOURCE)
            for sql in await statements(lease.connection, schema):
                await lease.connection.execute(sql)

    def edited(self) -> dict[str, Any]:
        """A copy of the document for a command to change."""
        return clone(self.document)
