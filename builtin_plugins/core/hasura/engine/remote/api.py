"""Metadata commands on remote schemas: one that does not answer, or a permission that cannot be read, is refused at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import EngineError
from ..metadata.api import SUCCESS, command
from ..metadata.edit import EDITS
from .view import readable

if TYPE_CHECKING:
    from ..engine import Engine


async def _edit(engine: Engine, name: str, args: Any) -> Any:
    async with engine.lock:
        document = engine.edited()
        EDITS[name](document, args)
        await engine.change(document)
    await engine.remotes.settled()
    return SUCCESS


@command("add_remote_schema")
async def add_remote_schema(engine: Engine, args: Any) -> Any:
    """Join another GraphQL server."""
    await engine.remotes.introspect(args)
    return await _edit(engine, "add_remote_schema", args)


@command("update_remote_schema")
async def update_remote_schema(engine: Engine, args: Any) -> Any:
    """Change where it is."""
    await engine.remotes.introspect(args)
    return await _edit(engine, "update_remote_schema", args)


@command("add_remote_schema_permissions")
async def add_remote_schema_permissions(engine: Engine, args: Any) -> Any:
    """What a role may use of it, as SDL."""
    readable(args["definition"]["schema"])
    return await _edit(engine, "add_remote_schema_permissions", args)


@command("reload_remote_schema")
async def reload_remote_schema(engine: Engine, args: Any) -> Any:
    """Look at the remote again."""
    remote = _remote(engine, args["name"])
    await engine.remotes.introspect(remote)
    await engine.remotes.refresh(dict(engine.remotes.wanted()))
    return SUCCESS


@command("introspect_remote_schema")
async def introspect_remote_schema(engine: Engine, args: Any) -> Any:
    """The remote's own introspection."""
    return {"data": await engine.remotes.introspect(_remote(engine, args["name"]))}


def _remote(engine: Engine, name: str) -> dict[str, Any]:
    found: dict[str, Any] | None = engine.remotes.wanted().get(name)
    if found is None:
        raise EngineError("not-exists", f'remote schema "{name}" does not exist', "$.args.name")
    return found
