"""What a plugin asks for: ``permissions`` of its manifest, and what services that it declares as data take beside them.

What code contributes is not seen here: who installs a plugin with code trusts its publisher with whatever the user may do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from hookspecs.roles import MASTER, role_of


def asked(manifest: Mapping[str, Any]) -> dict[str, list[str]]:
    """Kind → what, in words for the user; the manifest may not have been validated yet."""
    found = {kind: [str(one) for one in what] for kind, what in manifest.get("permissions", {}).items()}
    for kind, what in _taken(manifest):
        if what not in found.setdefault(kind, []):
            found[kind].append(what)
    return {kind: what for kind, what in found.items() if what}


def _taken(manifest: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    own = {str(setting.get("name", "")) for setting in _objects(manifest.get("settings")) if setting.get("secret")}
    role = f"database role {role_of(str(manifest.get('name', '')))}"
    for part in _objects(manifest.get("services")):
        kind = part.get("kind")
        if kind == "bind":
            yield "folders of this machine", f"{part.get('source', '')}{'' if part.get('read_only') else ':write'}"
        elif kind == "secret" and part.get("name") not in own and (part.get("name"), part.get("derive")) != (MASTER, role):
            yield "secrets", str(part.get("name", ""))
        elif kind == "get":
            yield "the stack's", f"{part.get('capability', '')}.{part.get('attribute', '')}"
        for capability in _list(part.get("cap_add")):
            yield "privileges", str(capability)
        if part.get("no_new_privileges") is False or ("cap_drop" in part and "ALL" not in _list(part["cap_drop"])):
            yield "privileges", "those that the image takes"
        if part.get("native"):
            yield "this machine", "as a process of yours where there are no containers"


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _objects(value: Any) -> Iterator[Mapping[str, Any]]:
    """Every object in it, itself among them."""
    if isinstance(value, Mapping):
        yield value
    for part in value.values() if isinstance(value, Mapping) else _list(value):
        yield from _objects(part)
