"""The mirrors and the schema agree to the column."""

from __future__ import annotations

import re
from pathlib import Path

import nself_plugin_github
import pytest
from nself_plugin_github.objects import ALL

SCHEMA = (Path(nself_plugin_github.__file__).parent / "schema" / "001_initial.sql").read_text()
TABLES = dict(re.findall(r"CREATE TABLE (\w+) \(\n(.*?)\n\);", SCHEMA, re.S))


@pytest.mark.parametrize("mirror", ALL, ids=lambda mirror: mirror.table)
def test_columns(mirror: object) -> None:
    body = " ".join(TABLES[mirror.table].split())  # type: ignore[attr-defined]
    columns = [part.split()[0].strip('"') for part in re.split(r", (?![^(]*\))", body) if not part.startswith("PRIMARY KEY")]
    assert columns == ["source_account_id", *mirror.columns, "data", "as_of", "deleted_at"] or set(columns) == {  # type: ignore[attr-defined]
        "source_account_id", *mirror.columns, "data", "as_of", "deleted_at",  # type: ignore[attr-defined]
    }  # fmt: skip
