"""Wheels of plugins made without pip, and the embedded registry that a checkout builds of them."""

from __future__ import annotations

import base64
import csv
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from hookspecs import UserError
from nself_core.plugins.keys import keygen
from nself_core.plugins.packing import pack
from nself_core.plugins.sources import building
from nself_core.plugins.sources.embedded import EmbeddedSource, of_checkout

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A copy of a plugin's source folder, that may be changed."""
    return shutil.copytree(FIXTURES / "nself-plugin-example", tmp_path / "source", ignore=shutil.ignore_patterns("__pycache__"))


def ours(registry: Path, name: str = "example") -> Path:
    """Put a plugin of nself's own into a registry's sources; returns its manifest's place."""
    folder = registry / "plugins" / name
    shutil.copytree(FIXTURES / f"nself-plugin-{name}", folder, ignore=shutil.ignore_patterns("__pycache__"))
    place = folder / f"nself_plugin_{name}" / "plugin.json"
    place.write_text(json.dumps({**json.loads(place.read_text()), "publisher": "nself"}))
    return place


def test_equal_sources_give_equal_bytes(source: Path, tmp_path: Path) -> None:
    first = pack(source, tmp_path / "a")
    for place in source.rglob("*"):
        os.utime(place, (1, 1))
    (source / "nself_plugin_example" / "__pycache__").mkdir()
    (source / "nself_plugin_example" / "__pycache__" / "x.pyc").write_bytes(b"x")
    second = pack(source, tmp_path / "b")
    assert first.read_bytes() == second.read_bytes()
    assert first.name == "nself_plugin_example-1.0.0-py3-none-any.whl"


def test_the_record_names_every_file_with_its_hash(source: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(pack(source, tmp_path)) as wheel:
        names = wheel.namelist()
        (record,) = [name for name in names if name.endswith("/RECORD")]
        rows = list(csv.reader(wheel.read(record).decode().splitlines()))
        assert sorted(row[0] for row in rows) == sorted(names)
        for name, digest, size in rows:
            if name != record:
                data = wheel.read(name)
                assert digest == "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
                assert int(size) == len(data)


@pytest.mark.slow
def test_pip_installs_it(source: Path, tmp_path: Path) -> None:
    wheel = pack(source, tmp_path)
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
        "--target",
        str(tmp_path / "t"),
        str(wheel),
    ]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    assert (tmp_path / "t" / "nself_plugin_example" / "plugin.json").is_file()
    points = (tmp_path / "t" / "nself_plugin_example-1.0.0.dist-info" / "entry_points.txt").read_text()
    assert "example = nself_plugin_example" in points


def test_a_package_folder_alone_will_do(source: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(pack(source / "nself_plugin_example", tmp_path)) as wheel:
        assert "nself_plugin_example/plugin.json" in wheel.namelist()


@pytest.mark.parametrize("fault", ["two versions", "no plugin", "a link", "no version", "broken toml", "broken manifest"])
def test_what_cannot_be_packed_is_refused_and_nothing_written(source: Path, tmp_path: Path, fault: str) -> None:
    project, manifest = source / "pyproject.toml", source / "nself_plugin_example" / "plugin.json"
    if fault == "two versions":
        project.write_text(project.read_text().replace("1.0.0", "1.0.1"))
    elif fault == "no plugin":
        manifest.unlink()
    elif fault == "a link":
        (manifest.parent / "link.py").symlink_to("/etc/hostname")
    elif fault == "no version":
        manifest.write_text(manifest.read_text().replace("1.0.0", "1.0.0-what-is-this"))
    elif fault == "broken toml":
        project.write_text("[project")
    else:
        manifest.write_text("{")
    with pytest.raises(UserError):
        pack(source, tmp_path / "out")
    assert not list(tmp_path.glob("out/*"))


def test_a_checkout_builds_its_registry_once_and_anew_when_a_source_changes(tmp_path: Path) -> None:
    registry, home = tmp_path / "registry", tmp_path / ".nself"
    manifest = ours(registry)
    assert [release.full_name for release in of_checkout(registry, home).catalogue()] == ["nself/example"]
    first = building.build_for_checkout(registry, home)
    assert building.build_for_checkout(registry, home) == first
    time.sleep(0.01)
    manifest.write_text(manifest.read_text().replace('"summary": "', '"summary": "Now '))
    second = building.build_for_checkout(registry, home)
    assert second != first
    assert not first.exists()
    assert of_checkout(registry, home).catalogue()[0].summary.startswith("Now ")
    ours(registry, "notes")
    assert [release.name for release in of_checkout(registry, home).catalogue()] == ["example", "notes"]


def test_a_checkouts_plugins_are_signed_with_a_key_of_this_home(tmp_path: Path) -> None:
    registry, home = tmp_path / "registry", tmp_path / ".nself"
    ours(registry)
    (release,) = of_checkout(registry, home).releases("example")
    wheel = of_checkout(registry, home).download(release, tmp_path, lambda _: None)
    with zipfile.ZipFile(wheel) as archive:
        signature = json.loads(archive.read("nself_plugin_example/signature.json"))
    assert signature["publisher"] == "nself"
    assert (home / "keys" / "nself.pem").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("name", ["catalogue.json", "nself_plugin_example-1.0.0-py3-none-any.whl", "files.json"])
def test_what_was_changed_in_it_is_refused(tmp_path: Path, name: str) -> None:
    registry, home = tmp_path / "registry", tmp_path / ".nself"
    ours(registry)
    folder = building.build_for_checkout(registry, home)
    (release,) = of_checkout(registry, home).releases("example")
    data = (folder / name).read_bytes()
    (folder / name).write_bytes(data.replace(b"0", b"1", 1) if name.endswith("json") else data[:-1])
    with pytest.raises(UserError, match="cannot be trusted"):
        source = of_checkout(registry, home)
        source.download(source.releases("example")[0], tmp_path, lambda _: None)
    assert not (tmp_path / release.file).exists()


def test_the_level_is_that_of_these_very_files(tmp_path: Path) -> None:
    from nself_core.plugins.hashing import hash_files, total

    registry, home = tmp_path / "registry", tmp_path / ".nself"
    manifest = ours(registry)
    record = {"plugins": {"example": {"level": 8, "hash": total(hash_files(str(manifest.parent)))}}}
    (registry / "levels.json").write_text(json.dumps(record))
    assert of_checkout(registry, home).releases("example")[0].level == 8
    (manifest.parent / "more.txt").write_text("more")
    assert of_checkout(registry, home).releases("example")[0].level == 0


def test_a_plugin_of_another_publisher_is_not_ours(tmp_path: Path) -> None:
    manifest = ours(tmp_path / "registry")
    manifest.write_text(manifest.read_text().replace('"nself"', '"acme"'))
    with pytest.raises(UserError, match="names acme as its publisher"):
        of_checkout(tmp_path / "registry", tmp_path / ".nself")


def test_a_registry_without_plugins_offers_none(tmp_path: Path) -> None:
    source = of_checkout(tmp_path / "registry", tmp_path / ".nself")
    assert (source.catalogue(), source.releases("notify")) == ([], [])


def test_a_file_that_no_list_names_is_not_read(tmp_path: Path) -> None:
    key = keygen(tmp_path, "nself")
    ours(tmp_path / "registry")
    building.build(tmp_path / "registry", tmp_path / "built", key)
    with pytest.raises(UserError, match="it is in no signed list"):
        EmbeddedSource(tmp_path / "built", {}).catalogue()
