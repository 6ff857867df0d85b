"""`actions.graphql`: the signatures of actions and their types, as GraphQL's schema language."""

from __future__ import annotations

from typing import Any

from graphql import parse, print_ast
from graphql.language import ast

SECTIONS = ("scalars", "enums", "input_objects", "objects")


def _signature(item: ast.FieldDefinitionNode) -> dict[str, Any]:
    arguments = [{"name": a.name.value, "type": print_ast(a.type)} for a in item.arguments or ()]
    return {"arguments": arguments, "output_type": print_ast(item.type)}


def merge_actions(actions: dict[str, Any], text: str) -> dict[str, Any]:
    """Actions and custom types of a document, from `actions.yaml` and `actions.graphql`."""
    signatures: dict[str, dict[str, Any]] = {}
    types: dict[str, list[dict[str, Any]]] = {section: [] for section in SECTIONS}
    for node in parse(text, no_location=True).definitions if text.strip() else ():
        if isinstance(node, ast.ObjectTypeDefinitionNode | ast.ObjectTypeExtensionNode):
            if node.name.value in ("Query", "Mutation"):
                for item in node.fields or ():
                    signatures[item.name.value] = {"type": node.name.value.lower(), **_signature(item)}
            else:
                fields = [{"name": f.name.value, "type": print_ast(f.type)} for f in node.fields or ()]
                types["objects"].append({"name": node.name.value, "fields": fields})
        elif isinstance(node, ast.InputObjectTypeDefinitionNode):
            fields = [{"name": f.name.value, "type": print_ast(f.type)} for f in node.fields or ()]
            types["input_objects"].append({"name": node.name.value, "fields": fields})
        elif isinstance(node, ast.EnumTypeDefinitionNode):
            types["enums"].append({"name": node.name.value, "values": [{"value": v.name.value} for v in node.values or ()]})
        elif isinstance(node, ast.ScalarTypeDefinitionNode):
            types["scalars"].append({"name": node.name.value})
    extra = actions.get("custom_types") or {}
    for section in SECTIONS:
        settings = {item["name"]: item for item in extra.get(section) or ()}
        types[section] = [item | settings.get(item["name"], {}) for item in types[section]]
    found: dict[str, Any] = {}
    merged = [
        action | {"definition": (action.get("definition") or {}) | signatures.get(action["name"], {})}
        for action in actions.get("actions") or ()
    ]
    if merged:
        found["actions"] = merged
    if any(types.values()):
        found["custom_types"] = {section: items for section, items in types.items() if items}
    return found


def split_actions(document: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """`actions.yaml` and `actions.graphql` of a document."""
    blocks: list[str] = []
    actions = []
    for action in document.get("actions") or ():
        definition = dict(action["definition"])
        arguments = ", ".join(f"{a['name']}: {a['type']}" for a in definition.pop("arguments", None) or ())
        root = "Query" if definition.pop("type", "mutation") == "query" else "Mutation"
        output = definition.pop("output_type")
        given = f"({arguments})" if arguments else ""
        blocks.append(f"type {root} {{\n  {action['name']}{given}: {output}\n}}\n")
        actions.append(action | {"definition": definition})
    types = document.get("custom_types") or {}
    for section, word in (("input_objects", "input"), ("objects", "type")):
        for item in types.get(section) or ():
            fields = "".join(f"  {f['name']}: {f['type']}\n" for f in item["fields"])
            blocks.append(f"{word} {item['name']} {{\n{fields}}}\n")
    for item in types.get("enums") or ():
        values = "".join(f"  {v['value']}\n" for v in item["values"])
        blocks.append(f"enum {item['name']} {{\n{values}}}\n")
    blocks += [f"scalar {item['name']}\n" for item in types.get("scalars") or ()]
    names = {section: [{"name": i["name"]} for i in types.get(section) or ()] for section in SECTIONS[1:]}
    names["scalars"] = [{"name": i["name"]} for i in types.get("scalars") or ()]
    return {"actions": actions, "custom_types": names}, "\n".join(blocks)
