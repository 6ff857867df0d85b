"""What is found, without importing any of it."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from nself_core.plugins import index
from nself_core.plugins.model import Found

from .conftest import Site


def load(site: Site) -> dict[str, Found]:
    return {one.name: one for one in index.load(site.home)}


def compiled(site: Site) -> Path:
    return next((site.home / "cache").glob("plugins-*.json"))


def test_an_entry_point_is_found_and_not_imported(site: Site) -> None:
    package = site.add("alpha", "raise RuntimeError('imported')", hooks=["contribute_services"])
    found = load(site)["alpha"]
    assert (found.folder, found.distribution, found.problem) == (str(package), "nself-plugin-alpha", "")
    assert found.module not in sys.modules


def test_the_built_ins_come_by_the_same_entry_points(site_with_ours: Site) -> None:
    ours = [one for one in index.load(site_with_ours.home) if one.source == "core"]
    assert len(ours) >= 20
    assert all(one.distribution == "nself" for one in ours)


def test_a_package_within_another_imports_no_parent(site: Site) -> None:
    site.add("nested", "", module="acme_parent.plugins.nested", hooks=[])
    (site.folder / "acme_parent" / "__init__.py").write_text("raise RuntimeError('parent imported')")
    assert load(site)["nested"].problem == ""


def test_the_index_is_read_again_while_nothing_changed(site: Site) -> None:
    site.add("alpha")
    load(site)
    stored = json.loads(compiled(site).read_text())
    next(one for one in stored["plugins"] if one["name"] == "alpha")["manifest"]["summary"] = "from the index"
    compiled(site).write_text(json.dumps(stored))
    assert load(site)["alpha"].manifest["summary"] == "from the index"


def test_installing_another_plugin_makes_the_index_stale(site: Site) -> None:
    site.add("alpha")
    assert set(load(site)) == {"alpha"}
    site.add("beta")
    assert set(load(site)) == {"alpha", "beta"}


def test_a_changed_manifest_makes_the_index_stale(site: Site) -> None:
    package = site.add("alpha")
    load(site)
    content = json.loads((package / "plugin.json").read_text())
    (package / "plugin.json").write_text(json.dumps({**content, "summary": "something else now"}))
    assert load(site)["alpha"].manifest["summary"] == "something else now"


def test_a_package_that_comes_to_be_is_noticed(site: Site) -> None:
    (site.folder / "late_parent").mkdir()
    site.register("late", "late_parent.late", "nself_plugin_late")
    assert "is not there" in load(site)["late"].problem
    before = site.folder.stat()
    package = site.folder / "late_parent" / "late"
    package.mkdir()
    (package / "plugin.json").write_text('{"name": "late", "version": "1.0.0", "summary": "late"}')
    os.utime(site.folder, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert load(site)["late"].problem == ""


def test_the_index_holds_no_verdict(site: Site) -> None:
    site.add("alpha", "", hooks=[])
    site.open()
    before = compiled(site).read_bytes()
    assert site.allow("alpha").known()
    assert compiled(site).read_bytes() == before
    assert set(next(one for one in json.loads(before)["plugins"] if one["name"] == "alpha")) == set(Found._fields)
    assert not {"state", "allowed", "trust", "verdict"} & set(Found._fields)


def test_a_broken_index_is_made_anew(site: Site) -> None:
    site.add("alpha")
    load(site)
    compiled(site).write_text("{")
    assert set(load(site)) == {"alpha"}


def test_a_home_that_cannot_be_written_is_no_obstacle(site: Site) -> None:
    site.add("alpha")
    site.home.mkdir(parents=True)
    (site.home / "cache").write_text("a file where the folder would be")
    assert set(load(site)) == {"alpha"}


def test_a_broken_manifest_disables_that_plugin_alone(site: Site) -> None:
    site.add("good")
    (site.add("bad") / "plugin.json").write_text("{ not json")
    (site.add("odd", hooks=["contribute_service"]) / "ignored.txt").write_text("")
    site.add("stray", surprise=True)
    site.add("loose", settings=[{"name": "LOOSE_X", "help": "x", "colour": "red"}])
    found = load(site)
    assert "no JSON" in found["bad"].problem
    assert "knows no hook 'contribute_service'" in found["odd"].problem
    assert "unknown field 'surprise'" in found["stray"].problem
    assert "setting LOOSE_X: unknown field 'colour'" in found["loose"].problem
    assert found["good"].problem == ""


def test_nobody_else_takes_our_prefix(site: Site) -> None:
    site.add("core-evil", "raise RuntimeError('imported')", hooks=["contribute_services"])
    assert "nself's own" in load(site)["core-evil"].problem


def test_a_strangers_entry_point_into_our_folder_is_not_ours(site: Site) -> None:
    site.register("core-mine", "builtin_plugins.custom", "evil")
    found = load(site)["core-mine"]
    assert found.source != "core"
    assert found.problem


def test_two_of_one_name_are_both_left_out(site: Site) -> None:
    site.add("twin", distribution="first")
    site.add("twin", distribution="second")
    twins = [one for one in index.load(site.home) if one.name == "twin"]
    assert [one.distribution for one in twins] == ["first", "second"]
    assert "the distribution second" in twins[0].problem
    assert "the distribution first" in twins[1].problem


def test_what_nself_installed_wins_over_an_entry_point(site: Site, tmp_path: Path) -> None:
    site.add("twin")
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "plugin.json").write_text('{"name": "twin", "version": "2.0.0", "summary": "linked"}')
    (site.home / "plugins").mkdir(parents=True)
    (site.home / "plugins" / "twin").symlink_to(folder)
    by_source = {one.source: one for one in index.load(site.home) if one.name == "twin"}
    assert by_source["linked"].problem == ""
    assert "its name is also that of" in by_source["entry-point"].problem


def test_a_link_that_is_moved_makes_the_index_stale(site: Site, tmp_path: Path) -> None:
    (site.home / "plugins").mkdir(parents=True)
    for version in ("1.0.0", "2.0.0"):
        folder = site.home / "store" / "noted" / version
        folder.mkdir(parents=True)
        (folder / "plugin.json").write_text(json.dumps({"name": "noted", "version": version, "summary": "stored"}))
        link = site.home / "plugins" / "noted"
        link.unlink(missing_ok=True)
        link.symlink_to(folder)
        found = load(site)["noted"]
        assert (found.source, found.manifest["version"]) == ("store", version)


def test_a_change_behind_a_link_makes_the_index_stale(site: Site, tmp_path: Path) -> None:
    """The link stays as it is: its folder's manifest changes, then a link on the way leads to another folder, then nowhere."""
    way = tmp_path / "current"
    (site.home / "plugins").mkdir(parents=True)
    (site.home / "plugins" / "noted").symlink_to(way)
    for folder, version in (("a", "1.0.0"), ("a", "1.1.0-changed"), ("b", "2.0.0")):
        (tmp_path / folder).mkdir(exist_ok=True)
        manifest = tmp_path / folder / "plugin.json"
        manifest.write_text(json.dumps({"name": "noted", "version": version, "summary": "linked"}))
        os.utime(manifest, ns=(1, 1))
        way.unlink(missing_ok=True)
        way.symlink_to(tmp_path / folder)
        found = load(site)["noted"]
        assert (found.folder, found.manifest["version"]) == (str(tmp_path / folder), version)
    way.unlink()
    assert load(site)["noted"].problem


def test_an_entry_point_must_name_a_package(site: Site) -> None:
    site.register("thing", "some.module:Thing", "thing")
    assert "must name a package" in load(site)["thing"].problem


def test_the_entry_points_name_is_the_manifests(site: Site) -> None:
    package = site.add("alpha")
    (package / "plugin.json").write_text('{"name": "omega", "version": "1.0.0", "summary": "other"}')
    assert "says 'omega'" in load(site)["alpha"].problem
