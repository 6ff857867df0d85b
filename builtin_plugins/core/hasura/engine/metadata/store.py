"""The metadata document in `hdb_catalog.hdb_metadata`, with the version that keeps processes in step."""

from __future__ import annotations

import copy
import uuid
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import orjson

from ..db.pool import Lease, Pool
from ..errors import EngineError
from .tables import METADATA

LOCK = 691_000_004
CHANNEL = "hasura_schema_update"


def empty() -> dict[str, Any]:
    """Metadata with nothing tracked."""
    source = {
        "name": "default",
        "kind": "postgres",
        "tables": [],
        "configuration": {
            "connection_info": {"database_url": {"from_env": "HASURA_GRAPHQL_DATABASE_URL"}, "isolation_level": "read-committed"}
        },
    }
    return {"version": 3, "sources": [source]}


class Store:
    """Reads and writes the document; a write names the version it is based on."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.instance = str(uuid.uuid4())

    async def prepare(self) -> None:
        """Make the tables that are missing."""
        async with self.pool.transaction() as lease:
            await lease.connection.execute(f"SELECT pg_advisory_xact_lock({LOCK})")
            await lease.connection.execute(METADATA)

    async def version(self) -> int:
        """The version in force; 0 when nothing is stored."""
        async with self.pool.lease() as lease:
            return await lease.value("SELECT coalesce(max(resource_version), 0) FROM hdb_catalog.hdb_metadata", []) or 0

    async def load(self) -> tuple[dict[str, Any], int]:
        """The document and its version."""
        async with self.pool.lease() as lease:
            row = await lease.row("SELECT metadata, resource_version FROM hdb_catalog.hdb_metadata WHERE id = 1", [])
        if row is None:
            return empty(), 0
        return orjson.loads(row["metadata"]), row["resource_version"]

    @asynccontextmanager
    async def unchanged(self, version: int) -> AsyncIterator[Lease]:
        """A transaction in which this version stays in force; refuses when another process was faster."""
        async with self.pool.transaction() as lease:
            await lease.connection.execute(f"SELECT pg_advisory_xact_lock({LOCK})")
            current = await lease.value("SELECT max(resource_version) FROM hdb_catalog.hdb_metadata", []) or 0
            if current != version:
                message = f"metadata resource version referenced ({version}) did not match current version"
                raise EngineError("conflict", message, "$", 409)
            yield lease

    async def save(self, document: dict[str, Any], based_on: int, unplanned: Iterable[str] = ()) -> int:
        """Store a new document, and forget the moments of cron triggers that are planned no longer."""
        text = orjson.dumps(document).decode()
        async with self.unchanged(based_on) as lease:
            for name in unplanned:
                forget = "DELETE FROM hdb_catalog.hdb_cron_events WHERE trigger_name = $1::text AND status = 'scheduled'"
                await lease.row(f"{forget} AND tries = 0 AND scheduled_time > now()", [name])
            await lease.row(
                "INSERT INTO hdb_catalog.hdb_metadata (id, metadata, resource_version) VALUES (1, ($1::text)::json, $2::int) "
                "ON CONFLICT (id) DO UPDATE SET metadata = EXCLUDED.metadata, resource_version = EXCLUDED.resource_version",
                [text, based_on + 1],
            )
            await lease.row(
                "INSERT INTO hdb_catalog.hdb_schema_notifications (id, notification, resource_version, instance_id, updated_at) "
                "VALUES (1, '{}', $1::int, ($2::text)::uuid, now()) ON CONFLICT (id) DO UPDATE SET "
                "resource_version = EXCLUDED.resource_version, instance_id = EXCLUDED.instance_id, updated_at = now()",
                [based_on + 1, self.instance],
            )
            await lease.connection.execute(f"NOTIFY {CHANNEL}")
        return based_on + 1


def clone(document: dict[str, Any]) -> dict[str, Any]:
    """A copy that a command may change."""
    return copy.deepcopy(document)
