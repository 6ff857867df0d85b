"""The tables of installed plugins in GraphQL, with what each role may read: tracked, kept in line, untracked.

What was last put there stands in ``nself.tracked``. Where somebody has changed a table's permissions since, they stay; so does
whatever was tracked by hand. https://hasura.io/docs/2.0/api-reference/metadata-api/manage-metadata/
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from hookspecs import UserError

if TYPE_CHECKING:
    from hookspecs import GraphQLTable, HttpAccess, Project, Resolver, Stack

_SOURCE, _PATH, _TRIES = "default", "/v1/metadata", 3
_LEDGER = """\
CREATE SCHEMA IF NOT EXISTS nself; CREATE TABLE IF NOT EXISTS nself.tracked (name text PRIMARY KEY, entry jsonb NOT NULL);
"""
#: Alone: of several statements at once not every engine tells the last one's rows.
_KNOWN = """\
SELECT json_build_object(
    'tracked', (SELECT coalesce(json_object_agg(name, entry), '{}') FROM nself.tracked),
    'there', (SELECT coalesce(json_agg(c.relname), '[]') FROM pg_class c
              WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'f')))::text;
"""

_REMEMBER = "DELETE FROM nself.tracked; INSERT INTO nself.tracked SELECT key, value FROM jsonb_each('{text}'::jsonb);"

Entry = dict[str, Any]


class Tracker:
    """See ``hookspecs.Tracker``."""

    def __init__(self, http: HttpAccess, project: Project, stack: Stack, resolver: Resolver) -> None:
        self._http = http
        self._installed = project.installed
        self._wanted = _wanted(project, stack)
        provider = stack.provider("graphql")
        attributes: Mapping[str, Any] = provider.provides["graphql"].attributes if provider else {}
        secret = resolver.value(provider.name, attributes["admin_secret"]) if provider and "admin_secret" in attributes else None
        self._headers = {"Content-Type": "application/json", **({"X-Hasura-Admin-Secret": secret} if secret else {})}

    def apply(self) -> list[str]:
        """See ``hookspecs.Tracker``."""
        try:
            known = self._known()
        except UserError:
            if self._installed:
                raise
            return []  # its API may be switched off, and nobody needs it
        if not self._wanted and not known["tracked"]:
            return []
        there = set(known["there"])
        wanted = {name: entry for name, entry in self._wanted.items() if name in there}
        for _ in range(_TRIES):
            told = self._change(wanted, known["tracked"])
            if told is not None:
                self._remember(wanted)
                return told
        raise UserError("GraphQL's metadata is changed by somebody else all the time", remedy="nself start", code="tracking")

    def _change(self, wanted: Mapping[str, Entry], before: Mapping[str, Entry]) -> list[str] | None:
        """Change the metadata in one piece; ``None`` where somebody else was faster."""
        exported = self._ask({"type": "export_metadata", "version": 2, "args": {}})
        document = exported.get("metadata", exported)
        source = next((one for one in document.get("sources", ()) if one["name"] == _SOURCE), None)
        if source is None:
            raise UserError(f"GraphQL has no source {_SOURCE!r}", remedy="nself hasura metadata apply", code="tracking")
        tables, told = merged(source.get("tables", []), wanted, before)
        if not told:
            return []
        source["tables"] = tables
        change = {"type": "replace_metadata", "version": 2, "args": {"allow_inconsistent_metadata": True, "metadata": document}}
        if "resource_version" in exported:
            change["resource_version"] = exported["resource_version"]
        try:
            self._ask(change)
        except UserError as error:
            if error.code == "metadata-conflict":
                return None
            raise
        return told

    def _known(self) -> dict[str, Any]:
        self._sql(_LEDGER)
        return dict(json.loads(self._sql(_KNOWN)[1][0]))

    def _remember(self, wanted: Mapping[str, Entry]) -> None:
        text = json.dumps(wanted).replace("'", "''")
        self._sql(_REMEMBER.format(text=text))

    def _sql(self, text: str) -> list[list[str]]:
        args = {"source": _SOURCE, "sql": text, "check_metadata_consistency": False}
        found: list[list[str]] = self._ask({"type": "run_sql", "args": args}, path="/v2/query").get("result") or []
        return found

    def _ask(self, body: Mapping[str, Any], *, path: str = _PATH) -> dict[str, Any]:
        status, answer = self._http.post(path, json.dumps(body), self._headers)
        try:
            found = json.loads(answer)
        except ValueError:
            found = None
        if status != 200 or not isinstance(found, dict):
            said = found.get("error") if isinstance(found, dict) else answer[:200]
            code = "metadata-conflict" if status == 409 else "tracking"
            raise UserError(f"GraphQL does not take the plugins' tables: {said}", where=f"{body['type']}: {status}", code=code)
        return found


def merged(tables: list[Entry], wanted: Mapping[str, Entry], before: Mapping[str, Entry]) -> tuple[list[Entry], list[str]]:
    """The tables as they are to stand, and what changes, in words. ``before``: what this function last put there."""
    kept: list[Entry] = []
    told: list[str] = []
    seen: set[str] = set()
    for table in tables:
        name = table["table"]["name"] if table["table"].get("schema", "public") == "public" else ""
        if name in wanted:
            seen.add(name)
            kept.append(_updated(table, wanted[name], before.get(name, {})))
            if kept[-1] != table:
                told.append(f"changed {name}")
        elif name in before:
            told.append(f"untracked {name}")
        else:
            kept.append(table)
    for name in wanted:
        if name not in seen:
            kept.append(wanted[name])
            told.append(f"tracked {name}")
    return kept, told


def _updated(table: Entry, wanted: Entry, before: Entry) -> Entry:
    """A tracked table with the permissions that are wanted, role by role; a role's that somebody changed stays."""
    now = {one["role"]: one for one in table.get("select_permissions", ())}
    new = {one["role"]: one for one in wanted.get("select_permissions", ())}
    old = {one["role"]: one for one in before.get("select_permissions", ())}
    for role in old.keys() | new.keys():
        if now.get(role) == old.get(role):
            if role in new:
                now[role] = new[role]
            else:
                now.pop(role, None)
    rest = {key: value for key, value in table.items() if key != "select_permissions"}
    return rest | ({"select_permissions": [now[role] for role in sorted(now)]} if now else {})


def _wanted(project: Project, stack: Stack) -> dict[str, Entry]:
    """Every table that an installed plugin lists, with the permissions its migrations give; a later one's count."""
    found: dict[str, Entry] = {}
    for plugin in project.installed:
        tracks = {track.name: track for item in stack.migrations if item.plugin == plugin.name for track in item.migration.tracks}
        for name in plugin.manifest.tables:
            found[name] = _entry(name, tracks.get(name))
    return found


def _entry(name: str, track: GraphQLTable | None) -> Entry:
    entry: Entry = {"table": {"schema": "public", "name": name}}
    permissions = [
        {
            "role": one.role,
            "permission": {
                "columns": "*" if one.columns == ("*",) else list(one.columns),
                "filter": dict(one.filter),
                **({"allow_aggregations": True} if one.allow_aggregations else {}),
            },
        }
        for one in sorted(track.select if track else (), key=lambda one: one.role)
    ]
    return entry | ({"select_permissions": permissions} if permissions else {})
