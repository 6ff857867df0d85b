"""``registry/levels.json``: levels that `nself plugin check` computed, of the very files that are here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nself_core.plugins.signing import SigningKey
from nself_core.plugins.sources.building import CATALOGUE, LEVELS, build, sources
from scripts.levels import REGISTRY, content_hash, recorded


def test_every_plugin_is_recorded_as_its_files_are_now() -> None:
    now = {source.name: content_hash(source) for source in sources(REGISTRY)}
    assert len(now) == 8
    assert {name: one["hash"] for name, one in recorded().items()} == now, "python -m scripts.levels computes them anew"


def test_the_embedded_registry_carries_the_levels_and_none_for_what_was_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = SigningKey("nself", bytes(31) + b"k")
    build(REGISTRY, tmp_path / "built", key)
    entries = json.loads((tmp_path / "built" / CATALOGUE).read_bytes())["releases"]
    levels = {entry["manifest"]["name"]: entry["level"] for entry in entries}
    assert levels == dict.fromkeys(recorded(), 8)

    (tmp_path / "registry").mkdir()
    (tmp_path / "registry" / "plugins").symlink_to(REGISTRY / "plugins")
    other = {name: {**one, "hash": "sha256:0"} for name, one in recorded().items()}
    (tmp_path / "registry" / LEVELS).write_text(json.dumps({"format": 1, "plugins": other}))
    build(tmp_path / "registry", tmp_path / "again", key)
    entries = json.loads((tmp_path / "again" / CATALOGUE).read_bytes())["releases"]
    assert {entry["level"] for entry in entries} == {0}
