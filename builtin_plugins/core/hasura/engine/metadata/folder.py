"""The Hasura CLI's metadata folder (format v3): one YAML file per section, `!include` for tables and functions.

Layout: `version.yaml`, `databases/databases.yaml`, `databases/<source>/tables/{tables,<schema>_<table>}.yaml`,
`databases/<source>/functions/…`, `actions.yaml` with `actions.graphql`, `remote_schemas.yaml`, `cron_triggers.yaml`, and so on.
"""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

import yaml

from ..schema.names import parse_name

SECTIONS = {
    "allow_list.yaml": "allowlist",
    "api_limits.yaml": "api_limits",
    "cron_triggers.yaml": "cron_triggers",
    "graphql_schema_introspection.yaml": "graphql_schema_introspection",
    "inherited_roles.yaml": "inherited_roles",
    "metrics_config.yaml": "metrics_config",
    "network.yaml": "network",
    "opentelemetry.yaml": "opentelemetry",
    "query_collections.yaml": "query_collections",
    "remote_schemas.yaml": "remote_schemas",
    "rest_endpoints.yaml": "rest_endpoints",
}
OBJECTS = frozenset({"api_limits", "graphql_schema_introspection", "metrics_config", "network", "opentelemetry"})


class Include(str):
    """A file to include, as its path relative to the file that names it."""

    __slots__ = ()


class FolderError(Exception):
    """A folder that cannot be read; the message names the file."""


def _loader(folder: Path, base: Path) -> type[yaml.SafeLoader]:
    class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
        """Reads `!include`, never outside the metadata folder."""

    def include(loader: Any, node: yaml.Node) -> Any:
        target = (folder / str(loader.construct_scalar(node)).strip('"')).resolve()
        if not target.is_relative_to(base):
            raise FolderError(f"{target}: outside the metadata folder")
        return read_yaml(target, base)

    Loader.add_constructor("!include", include)
    return Loader


def read_yaml(file: Path, base: Path) -> Any:
    """One file, includes resolved."""
    try:
        text = file.read_text("utf-8")
    except OSError as error:
        raise FolderError(f"{file}: {error.strerror}") from None
    try:
        return _included(yaml.load(text, _loader(file.parent, base)), file.parent, base)  # noqa: S506 - a SafeLoader
    except yaml.YAMLError as error:
        raise FolderError(f"{file}: {error}") from None


def _included(value: Any, folder: Path, base: Path) -> Any:
    """The CLI also writes includes as plain strings: `"!include public_author.yaml"`."""
    if isinstance(value, str) and value.startswith("!include "):
        target = (folder / value.removeprefix("!include ").strip()).resolve()
        if not target.is_relative_to(base):
            raise FolderError(f"{target}: outside the metadata folder")
        return read_yaml(target, base)
    if isinstance(value, list):
        return [_included(item, folder, base) for item in value]
    if isinstance(value, dict):
        return {key: _included(item, folder, base) for key, item in value.items()}
    return value


def load(folder: Path) -> dict[str, Any]:
    """The metadata document of a folder; what `metadata apply` sends as `replace_metadata`."""
    base = folder.resolve()
    version = read_yaml(base / "version.yaml", base) if (base / "version.yaml").exists() else {"version": 3}
    if not isinstance(version, dict) or version.get("version") != 3:
        raise FolderError(f"{base / 'version.yaml'}: version 3 is expected")
    document: dict[str, Any] = {"version": 3, "sources": []}
    databases = base / "databases" / "databases.yaml"
    if databases.exists():
        document["sources"] = [{**source, "tables": source.get("tables") or []} for source in read_yaml(databases, base) or ()]
    for name, section in SECTIONS.items():
        if (base / name).exists():
            found = read_yaml(base / name, base)
            if found:
                document[section] = found
    if (base / "actions.yaml").exists():
        from .sdl import merge_actions

        graphql = base / "actions.graphql"
        text = graphql.read_text("utf-8") if graphql.exists() else ""
        document |= merge_actions(read_yaml(base / "actions.yaml", base) or {}, text)
    return document


def _dump(value: Any) -> str:
    class Dumper(yaml.SafeDumper):
        """Writes includes as quoted strings, as the CLI does."""

        def ignore_aliases(self, data: Any) -> bool:
            return True

    Dumper.add_representer(Include, lambda dumper, data: dumper.represent_scalar("tag:yaml.org,2002:str", str(data), '"'))
    return yaml.dump(value, Dumper=Dumper, sort_keys=False, allow_unicode=True, default_flow_style=False)


def files(document: dict[str, Any]) -> dict[str, str]:
    """The files of a folder, by relative path; what `metadata export` writes."""
    found = {"version.yaml": _dump({"version": 3})}
    sources = []
    for source in document.get("sources") or ():
        name = source["name"]
        entry = {key: value for key, value in source.items() if key not in ("tables", "functions")}
        for kind, key in (("tables", "table"), ("functions", "function")):
            includes = []
            for item in source.get(kind) or ():
                file = "_".join(parse_name(item[key])) + ".yaml"
                includes.append(Include(f"!include {file}"))
                found[f"databases/{name}/{kind}/{file}"] = _dump(item)
            if includes or kind == "tables":
                found[f"databases/{name}/{kind}/{kind}.yaml"] = _dump(includes)
                entry[kind] = Include(f"!include {name}/{kind}/{kind}.yaml")
        sources.append(entry)
    found["databases/databases.yaml"] = _dump(sources)
    for file, section in SECTIONS.items():
        empty: Any = {} if section in OBJECTS else []
        found[file] = _dump(document.get(section) or empty)
    from .sdl import split_actions

    actions, graphql = split_actions(document)
    found["actions.yaml"] = _dump(actions)
    found["actions.graphql"] = graphql
    return found


def export(document: dict[str, Any], folder: Path) -> list[Path]:
    """Write a folder; files of tables and functions that are no longer tracked are removed. Returns what changed."""
    changed = []
    wanted = files(document)
    for name, text in wanted.items():
        target = folder / name
        if not target.exists() or target.read_text("utf-8") != text:
            target.parent.mkdir(parents=True, exist_ok=True)
            part = target.with_name(target.name + ".part")
            part.write_text(text, "utf-8")
            part.replace(target)
            changed.append(target)
    for kind in ("tables", "functions"):
        for target in (folder / "databases").glob(f"*/{kind}/*.yaml"):
            if target.relative_to(folder).as_posix() not in wanted:
                target.unlink()
                changed.append(target)
    return changed


def diff(document: dict[str, Any], folder: Path) -> str:
    """A unified diff from the folder to what the server has."""
    here, there = files(load(folder)), files(document)
    lines: list[str] = []
    for name in sorted(here.keys() | there.keys()):
        before, after = here.get(name, "").splitlines(True), there.get(name, "").splitlines(True)
        lines += difflib.unified_diff(before, after, f"folder/{name}", f"server/{name}")
    return "".join(lines)
