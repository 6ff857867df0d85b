"""The Host in the stack: when it is there, what it is given, and the build context of its image."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from hookspecs import Manifest
from nself_core.workspace import Workspace
from tests import plugin_home
from tests.conftest import Nself


@pytest.fixture
def built(nself: Nself, own_home: Path) -> Nself:
    for name in ("board", "hostile"):
        plugin_home.link(own_home / ".nself", name)
    plugin_home.enable(nself.folder, "board", "hostile")
    (nself.folder / ".env").write_text("PROJECT_NAME=demo\nPLUGIN_HOSTILE_ISOLATED=true\n")
    for name in ("shared", "outbox"):
        (nself.folder / name).mkdir()
    nself("build")
    return nself


def services(nself: Nself) -> dict[str, dict[str, object]]:
    found: dict[str, dict[str, object]] = yaml.safe_load((nself.folder / "docker-compose.yml").read_text())["services"]
    return found


def env_file(nself: Nself, service: str) -> str:
    return (nself.folder / ".nself" / "compose" / "env" / f"{service}.env").read_text()


def test_it_is_there_exactly_when_a_plugin_has_something_for_it(built: Nself) -> None:
    assert {"host", "plugin-hostile"} <= services(built).keys()
    built("plugin", "disable", "hostile")
    built("plugin", "disable", "board")
    built("build")
    assert not {"host", "plugin-hostile"} & services(built).keys()
    assert not (built.folder / ".nself" / "host").exists()


def test_each_process_is_given_what_is_its_own(built: Nself) -> None:
    host, isolated = env_file(built, "host"), env_file(built, "plugin-hostile")
    assert "NSELF_PASSWORD_NP_BOARD=" in host
    assert "NSELF_PASSWORD_NP_CORE_HOST=" in host
    assert "NSELF_SECRET_BOARD_KEY=" in host
    assert "NP_HOSTILE=" not in host.replace("NSELF_LINK_NP_HOSTILE", "")
    assert "NSELF_PASSWORD_NP_HOSTILE=" in isolated
    assert "NSELF_SECRET_HOSTILE_KEY=" in isolated
    for other in ("BOARD", "NP_CORE_HOST", "JWT", "INTERNAL"):
        assert other not in isolated, other
    secrets = Workspace.open(start=built.folder).secret_values()
    for text in (host, isolated, (built.folder / "docker-compose.yml").read_text()):
        for name in ("NSELF_MASTER_SECRET", "POSTGRES_PASSWORD", "HASURA_GRAPHQL_ADMIN_SECRET"):
            assert secrets[name] not in text, name


def test_the_isolated_container_sees_the_declared_folders_and_its_own_data(built: Nself) -> None:
    mounts = services(built)["plugin-hostile"]["volumes"]
    assert isinstance(mounts, list)
    seen = {(one["source"], one["target"], one.get("read_only", False)) for one in mounts}
    assert seen == {
        ("./.nself/host/plugin-hostile.json", "/etc/nself/host.json", True),
        ("plugin_hostile_data", "/data/hostile", False),
        ("./shared", "/project/shared", True),
        ("./outbox", "/project/outbox", False),
    }


def test_the_image_holds_the_very_files_and_the_document_their_hashes(built: Nself) -> None:
    context = built.folder / ".nself" / "host" / "image"
    source = plugin_home.FIXTURES / "nself-plugin-board" / "nself_plugin_board"
    told = json.loads((built.folder / ".nself" / "host" / "host.json").read_text())
    (board,) = told["plugins"]
    assert board["plugin"]["folder"] == "/opt/nself/plugins/board"
    copied = {str(path.relative_to(context / "plugins" / "board")) for path in (context / "plugins" / "board").rglob("*.*")}
    assert copied == set(board["plugin"]["files"])
    assert (context / "plugins" / "board" / "service.py").read_bytes() == (source / "service.py").read_bytes()
    required = (context / "requirements.txt").read_text()
    for name in ("fastapi", "asyncpg", "prometheus-client", "pluggy", "pydantic"):
        assert name in required
    assert "docker" not in required


def test_what_is_copied_of_nself_is_enough_to_run_on(built: Nself, tmp_path: Path) -> None:
    """The context's packages come first, so a module that it lacks would not be found at all."""
    context = built.folder / ".nself" / "host" / "image" / "nself"
    code = (
        "import builtin_plugins.host.server.main as m, nself_core.plugins.serve as s, hookspecs.web as w\n"
        "import builtin_plugins.host.sandbox.keeper, hookspecs.client, hookspecs.outside, hookspecs.mirror\n"
        "print(m.__file__, s.__file__, w.__file__)"
    )
    env = {"PYTHONPATH": str(context), "PATH": "/usr/bin:/bin"}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=env, capture_output=True, text=True, check=True)
    assert all(path.startswith(str(context)) for path in done.stdout.split())


def test_a_plugins_file_that_changed_since_it_was_verified_stops_the_build(nself: Nself, own_home: Path) -> None:
    from builtin_plugins.host.image import files
    from hookspecs import InstalledPlugin, UserError

    folder = plugin_home.FIXTURES / "nself-plugin-board" / "nself_plugin_board"
    manifest = Manifest.model_validate_json((folder / "plugin.json").read_bytes())
    named = {"name": "board", "version": "1.0.0", "module": "nself_plugin_board", "folder": str(folder), "state": "signed"}
    plugin = InstalledPlugin(**named, files={}, manifest=manifest)
    with pytest.raises(UserError, match="is not the file that was verified"):
        list(files([plugin]))


