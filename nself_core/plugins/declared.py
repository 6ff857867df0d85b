"""What a plugin contributes as data, without code: ``services`` in ``plugin.json``, SQL and ``graphql.json`` in ``schema/``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from nself_core.plugins.model import Found

if TYPE_CHECKING:
    from hookspecs.models.manifest import Manifest
    from hookspecs.models.migrations import GraphQLTable, Migration
    from hookspecs.models.service import Service

#: ``schema/001_initial.down.sql`` undoes ``schema/001_initial.sql``.
_DOWN = ".down.sql"


def manifest(found: Found) -> Manifest:
    """The whole manifest; ``pydantic.ValidationError`` for one that is none."""
    from hookspecs.models.manifest import Manifest

    return Manifest.model_validate_json(_json({key: value for key, value in found.manifest.items() if key != "$schema"}))


def services(found: Found) -> Iterator[Service]:
    """The manifest's services; ``pydantic.ValidationError`` for one that is none."""
    from hookspecs.models.service import Service

    for service in found.manifest.get("services", ()):
        yield Service.model_validate_json(_json(service))


def migrations(found: Found) -> Iterator[Migration]:
    """A migration for each ``schema/*.sql``, in the order of their names; a lone ``schema/tables.sql`` is one too."""
    from hookspecs.models.migrations import Migration

    folder = Path(found.folder) / "schema"
    paths = [p for p in sorted(folder.glob("*.sql"), key=lambda path: path.name) if not p.name.endswith(_DOWN)]
    for path in paths:
        down = path.with_name(path.stem + _DOWN)
        undo = down.read_text(encoding="utf-8") if down.is_file() else None
        tracks = _tracks(folder) if path is paths[-1] else ()
        yield Migration(id=path.stem, up=path.read_text(encoding="utf-8"), down=undo, tracks=tracks)


def _tracks(folder: Path) -> tuple[GraphQLTable, ...]:
    """``schema/graphql.json``: who may read the tables in GraphQL, a list of ``GraphQLTable`` objects."""
    from pydantic import TypeAdapter, ValidationError

    from hookspecs.errors import UserError
    from hookspecs.models.migrations import GraphQLTable

    place = folder / "graphql.json"
    try:
        return TypeAdapter(tuple[GraphQLTable, ...]).validate_json(place.read_bytes())
    except FileNotFoundError:
        return ()
    except ValidationError as error:
        fault = error.errors()[0]
        at = ".".join(map(str, fault["loc"]))
        raise UserError(
            f"it is no list of tables: {at}{': ' if at else ''}{fault['msg']}",
            where=str(place),
            remedy='a table is {"name": …, "select": [{"role": …, "filter": …}]}',
            code="graphql-file",
        ) from None


def _json(value: object) -> str:
    """JSON again: only so does pydantic take a list for a tuple, as JSON has no tuples."""
    import json

    return json.dumps(value)
