"""`/v1/metadata`, `/v1/query` and `/v2/query`: dispatch of commands, `bulk`, and what is not a plain edit."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import orjson

from ..errors import EngineError
from . import edit_more  # noqa: F401 - registers its commands
from .edit import EDITS, tracked_names
from .store import empty

if TYPE_CHECKING:
    from ..engine import Engine

SUCCESS = {"message": "success"}
Command = Callable[["Engine", Any], Awaitable[Any]]
COMMANDS: dict[str, Command] = {}


def command(*names: str) -> Callable[[Command], Command]:
    """Register a command."""

    def register(function: Command) -> Command:
        for name in names:
            COMMANDS[name] = function
        return function

    return register


def plain_name(name: str) -> str:
    """`pg_track_table`, `postgres_track_table` and `track_table` are one."""
    for prefix in ("pg_", "postgres_"):
        if name.startswith(prefix):
            return name[len(prefix) :]
    return name


async def run(engine: Engine, body: Any, path: str = "$") -> Any:
    """Run one request body of the metadata or query API."""
    if isinstance(body, list):
        return [await run(engine, item, f"{path}[{index}]") for index, item in enumerate(body)]
    if not isinstance(body, dict) or not isinstance(body.get("type"), str):
        raise EngineError("parse-failed", "expected an object with a type and args", path)
    name = plain_name(body["type"])
    args = body.get("args") if body.get("args") is not None else {}
    if name in ("export_metadata", "replace_metadata") and body.get("version") == 2 and isinstance(args, dict):
        # The second version of these two has its number, and the version it expects, beside the arguments.
        args = {**args, **{key: body[key] for key in ("version", "resource_version") if key in body}}
    if name in ("bulk", "bulk_keep_going", "bulk_atomic"):
        return await _bulk(engine, args, name)
    try:
        if name in COMMANDS:
            return await COMMANDS[name](engine, args)
        if name in EDITS:
            async with engine.lock:
                document = engine.edited()
                EDITS[name](document, args)
                await engine.change(document, strict=name not in ("untrack_table", "untrack_function"))
            return SUCCESS
    except KeyError as error:
        raise EngineError("parse-failed", f"key {error.args[0]!r} not found", "$.args") from None
    except (TypeError, AttributeError):
        raise EngineError("parse-failed", f"the arguments of {body['type']} are not as expected", "$.args") from None
    raise EngineError("parse-failed", f'unknown metadata command "{body["type"]}"', "$.type")


async def _bulk(engine: Engine, args: Any, name: str) -> list[Any]:
    if not isinstance(args, list):
        raise EngineError("parse-failed", "expected a list", "$.args")
    answers: list[Any] = []
    for index, item in enumerate(args):
        try:
            answers.append(await run(engine, item))
        except EngineError as error:
            if name == "bulk_keep_going":
                answers.append(error.plain())
                continue
            error.path = f"$.args[{index}]" + error.path.removeprefix("$")
            raise
    return answers


@command("export_metadata")
async def export_metadata(engine: Engine, args: Any) -> Any:
    """The whole document."""
    if isinstance(args, dict) and args.get("version") == 2:
        return {"resource_version": engine.resource_version, "metadata": engine.document}
    return engine.document


@command("replace_metadata")
async def replace_metadata(engine: Engine, args: Any) -> Any:
    """Put another document in force."""
    expected = args.get("resource_version")
    document = args.get("metadata", args)
    loose = bool(args.get("allow_inconsistent_metadata")) if "metadata" in args else False
    if not isinstance(document, dict) or document.get("version") != 3:
        raise EngineError("parse-failed", "metadata of version 3 is expected", "$.args")
    async with engine.lock:
        if expected is not None and expected != engine.resource_version:
            message = f"metadata resource version referenced ({expected}) did not match current version"
            raise EngineError("conflict", message, "$", 409)
        engine.catalog = await engine.introspect()
        schema = await engine.change({"sources": [], **document}, strict=not loose)
    if "metadata" in args:
        return {"is_consistent": not schema.inconsistent, "inconsistent_objects": [i.json() for i in schema.inconsistent]}
    return SUCCESS


@command("clear_metadata")
async def clear_metadata(engine: Engine, args: Any) -> Any:
    """Forget everything tracked."""
    async with engine.lock:
        await engine.change(empty(), strict=False)
    return SUCCESS


@command("reload_metadata")
async def reload_metadata(engine: Engine, args: Any) -> Any:
    """Look at the database again."""
    async with engine.lock:
        schema = await engine.reload()
    if engine.remotes is not None and isinstance(args, dict) and args.get("reload_remote_schemas"):
        await engine.remotes.refresh(engine.remotes.wanted())
    return {
        "message": "success",
        "is_consistent": not schema.inconsistent,
        "inconsistent_objects": [item.json() for item in schema.inconsistent],
    }


@command("get_inconsistent_metadata")
async def get_inconsistent_metadata(engine: Engine, args: Any) -> Any:
    """What cannot be used, and why."""
    found = [item.json() for item in engine.schema.inconsistent]
    return {"is_consistent": not found, "inconsistent_objects": found}


@command("drop_inconsistent_metadata")
async def drop_inconsistent_metadata(engine: Engine, args: Any) -> Any:
    """Take what cannot be used out of the document."""
    async with engine.lock:
        await engine.change(without(engine.edited(), engine.schema.inconsistent), strict=False)
    return SUCCESS


def without(document: dict[str, Any], inconsistent: list[Any]) -> dict[str, Any]:
    """The document without these objects."""
    from ..schema.build import source_of
    from ..schema.names import parse_name

    for item in inconsistent:
        source = source_of(document)
        if item.type == "table":
            gone = parse_name(item.definition)
            source["tables"] = [t for t in source["tables"] if parse_name(t["table"]) != gone]
        elif item.type == "function":
            gone = parse_name(item.definition)
            source["functions"] = [f for f in source["functions"] if parse_name(f["function"]) != gone]
        else:
            definition = item.definition["definition"]
            owner = parse_name(item.definition["table"])
            for table in source["tables"]:
                if parse_name(table["table"]) == owner:
                    for entries in table.values():
                        if isinstance(entries, list) and definition in entries:
                            entries.remove(definition)
    return document


@command("get_source_tables", "get_tables")
async def get_source_tables(engine: Engine, args: Any) -> Any:
    """The tables of the database that are not tracked are listed too."""
    return [{"schema": schema, "name": name} for schema, name in sorted(engine.catalog.tables)]


@command("get_catalog_state")
async def get_catalog_state(engine: Engine, args: Any) -> Any:
    """What the console and the CLI keep here."""
    async with engine.meta_pool.lease() as lease:
        row = await lease.row("SELECT hasura_uuid::text, cli_state::text, console_state::text FROM hdb_catalog.hdb_version", [])
    return {"id": row[0], "cli_state": orjson.loads(row[1]), "console_state": orjson.loads(row[2])}


@command("set_catalog_state")
async def set_catalog_state(engine: Engine, args: Any) -> Any:
    """Keep something of the console's or the CLI's."""
    column = {"cli": "cli_state", "console": "console_state"}.get(args["type"])
    if column is None:
        raise EngineError("parse-failed", "type must be cli or console", "$.args.type")
    async with engine.meta_pool.lease() as lease:
        sql = f"UPDATE hdb_catalog.hdb_version SET {column} = ($1::text)::jsonb"  # noqa: S608 - one of two constants
        await lease.value(sql, [orjson.dumps(args["state"]).decode()])
    return SUCCESS


@command("dump_internal_state")
async def dump_internal_state(engine: Engine, args: Any) -> Any:
    """A short look inside."""
    tables = sorted(".".join(name) for name in tracked_names(engine.document))
    return {"tables": tables, "resource_version": engine.resource_version}