def test_a_signed_plugin_is_copied_without_its_signature_which_lists_the_others(tmp_path: Path) -> None:
    from builtin_plugins.host.image import files
    from hookspecs import InstalledPlugin
    from nself_core.plugins.hashing import hash_files
    from nself_core.plugins.signing import SigningKey, sign

    folder = tmp_path / "board"
    skipped = shutil.ignore_patterns("__pycache__")
    shutil.copytree(plugin_home.FIXTURES / "nself-plugin-board" / "nself_plugin_board", folder, ignore=skipped)
    manifest = Manifest.model_validate_json((folder / "plugin.json").read_bytes())
    sign(folder, SigningKey(manifest.publisher, bytes(31) + b"k"))
    named = {"name": "board", "version": "1.0.0", "module": "nself_plugin_board", "folder": str(folder), "state": "signed"}
    plugin = InstalledPlugin(**named, files=hash_files(str(folder)), manifest=manifest)
    below = ".nself/host/image/plugins/board/"
    assert {file.path.removeprefix(below) for file in files([plugin]) if below in file.path} == set(plugin.files or ())


@pytest.mark.parametrize(
    "wrong",
    [
        {"tables": ["users"]},
        {"tables": ["np_boardroom"]},
        {"tables": ["np_board_A"]},
        {"permissions": {"database": ["nself.plugins"]}},
        {"permissions": {"database": ["pg_catalog.pg_authid"]}},
        {"permissions": {"database": ["a.b.c"]}},
        {"permissions": {"database": ["users; DROP TABLE x"]}},
        {"permissions": {"filesystem": ["project:../other"]}},
        {"permissions": {"filesystem": ["project:.nself"]}},
        {"permissions": {"filesystem": ["project:a/.env"]}},
        {"permissions": {"filesystem": ["/etc"]}},
        {"services": [{"name": "b", "image": {"ref": "b:1"}, "mounts": [{"kind": "bind", "source": "/", "target": "/host"}]}]},
    ],
)
def test_a_manifest_asks_for_nothing_that_nobody_may_have(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Manifest.model_validate_json(json.dumps({"name": "board", "version": "1.0.0", "summary": "x", **wrong}))


def test_a_plugin_is_given_no_secret_of_anothers(nself: Nself, own_home: Path, tmp_path: Path) -> None:
    """Neither by naming it under `uses` nor by declaring it once more."""
    wanted = ("NSELF_MASTER_SECRET", "POSTGRES_PASSWORD", "HASURA_GRAPHQL_ADMIN_SECRET", "BOARD_KEY")
    settings = [{"name": name, "secret": True, "help": "Not its own."} for name in ("POSTGRES_PASSWORD", "HASURA_JWT_KEY")]
    rule = {"source": "x", "scheme": "stripe", "secret": "PLUGIN_INTERNAL_SECRET"}
    plugin_home.link(own_home / ".nself", "board")
    plugin_home.write(
        own_home / ".nself", tmp_path, "greedy", "", uses=["BOARD_TITLE", *wanted], settings=settings, webhooks=[rule]
    )
    plugin_home.enable(nself.folder, "board", "greedy")
    (nself.folder / ".env").write_text("PROJECT_NAME=demo\nPLUGIN_GREEDY_ISOLATED=true\n")
    nself("build")
    text = env_file(nself, "plugin-greedy")
    assert "NSELF_SECRET_" not in text
    values = Workspace.open(start=nself.folder).secret_values()
    assert not [name for name in (*wanted, "HASURA_JWT_KEY", "PLUGIN_INTERNAL_SECRET") if values[name] in text]
    assert "NSELF_SECRET_PLUGIN_INTERNAL_SECRET" not in env_file(nself, "host")


def test_what_cannot_be_held_or_taken_is_told_before_the_start(
    nself: Nself, own_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from builtin_plugins.host.checks import findings
    from builtin_plugins.host.sandbox import bwrap

    plugin_home.link(own_home / ".nself", "hostile")
    rule = {"source": "shop", "scheme": "stripe", "secret": "HOOKED_SECRET"}
    settings = [{"name": "HOOKED_SECRET", "secret": True, "help": "What signs them."}]
    plugin_home.write(own_home / ".nself", tmp_path, "hooked", "", webhooks=[rule], settings=settings)
    plugin_home.enable(nself.folder, "hooked", "hostile")
    (nself.folder / ".env").write_text("PROJECT_NAME=demo\nPLUGIN_HOSTILE_ISOLATED=true\n")
    monkeypatch.setattr(bwrap, "program", lambda: None)
    project = Workspace.open(start=nself.folder).project("native")
    told = {finding.code: finding.message for finding in findings(project)}
    assert told["webhook-secret"] == "webhooks of plugin hooked (shop) are refused: HOOKED_SECRET is not set"
    assert told["no-sandbox"] == "hostile: a process of its own, but no sandbox: bubblewrap is not installed"
