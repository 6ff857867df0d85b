"""Applies the migrations beside this module, in order, each once and under one lock."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncpg

FOLDER = Path(__file__).parent / "migrations"
# Apart from hasura-auth's own record, which must name none but its own: its image would not start.
_RECORD = """CREATE SCHEMA IF NOT EXISTS auth;
CREATE TABLE auth.nself_migrations (name text PRIMARY KEY, hash text NOT NULL, executed_at timestamptz NOT NULL DEFAULT now())"""
LOCK = 0x6E73656C66  # "nself": the advisory lock that makes two servers starting together take turns


@dataclass(frozen=True, slots=True)
class Migration:
    """One pair of files: `NNN_name.up.sql` and `NNN_name.down.sql`."""

    name: str
    up: str
    down: str

    @property
    def digest(self) -> str:
        """SHA-1 of the text that is applied."""
        return hashlib.sha1(self.up.encode(), usedforsecurity=False).hexdigest()


def migrations() -> list[Migration]:
    """All migrations in order."""
    found = []
    for path in sorted(FOLDER.glob("*.up.sql")):
        stem = path.name.removesuffix(".up.sql")
        down = path.with_name(f"{stem}.down.sql").read_text("utf-8")
        found.append(Migration(stem, path.read_text("utf-8"), down))
    return found


async def apply(conn: asyncpg.Connection) -> list[str]:
    """Apply what is missing and return its names. Safe to call at every start and by several servers at once."""
    applied = []
    async with conn.transaction():
        await conn.execute("SELECT pg_advisory_xact_lock($1)", LOCK)
        if not await conn.fetchval("SELECT to_regclass('auth.nself_migrations') IS NOT NULL"):
            await conn.execute(_RECORD)
        done = {row["name"] for row in await conn.fetch("SELECT name FROM auth.nself_migrations")}
        for migration in migrations():
            if migration.name in done:
                continue
            await conn.execute(migration.up)
            await conn.execute("INSERT INTO auth.nself_migrations (name, hash) VALUES ($1, $2)", migration.name, migration.digest)
            applied.append(migration.name)
    return applied


async def revert(conn: asyncpg.Connection) -> None:
    """Undo every migration, last first. Accounts are lost: for tests and for `destroy`."""
    async with conn.transaction():
        for migration in reversed(migrations()):
            await conn.execute(migration.down)
