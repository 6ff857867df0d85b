"""Commands that edit the metadata document: pure functions of the document and their arguments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..db.catalog import Name
from ..errors import EngineError
from ..schema.build import source_of
from ..schema.names import as_json, parse_name, show

Edit = Callable[[dict[str, Any], dict[str, Any]], None]
EDITS: dict[str, Edit] = {}
CONFLICT = "already-exists"


def edit(*names: str) -> Callable[[Edit], Edit]:
    """Register a command under its names (without the `pg_` prefix)."""

    def register(function: Edit) -> Edit:
        for name in names:
            EDITS[name] = function
        return function

    return register


def table_entry(document: dict[str, Any], raw: Any) -> dict[str, Any]:
    """The tracked table's entry."""
    name = parse_name(raw)
    for entry in source_of(document)["tables"]:
        if parse_name(entry["table"]) == name:
            return entry
    raise EngineError("not-exists", f'table "{show(name)}" does not exist in source: default', "$.args")


def function_entry(document: dict[str, Any], raw: Any) -> dict[str, Any]:
    """The tracked function's entry."""
    name = parse_name(raw)
    for entry in source_of(document).get("functions") or ():
        if parse_name(entry["function"]) == name:
            return entry
    raise EngineError("not-exists", f'function "{show(name)}" does not exist in source: default', "$.args")


def put(items: list[dict[str, Any]], key: str, entry: dict[str, Any], label: str, *, replace: bool = False) -> None:
    """Add to a list whose entries are told apart by `key`."""
    for index, known in enumerate(items):
        if known[key] == entry[key]:
            if not replace:
                raise EngineError(CONFLICT, f"{label} already exists", "$.args")
            items[index] = entry
            return
    items.append(entry)


def drop(items: list[dict[str, Any]], key: str, value: Any, label: str) -> None:
    """Take out of such a list."""
    for index, known in enumerate(items):
        if known[key] == value:
            del items[index]
            return
    raise EngineError("not-exists", f"{label} does not exist", "$.args")


def kept(**entries: Any) -> dict[str, Any]:
    """Only what is there."""
    return {key: value for key, value in entries.items() if value is not None}


@edit("track_table", "add_existing_table_or_view")
def track_table(document: dict[str, Any], args: Any) -> None:
    """Track a table or view; `args` may be the name itself."""
    named = isinstance(args, dict) and "table" in args
    name = parse_name(args["table"] if named else args)
    tables = source_of(document).setdefault("tables", [])
    if any(parse_name(entry["table"]) == name for entry in tables):
        raise EngineError("already-tracked", f'view/table already tracked: "{show(name)}"', "$.args")
    given = args if named else {}
    tables.append(
        {"table": as_json(name)} | kept(is_enum=given.get("is_enum") or None, configuration=given.get("configuration") or None)
    )


@edit("untrack_table")
def untrack_table(document: dict[str, Any], args: Any) -> None:
    """Stop tracking; with `cascade` also what refers to it."""
    raw = args.get("table", args) if isinstance(args, dict) else args
    entry = table_entry(document, raw)
    source_of(document)["tables"].remove(entry)


@edit("set_table_customization", "set_table_custom_fields")
def set_table_customization(document: dict[str, Any], args: dict[str, Any]) -> None:
    """Names of a table, its columns and root fields."""
    entry = table_entry(document, args["table"])
    given = args.get("configuration")
    if given is None:
        given = kept(custom_root_fields=args.get("custom_root_fields"), custom_column_names=args.get("custom_column_names"))
    entry["configuration"] = given


@edit("set_table_is_enum")
def set_table_is_enum(document: dict[str, Any], args: dict[str, Any]) -> None:
    """Use a table as an enum, or stop."""
    table_entry(document, args["table"])["is_enum"] = bool(args["is_enum"])


def _relationship(section: str) -> Edit:
    def create(document: dict[str, Any], args: dict[str, Any]) -> None:
        entry = table_entry(document, args["table"])
        for other in ("object_relationships", "array_relationships", "computed_fields"):
            if any(known["name"] == args["name"] for known in entry.get(other) or ()):
                message = f'field with name "{args["name"]}" already exists in table "{show(parse_name(args["table"]))}"'
                raise EngineError(CONFLICT, message, "$.args.name")
        made = {"name": args["name"], "using": args["using"]} | kept(comment=args.get("comment"))
        entry.setdefault(section, []).append(made)

    return create


EDITS["create_object_relationship"] = _relationship("object_relationships")
EDITS["create_array_relationship"] = _relationship("array_relationships")


@edit("drop_relationship")
def drop_relationship(document: dict[str, Any], args: dict[str, Any]) -> None:
    """Drop an object or array relationship."""
    entry = table_entry(document, args["table"])
    for section in ("object_relationships", "array_relationships"):
        if any(known["name"] == args["relationship"] for known in entry.get(section) or ()):
            drop(entry[section], "name", args["relationship"], "relationship")
            return
    raise EngineError("not-exists", f'relationship "{args["relationship"]}" does not exist', "$.args")


@edit("rename_relationship")
def rename_relationship(document: dict[str, Any], args: dict[str, Any]) -> None:
    """Give a relationship another name."""
    entry = table_entry(document, args["table"])
    for section in ("object_relationships", "array_relationships"):
        for known in entry.get(section) or ():
            if known["name"] == args["name"]:
                known["name"] = args["new_name"]
                return
    raise EngineError("not-exists", f'relationship "{args["name"]}" does not exist', "$.args")


