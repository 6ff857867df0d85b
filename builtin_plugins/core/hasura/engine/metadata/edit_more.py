"""More commands that edit the document: roles, triggers, actions, remote schemas, collections, limits."""

from __future__ import annotations

import re
from typing import Any

from ..errors import EngineError
from ..remote.transform import check
from .edit import EDITS, Edit, drop, edit, kept, put, table_entry

#: What with its prefix and operation is no longer than a name of PostgreSQL may be.
TRIGGER_NAME = re.compile(r"[A-Za-z0-9_-]{1,42}")


def _named(document: dict[str, Any], section: str, name: Any, label: str) -> dict[str, Any]:
    """The entry of this name, which must be there."""
    for known in document.get(section) or ():
        if known["name"] == name:
            return known
    raise EngineError("not-exists", f'{label} "{name}" does not exist', "$.args")


@edit("add_inherited_role")
def add_inherited_role(document: dict[str, Any], args: dict[str, Any]) -> None:
    """A role made of others; cycles are refused."""
    roles = document.setdefault("inherited_roles", [])
    put(roles, "role_name", {"role_name": args["role_name"], "role_set": list(args["role_set"])}, "role", replace=True)
    parents = {role["role_name"]: role["role_set"] for role in roles}

    def walk(name: str, trail: tuple[str, ...]) -> None:
        if name in trail:
            message = f"found cycle(s) in roles: {' -> '.join([*trail, name])}"
            raise EngineError("cyclic-dependency", message, "$.args")
        for parent in parents.get(name, ()):
            walk(parent, (*trail, name))

    walk(args["role_name"], ())


@edit("drop_inherited_role")
def drop_inherited_role(document: dict[str, Any], args: dict[str, Any]) -> None:
    """Drop an inherited role."""
    drop(document.get("inherited_roles") or [], "role_name", args["role_name"], f'role "{args["role_name"]}"')


@edit("set_graphql_schema_introspection_options")
def set_introspection_options(document: dict[str, Any], args: dict[str, Any]) -> None:
    """Roles that may not introspect."""
    document["graphql_schema_introspection"] = {"disabled_for_roles": list(args.get("disabled_for_roles") or ())}


@edit("create_event_trigger")
def create_event_trigger(document: dict[str, Any], args: dict[str, Any]) -> None:
    """Call a webhook when rows change."""
    entry = table_entry(document, args["table"])
    if not TRIGGER_NAME.fullmatch(args["name"]):
        message = (
            "only alphanumeric characters, underscore and hyphens, at most 42 of them, are allowed in an event trigger's name"
        )
        raise EngineError("invalid-input", message, "$.args.name")
    for source in document.get("sources") or ():
        for other in source.get("tables") or ():
            if other is not entry and any(item["name"] == args["name"] for item in other.get("event_triggers") or ()):
                raise EngineError("already-exists", f'event trigger "{args["name"]}" already exists', "$.args.name")
    definition = kept(**{key: args.get(key) for key in ("insert", "update", "delete")})
    definition["enable_manual"] = bool(args.get("enable_manual"))
    retry = args.get("retry_conf") or {"interval_sec": 10, "num_retries": 0, "timeout_sec": 60}
    made = {"name": args["name"], "definition": definition, "retry_conf": retry} | kept(
        webhook=args.get("webhook"),
        webhook_from_env=args.get("webhook_from_env"),
        headers=args.get("headers"),
        request_transform=args.get("request_transform"),
    )
    check(made.get("request_transform"))
    if not made.get("webhook") and not made.get("webhook_from_env"):
        raise EngineError("parse-failed", "a webhook or webhook_from_env is needed", "$.args")
    put(
        entry.setdefault("event_triggers", []), "name", made, f'event trigger "{args["name"]}"', replace=bool(args.get("replace"))
    )


@edit("delete_event_trigger")
def delete_event_trigger(document: dict[str, Any], args: dict[str, Any]) -> None:
    """Drop an event trigger, wherever it is."""
    for source in document.get("sources") or ():
        for entry in source.get("tables") or ():
            for trigger in entry.get("event_triggers") or ():
                if trigger["name"] == args["name"]:
                    entry["event_triggers"].remove(trigger)
                    return
    raise EngineError("not-exists", f'event trigger "{args["name"]}" does not exist', "$.args")


@edit("create_cron_trigger")
def create_cron_trigger(document: dict[str, Any], args: dict[str, Any]) -> None:
    """Call a webhook by a schedule."""
    from croniter import croniter

    if not croniter.is_valid(args.get("schedule", "")):
        raise EngineError("parse-failed", f"not a cron expression: {args.get('schedule')!r}", "$.args.schedule")
    check(args.get("request_transform"))
    made = {key: value for key, value in args.items() if key != "replace"}
    made.setdefault("include_in_metadata", True)
    triggers = document.setdefault("cron_triggers", [])
    put(triggers, "name", made, f'cron trigger "{args["name"]}"', replace=bool(args.get("replace")))


@edit("delete_cron_trigger")
def delete_cron_trigger(document: dict[str, Any], args: dict[str, Any]) -> None:
    """Drop a cron trigger."""
    drop(document.get("cron_triggers") or [], "name", args["name"], f'cron trigger "{args["name"]}"')


