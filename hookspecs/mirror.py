"""Keeping a copy of an outside service's objects in a plugin's tables.

A mirrored table has ``source_account_id``, the columns of its ``Mirror``, ``data jsonb`` (the object as it came), ``as_of
timestamptz`` (when the outside service had it so) and ``deleted_at timestamptz``; its primary key is
``(source_account_id, *key)``. Objects come late, twice and out of order; what is older never replaces what is newer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncpg

#: How a column's value is found in an object: a dotted path, or a function of the object.
Source = str | Callable[[Mapping[str, Any]], Any]

_KEPT = ("source_account_id", "data", "as_of", "deleted_at")


@dataclass(frozen=True, slots=True)
class Within:
    """Objects that come inside others, with a mirror of their own: at ``path`` a list of them, or one.

    ``owner`` is the column that holds the key of the object around them; those of an owner that it no longer lists are
    marked as deleted. Without ``owner`` they know by themselves where they belong.
    """

    path: str
    mirror: Mirror
    owner: str = ""
    complete: Callable[[Mapping[str, Any]], bool] = lambda thing: True
    """Whether the object around lists them all."""


@dataclass(frozen=True, slots=True)
class Mirror:
    """One table and where its columns stand in an object. ``columns`` includes those of ``key``."""

    table: str
    columns: Mapping[str, Source]
    key: tuple[str, ...] = ("id",)
    within: Sequence[Within] = ()

    def row(self, thing: Mapping[str, Any]) -> dict[str, Any]:
        """The columns of an object, as JSON values."""
        return {name: source(thing) if callable(source) else at(thing, source) for name, source in self.columns.items()}


def at(thing: Any, path: str) -> Any:
    """The value at a dotted path, ``None`` where it stops. An expanded object at the end of a path stands for its id."""
    for part in path.split("."):
        if not isinstance(thing, Mapping):
            return None
        thing = thing.get(part)
    return thing


def unix(path: str) -> Callable[[Mapping[str, Any]], str | None]:
    """Seconds since 1970 at a path, as a time."""

    def read(thing: Mapping[str, Any]) -> str | None:
        seconds = at(thing, path)
        return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat()

    return read


def reference(path: str) -> Callable[[Mapping[str, Any]], Any]:
    """The id at a path where some answers hold the id and others the whole object."""

    def read(thing: Mapping[str, Any]) -> Any:
        value = at(thing, path)
        return value.get("id") if isinstance(value, Mapping) else value

    return read


async def upsert(
    connection: asyncpg.Connection | asyncpg.Pool,
    mirror: Mirror,
    account: str,
    things: Iterable[Mapping[str, Any]],
    as_of: datetime | Callable[[Mapping[str, Any]], datetime],
) -> int:
    """Store objects and what is within them; how many of the objects were new or newer than what was there."""
    newest: dict[tuple[Any, ...], dict[str, Any]] = {}
    for thing in things:
        time = as_of(thing) if callable(as_of) else as_of
        row = {**mirror.row(thing), "source_account_id": account, "data": thing, "as_of": time.isoformat(), "deleted_at": None}
        newest[tuple(row[name] for name in mirror.key)] = row
    if not newest:
        return 0
    stored = await connection.fetchval(_upsert(mirror), list(newest.values()))
    for part in mirror.within:
        for row in newest.values():
            await _store_within(connection, part, account, row, mirror.key)
    return int(stored)


async def _store_within(
    connection: asyncpg.Connection | asyncpg.Pool, part: Within, account: str, around: Mapping[str, Any], key: tuple[str, ...]
) -> None:
    found = at(around["data"], part.path)
    found = [found] if isinstance(found, Mapping) else found or ()
    owner = {part.owner: around[key[-1]]} if part.owner else {}
    things = [{**one, **owner} for one in found if isinstance(one, Mapping)]
    as_of = datetime.fromisoformat(around["as_of"])
    await upsert(connection, part.mirror, account, things, as_of)
    if part.owner and part.complete(around["data"]):
        name, table = _quoted(part.mirror.key[-1]), _quoted(part.mirror.table)
        await connection.execute(
            f"UPDATE {table} SET deleted_at = $3, as_of = $3 WHERE source_account_id = $1 AND {_quoted(part.owner)} = $2"  # noqa: S608
            f" AND as_of < $3 AND deleted_at IS NULL AND {name} <> ALL($4)",
            account,
            around[key[-1]],
            as_of,
            [thing[part.mirror.key[-1]] for thing in things],
        )


async def delete(
    connection: asyncpg.Connection | asyncpg.Pool, mirror: Mirror, account: str, key: Sequence[Any], as_of: datetime
) -> None:
    """Mark an object as deleted at the outside service; the row stays, for what refers to it."""
    where = " AND ".join(f"{_quoted(name)}::text = ${number}" for number, name in enumerate(mirror.key, 3))
    await connection.execute(
        f"UPDATE {_quoted(mirror.table)} SET deleted_at = $2, as_of = $2"  # noqa: S608  names from the plugin's code, quoted
        f" WHERE source_account_id = $1 AND as_of <= $2 AND {where}",
        account,
        as_of,
        *(str(part) for part in key),
    )


async def delete_unseen(
    connection: asyncpg.Connection | asyncpg.Pool, mirror: Mirror, account: str, since: datetime
) -> list[dict[str, Any]]:
    """After a whole listing that began at ``since``: mark what it did not show as deleted; the keys of those rows."""
    names = ", ".join(_quoted(name) for name in mirror.key)
    rows = await connection.fetch(
        f"UPDATE {_quoted(mirror.table)} SET deleted_at = now() WHERE source_account_id = $1 AND as_of < $2"  # noqa: S608
        f" AND deleted_at IS NULL RETURNING {names}",
        account,
        since,
    )
    return [dict(row) for row in rows]


def _upsert(mirror: Mirror) -> str:
    """One statement for any number of rows: PostgreSQL turns the JSON into the columns' types."""
    names = [*mirror.columns, *_KEPT]
    quoted = ", ".join(map(_quoted, names))
    key = ("source_account_id", *mirror.key)
    changes = ", ".join(f"{_quoted(name)} = excluded.{_quoted(name)}" for name in names if name not in key)
    table = _quoted(mirror.table)
    return (
        f"WITH stored AS (INSERT INTO {table} AS t ({quoted}) SELECT {quoted}"  # noqa: S608  names from the plugin's code, quoted
        f" FROM jsonb_populate_recordset(NULL::{table}, $1)"
        f" ON CONFLICT ({', '.join(map(_quoted, key))}) DO UPDATE SET {changes} WHERE excluded.as_of >= t.as_of RETURNING 1)"
        " SELECT count(*) FROM stored"
    )


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