@edit("set_relationship_comment")
def set_relationship_comment(document: dict[str, Any], args: dict[str, Any]) -> None:
    """Describe a relationship."""
    entry = table_entry(document, args["table"])
    for section in ("object_relationships", "array_relationships"):
        for known in entry.get(section) or ():
            if known["name"] == args["name"]:
                known["comment"] = args.get("comment")
                return
    raise EngineError("not-exists", f'relationship "{args["name"]}" does not exist', "$.args")


def _permissions(kind: str) -> None:
    section = f"{kind}_permissions"

    def create(document: dict[str, Any], args: dict[str, Any]) -> None:
        entry = table_entry(document, args["table"])
        if args["role"] == "admin":
            raise EngineError("not-supported", "the role admin needs no permissions", "$.args.role")
        made = {"role": args["role"], "permission": args["permission"]} | kept(comment=args.get("comment"))
        label = f'{kind} permission for role "{args["role"]}" on table "{show(parse_name(args["table"]))}"'
        put(entry.setdefault(section, []), "role", made, label)

    def remove(document: dict[str, Any], args: dict[str, Any]) -> None:
        entry = table_entry(document, args["table"])
        label = f'{kind} permission on "{show(parse_name(args["table"]))}" for role "{args["role"]}"'
        drop(entry.get(section) or [], "role", args["role"], label)

    EDITS[f"create_{kind}_permission"] = create
    EDITS[f"drop_{kind}_permission"] = remove


for _kind in ("select", "insert", "update", "delete"):
    _permissions(_kind)


@edit("set_permission_comment")
def set_permission_comment(document: dict[str, Any], args: dict[str, Any]) -> None:
    """Describe a permission."""
    for known in table_entry(document, args["table"]).get(f"{args['type']}_permissions") or ():
        if known["role"] == args["role"]:
            known["comment"] = args.get("comment")
            return
    raise EngineError("not-exists", "permission does not exist", "$.args")


@edit("add_computed_field")
def add_computed_field(document: dict[str, Any], args: dict[str, Any]) -> None:
    """A field computed by a function of the row."""
    entry = table_entry(document, args["table"])
    made = {"name": args["name"], "definition": args["definition"]} | kept(comment=args.get("comment"))
    put(entry.setdefault("computed_fields", []), "name", made, f'computed field "{args["name"]}"')


@edit("drop_computed_field")
def drop_computed_field(document: dict[str, Any], args: dict[str, Any]) -> None:
    """Drop a computed field."""
    entry = table_entry(document, args["table"])
    drop(entry.get("computed_fields") or [], "name", args["name"], f'computed field "{args["name"]}"')


@edit("track_function")
def track_function(document: dict[str, Any], args: Any) -> None:
    """Track a function; `args` may be the name itself."""
    named = isinstance(args, dict) and "function" in args
    name = parse_name(args["function"] if named else args)
    functions = source_of(document).setdefault("functions", [])
    if any(parse_name(entry["function"]) == name for entry in functions):
        raise EngineError("already-tracked", f'function already tracked: "{show(name)}"', "$.args")
    given = args if named else {}
    config = given.get("configuration") or None
    if config:
        check_function_names(config, "track_function")
    functions.append({"function": as_json(name)} | kept(configuration=config, comment=given.get("comment")))


def check_function_names(config: dict[str, Any], command: str) -> None:
    """The two root names of a function must differ."""
    roots = config.get("custom_root_fields") or {}
    one, two = roots.get("function"), roots.get("function_aggregate")
    if one is not None and one == two:
        message = (
            f"Error when parsing command {command}.\nSee our documentation at "
            "https://hasura.io/docs/latest/graphql/core/api-reference/metadata-api/index.html#metadata-apis.\n"
            f'Internal error message: the following custom root field names are duplicated: "{one}" and "{two}"'
        )
        raise EngineError("parse-failed", message, "$.args.configuration.custom_root_fields")


@edit("untrack_function")
def untrack_function(document: dict[str, Any], args: Any) -> None:
    """Stop tracking a function."""
    raw = args["function"] if isinstance(args, dict) and "function" in args else args
    source_of(document)["functions"].remove(function_entry(document, raw))


@edit("set_function_customization")
def set_function_customization(document: dict[str, Any], args: dict[str, Any]) -> None:
    """Names of a function's root fields."""
    config = args.get("configuration") or {}
    check_function_names(config, "set_function_customization")
    entry = function_entry(document, args["function"])
    entry.pop("configuration", None)
    if config:
        entry["configuration"] = config


@edit("create_function_permission")
def create_function_permission(document: dict[str, Any], args: dict[str, Any]) -> None:
    """Let a role call a function."""
    entry = function_entry(document, args["function"])
    put(entry.setdefault("permissions", []), "role", {"role": args["role"]}, f'permission of role "{args["role"]}"')


@edit("drop_function_permission")
def drop_function_permission(document: dict[str, Any], args: dict[str, Any]) -> None:
    """Take that back."""
    entry = function_entry(document, args["function"])
    drop(entry.get("permissions") or [], "role", args["role"], f'permission of role "{args["role"]}"')


def tracked_names(document: dict[str, Any]) -> set[Name]:
    """All tracked tables."""
    return {parse_name(entry["table"]) for entry in source_of(document).get("tables") or ()}