@edit("create_action")
def create_action(document: dict[str, Any], args: dict[str, Any]) -> None:
    """A root field answered by a webhook."""
    check(args["definition"].get("request_transform"))
    check(args["definition"].get("response_transform"))
    made = {"name": args["name"], "definition": args["definition"]} | kept(comment=args.get("comment"))
    put(document.setdefault("actions", []), "name", made, f'action "{args["name"]}"')


@edit("update_action")
def update_action(document: dict[str, Any], args: dict[str, Any]) -> None:
    """Change an action, keeping its permissions."""
    check(args["definition"].get("request_transform"))
    check(args["definition"].get("response_transform"))
    known = _named(document, "actions", args["name"], "action")
    known["definition"] = args["definition"]
    if "comment" in args:
        known["comment"] = args["comment"]


@edit("drop_action")
def drop_action(document: dict[str, Any], args: dict[str, Any]) -> None:
    """Drop an action."""
    drop(document.get("actions") or [], "name", args["name"], f'action "{args["name"]}"')


def _child_permission(section: str, key: str, remove: bool) -> Edit:
    def change(document: dict[str, Any], args: dict[str, Any]) -> None:
        name = args.get("action") or args.get("remote_schema")
        permissions = _named(document, section, name, key).setdefault("permissions", [])
        label = f'permission of role "{args["role"]}" on "{name}"'
        if remove:
            drop(permissions, "role", args["role"], label)
        else:
            put(permissions, "role", {"role": args["role"]} | kept(definition=args.get("definition")), label)

    return change


EDITS["create_action_permission"] = _child_permission("actions", "action", False)
EDITS["drop_action_permission"] = _child_permission("actions", "action", True)
EDITS["add_remote_schema_permissions"] = _child_permission("remote_schemas", "remote schema", False)
EDITS["drop_remote_schema_permissions"] = _child_permission("remote_schemas", "remote schema", True)


@edit("set_custom_types")
def set_custom_types(document: dict[str, Any], args: dict[str, Any]) -> None:
    """The types of actions."""
    document["custom_types"] = dict(args)


@edit("add_remote_schema")
def add_remote_schema(document: dict[str, Any], args: dict[str, Any]) -> None:
    """Another GraphQL server whose root fields join ours."""
    made = {"name": args["name"], "definition": args["definition"]} | kept(comment=args.get("comment"))
    put(document.setdefault("remote_schemas", []), "name", made, f'remote schema "{args["name"]}"')


@edit("update_remote_schema")
def update_remote_schema(document: dict[str, Any], args: dict[str, Any]) -> None:
    """Change where it is."""
    _named(document, "remote_schemas", args["name"], "remote schema")["definition"] = args["definition"]


@edit("remove_remote_schema")
def remove_remote_schema(document: dict[str, Any], args: dict[str, Any]) -> None:
    """Drop a remote schema."""
    drop(document.get("remote_schemas") or [], "name", args["name"], f'remote schema "{args["name"]}"')


@edit("create_query_collection")
def create_query_collection(document: dict[str, Any], args: dict[str, Any]) -> None:
    """A named set of queries, for the allow-list."""
    made = {"name": args["name"], "definition": args["definition"]} | kept(comment=args.get("comment"))
    put(document.setdefault("query_collections", []), "name", made, f'query collection "{args["name"]}"')


@edit("drop_query_collection")
def drop_query_collection(document: dict[str, Any], args: dict[str, Any]) -> None:
    """Drop a query collection."""
    drop(document.get("query_collections") or [], "name", args["collection"], f'query collection "{args["collection"]}"')
    document["allowlist"] = [i for i in document.get("allowlist") or () if i["collection"] != args["collection"]]


def _collection(document: dict[str, Any], name: str) -> list[dict[str, Any]]:
    return _named(document, "query_collections", name, "query collection")["definition"].setdefault("queries", [])


@edit("add_query_to_collection")
def add_query(document: dict[str, Any], args: dict[str, Any]) -> None:
    """Add one query."""
    made = {"name": args["query_name"], "query": args["query"]}
    put(_collection(document, args["collection_name"]), "name", made, f'query "{args["query_name"]}"')


@edit("drop_query_from_collection")
def drop_query(document: dict[str, Any], args: dict[str, Any]) -> None:
    """Drop one query."""
    drop(_collection(document, args["collection_name"]), "name", args["query_name"], f'query "{args["query_name"]}"')


@edit("add_collection_to_allowlist")
def allow(document: dict[str, Any], args: dict[str, Any]) -> None:
    """Allow a collection's queries."""
    _collection(document, args["collection"])
    made = {"collection": args["collection"]} | kept(scope=args.get("scope"))
    put(document.setdefault("allowlist", []), "collection", made, "collection in the allow-list", replace=True)


@edit("drop_collection_from_allowlist")
def disallow(document: dict[str, Any], args: dict[str, Any]) -> None:
    """Allow them no longer."""
    drop(document.get("allowlist") or [], "collection", args["collection"], "collection in the allow-list")


@edit("set_api_limits")
def set_api_limits(document: dict[str, Any], args: dict[str, Any]) -> None:
    """Depth, node, time and rate limits."""
    document["api_limits"] = dict(args)


@edit("remove_api_limits")
def remove_api_limits(document: dict[str, Any], args: dict[str, Any]) -> None:
    """No limits."""
    document.pop("api_limits", None)
