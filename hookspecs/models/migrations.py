"""Schema changes a plugin asks for, and what GraphQL should show of them."""

from __future__ import annotations

from collections.abc import Mapping

from hookspecs.models.base import Model


class SelectPermission(Model):
    """A role's right to read: columns (``*`` all) and a row filter in Hasura's boolean-expression form."""

    role: str
    columns: tuple[str, ...] = ("*",)
    filter: Mapping[str, object] = {}
    allow_aggregations: bool = False


class GraphQLTable(Model):
    """A table to track in GraphQL, with what each role may read."""

    schema_name: str = "public"
    name: str
    select: tuple[SelectPermission, ...] = ()


class Migration(Model):
    """One ordered change, applied once, remembered with the checksum of ``up``.

    ``id`` sorts within its plugin (``001_initial``). ``owner`` is the role that runs it (``None``: the plugin's own
    role; the database's owner for built-ins); only a built-in may name another. ``up`` and ``down`` of a plugin are statements
    without ``BEGIN`` or ``COMMIT``; what is not ``transactional`` (``CREATE INDEX CONCURRENTLY``) is one statement each.
    """

    id: str
    up: str
    down: str | None = None
    database: str | None = None
    """Name of the database, the project's own where ``None``. A plugin's other databases are named ``np_<name>…`` and its own."""
    owner: str | None = None
    transactional: bool = True
    extensions: tuple[str, ...] = ()
    tracks: tuple[GraphQLTable, ...] = ()
