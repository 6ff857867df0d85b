"""The metadata folder of the Hasura CLI."""

from __future__ import annotations

from pathlib import Path

import pytest

from builtin_plugins.core.hasura.engine.metadata.folder import FolderError, diff, export, load

DOCUMENT = {
    "version": 3,
    "sources": [
        {
            "name": "default",
            "kind": "postgres",
            "configuration": {"connection_info": {"database_url": {"from_env": "HASURA_GRAPHQL_DATABASE_URL"}}},
            "tables": [
                {"table": {"schema": "public", "name": "author"}, "is_enum": True},
                {"table": {"schema": "s", "name": "x y"}},
            ],
            "functions": [{"function": {"schema": "public", "name": "f"}}],
        }
    ],
    "inherited_roles": [{"role_name": "a", "role_set": ["b", "c"]}],
    "actions": [
        {
            "name": "add",
            "definition": {
                "handler": "http://x",
                "kind": "synchronous",
                "type": "query",
                "arguments": [{"name": "a", "type": "Int!"}],
                "output_type": "Sum!",
            },
            "permissions": [{"role": "user"}],
        }
    ],
    "custom_types": {"objects": [{"name": "Sum", "fields": [{"name": "total", "type": "Int!"}]}]},
}


def test_export_and_load_are_inverse(tmp_path: Path) -> None:
    assert export(DOCUMENT, tmp_path)
    assert load(tmp_path) == DOCUMENT
    assert export(DOCUMENT, tmp_path) == []
    assert diff(DOCUMENT, tmp_path) == ""
    assert '- "!include public_author.yaml"' in (tmp_path / "databases/default/tables/tables.yaml").read_text()


def test_what_is_no_longer_tracked_goes(tmp_path: Path) -> None:
    export(DOCUMENT, tmp_path)
    less = DOCUMENT | {"sources": [DOCUMENT["sources"][0] | {"tables": []}]}
    assert "-table:" in diff(less, tmp_path)
    export(less, tmp_path)
    assert not (tmp_path / "databases/default/tables/public_author.yaml").exists()
    assert load(tmp_path)["sources"][0]["tables"] == []


def test_includes_stay_inside_and_errors_name_the_file(tmp_path: Path) -> None:
    export(DOCUMENT, tmp_path)
    (tmp_path / "cron_triggers.yaml").write_text('- "!include ../../etc/passwd"\n')
    with pytest.raises(FolderError, match="outside"):
        load(tmp_path)
    (tmp_path / "cron_triggers.yaml").write_text("- [\n")
    with pytest.raises(FolderError, match="cron_triggers"):
        load(tmp_path)
