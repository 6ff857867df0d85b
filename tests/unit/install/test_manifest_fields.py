"""Every field of a manifest: it survives every place that keeps a manifest, and wrong in any way it is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hookspecs import Manifest, UserError
from nself_core.plugins import index
from nself_core.plugins.manifest import ManifestError, check_whole, read
from nself_core.plugins.model import State
from tests.plugin_wheels import package

from .conftest import Room

#: A value other than the default for every field.
VALUES: dict[str, Any] = {
    "$schema": "https://example.org/plugin.schema.json",
    "format": 1,
    "name": "full",
    "version": "1.2.3",
    "summary": "Has everything.",
    "publisher": "acme",
    "tier": "free",
    "kind": "engine",
    "category": "tests",
    "bundles": ["nclaw", "ntv"],
    "hooks": ["pre_deploy"],
    "commands": [{"name": "show", "help": "Show it.", "section": "Look"}],
    "settings": [
        {
            "name": "FULL_TOKEN", "type": "string", "help": "A token.", "secret": True, "generate": 32, "strength": 32,
            "required": True, "aliases": [{"name": "OLD_TOKEN", "values": {"a": "b"}, "json_fields": {}, "preferred": False}],
        },
        {"name": "FULL_MODE", "default": "fast", "defaults": {"prod": "safe"}, "choices": ["fast", "safe"], "help": "How."},
    ],
    "uses": ["DATABASE_URL"],
    "tables": ["np_full_items"],
    "depends_on": ["jobs>=1,<2"],
    "requires": ["packaging>=20"],
    "own_environment": False,
    "permissions": {
        "database": ["users", "auth.users:write"], "network": ["api.example.com", "*.example.org", "stack", "setting:FULL_MODE"],
        "filesystem": ["project:data", "project:out:write"], "ports": [9000], "public": ["/track"],
    },
    "webhooks": [{"source": "shop", "events": ["order.*"], "scheme": "hmac-sha256", "secret": "FULL_TOKEN", "header": "X-Sig",
                  "prefix": "v1=", "id": "header:X-Id", "type": "body:kind", "tolerance": 60}],
    "services": [{"name": "full", "image": {"ref": "example.org/full:1"}}],
    "offers": {"cache": "FULL_ENABLED=true"},
    "reads": ["full/*.yaml"],
    "min_nself": "0.0.1",
    "max_nself": "99.0",
    "homepage": "https://example.org/full",
    "license": "MIT",
}  # fmt: skip


def test_every_field_has_a_value_here() -> None:
    assert VALUES.keys() == set(Manifest.model_fields) | {"$schema"}
    check_whole(VALUES)
    plain = {name: field.get_default(call_default_factory=True) for name, field in Manifest.model_fields.items()}
    same = [name for name in VALUES.keys() & plain.keys() if plain[name] == VALUES[name]]
    assert sorted(same) == ["format", "own_environment", "tier"], "these have one value alone, or are tested below"


@pytest.fixture
def installed(room: Room) -> Room:
    room.offer("jobs")
    manifest = {key: value for key, value in VALUES.items() if key not in {"name", "version", "publisher"}}
    room.offer("full", "1.2.3", **manifest)
    room.install("full")
    return room


def test_every_field_survives_the_index_the_store_and_the_model(installed: Room) -> None:
    stored = json.loads((installed.home / "plugins" / "full" / "plugin.json").read_bytes())
    for round_ in ("compiled", "read again"):
        found = next(one for one in index.load(installed.home) if one.name == "full")
        for name, value in VALUES.items():
            assert found.manifest[name] == value, (round_, name)
            assert stored[name] == value, name
    entry = installed.open().find("full")
    assert entry is not None
    assert (entry.state, entry.manifest) == (State.SIGNED, VALUES)
    content = {name: value for name, value in VALUES.items() if name != "$schema"}
    dumped = json.loads(Manifest.model_validate_json(json.dumps(content)).model_dump_json(exclude_unset=True))
    assert dumped == content
    (release,) = installed.source.releases("full")
    assert release.manifest == VALUES
    pin = json.loads((installed.project / "plugins.lock").read_text())["plugins"]["full"]
    assert (pin["version"], pin["publisher"]) == (VALUES["version"], VALUES["publisher"])


@pytest.mark.parametrize("name", [name for name in VALUES if name not in {"$schema"}])
def test_a_changed_field_breaks_the_signature(installed: Room, name: str) -> None:
    place = installed.home / "plugins" / "full" / "plugin.json"
    manifest = json.loads(place.read_bytes())
    del manifest[name]
    place.write_text(json.dumps(manifest))
    entry = installed.open().find("full")
    assert entry is None or not entry.state.runnable


WRONG: list[tuple[str, Any]] = [
    *((name, value) for name in VALUES for value in (17.5, {"x": [1]}, [[1]]) if name != "$schema"),
    ("format", 2), ("name", "Upper"), ("name", "a b"), ("name", "../up"), ("name", ""), ("name", "x" * 61), ("name", "core-x"),
    ("version", "1"), ("version", "latest"), ("version", ""), ("summary", ""), ("summary", "x" * 201),
    ("publisher", "No One"), ("publisher", "../x"), ("tier", "gold"), ("tier", "core"), ("kind", "toy"),
    ("hooks", ["contribute_service"]), ("commands", [{"name": "Bad Name", "help": "x"}]), ("commands", [{"name": "show"}]),
    ("commands", [{"name": "a", "help": "x"}, {"name": "a", "help": "y"}]),
    ("settings", [{"name": "X"}]), ("settings", [{"name": "X", "help": "x", "type": "colour"}]),
    ("settings", [{"name": "X", "help": "x", "surprise": 1}]),
    ("settings", [{"name": "X", "help": "x"}, {"name": "X", "help": "x"}]),
    ("tables", ["users"]), ("tables", ["np_fuller_x"]), ("tables", ["np_full_*"]), ("depends_on", ["Jobs"]),
    ("depends_on", ["jobs>=one"]), ("depends_on", ["jobs; rm"]), ("requires", ["not a requirement!"]),
    ("requires", ["x @ https://example.org/x.whl"]), ("permissions", {"network": ["http://x"]}), ("permissions", {"all": ["*"]}),
    ("permissions", {"database": ["pg_catalog.pg_authid"]}), ("permissions", {"filesystem": ["/etc"]}),
    ("permissions", {"filesystem": ["project:../up"]}), ("permissions", {"ports": [0]}), ("permissions", {"ports": ["80"]}),
    ("permissions", {"public": ["track"]}), ("webhooks", [{"source": "x"}]),
    ("webhooks", [{"source": "x", "scheme": "none", "secret": "S"}]),
    ("webhooks", [{"source": "x", "scheme": "stripe", "secret": "S", "tolerance": 0}]),
    ("services", [{"name": "Not A Label"}]), ("offers", {"cache": 1}), ("min_nself", "new"), ("max_nself", "1.x"),
    ("homepage", "javascript:alert(1)"), ("surprise", 1),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), WRONG, ids=[f"{name}={json.dumps(value)[:40]}" for name, value in WRONG])
def test_a_wrong_field_is_refused(room: Room, tmp_path: Path, name: str, value: Any) -> None:
    folder = package(tmp_path / "tree", "full", key=None)
    manifest = json.loads((folder / "plugin.json").read_text())
    (folder / "plugin.json").write_text(json.dumps({**manifest, name: value}))
    before = room.state()
    with pytest.raises(UserError, match=r"refused") as caught:
        room.install(str(folder))
    assert name.rstrip("s") in str(caught.value) or name == "name"
    assert room.state() == before


#: What the cheap check at start-up leaves to the full one, which stands before every installation and permission.
LEFT_TO_THE_FULL_CHECK = {
    ("name", "core-x"), ("tier", "core"), ("summary", "x" * 201), ("publisher", "No One"), ("publisher", "../x"),
    ("min_nself", "new"), ("max_nself", "1.x"), ("homepage", "javascript:alert(1)"),
}  # fmt: skip
DEEP = {"settings", "tables", "requires", "permissions", "webhooks", "services", "commands", "depends_on"}


@pytest.mark.parametrize(("name", "value"), WRONG, ids=[f"{name}={json.dumps(value)[:40]}" for name, value in WRONG])
def test_the_cheap_check_keeps_step(tmp_path: Path, name: str, value: Any) -> None:
    """Where the cheap check at start-up refuses, the full one does; it refuses every field of the wrong shape itself."""
    folder = package(tmp_path / "tree", "full", key=None)
    manifest = {**json.loads((folder / "plugin.json").read_text()), name: value}
    (folder / "plugin.json").write_text(json.dumps(manifest))
    try:
        read(str(folder / "plugin.json"))
    except ManifestError:
        if (name, value) not in [("name", ""), ("version", "")]:
            with pytest.raises(ManifestError):
                check_whole(manifest)
    else:
        assert name in DEEP or (name, value) in LEFT_TO_THE_FULL_CHECK
