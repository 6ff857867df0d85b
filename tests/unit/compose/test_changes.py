"""What Compose does not see is seen: changed configuration that is mounted, and changed sources."""

from __future__ import annotations

from pathlib import Path

from builtin_plugins.runtimes.compose.changes import Seen
from hookspecs import Build, Image, Mount, Service


def built(root: Path) -> Service:
    (root / "app").mkdir()
    (root / "app" / "main.py").write_text("one")
    return Service(name="app", build=Build(context="app"))


def test_an_image_is_built_again_only_when_its_sources_changed(tmp_path: Path) -> None:
    service, place = built(tmp_path), tmp_path / ".nself"
    assert not Seen(tmp_path, place).built_from(service)
    Seen(tmp_path, place).remember(build=[service])
    assert Seen(tmp_path, place).built_from(service)
    (tmp_path / "app" / "main.py").write_text("two")
    assert not Seen(tmp_path, place).built_from(service)
    Seen(tmp_path, place).remember(build=[service])
    assert not Seen(tmp_path, place).built_from(service.model_copy(update={"build": Build(context="app", target="dev")}))


def test_what_dockerignore_leaves_out_does_not_count(tmp_path: Path) -> None:
    service, place = built(tmp_path), tmp_path / ".nself"
    (tmp_path / "app" / ".dockerignore").write_text("node_modules\n*.log\n")
    Seen(tmp_path, place).remember(build=[service])
    (tmp_path / "app" / "node_modules").mkdir()
    (tmp_path / "app" / "node_modules" / "much").write_text("x")
    assert Seen(tmp_path, place).built_from(service)


def test_changed_mounts(tmp_path: Path) -> None:
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "a").write_text("one")
    mounts = (Mount(kind="bind", source="conf", target="/c", read_only=True),)
    service, place = Service(name="web", image=Image(ref="x"), mounts=mounts), tmp_path / ".nself"
    assert Seen(tmp_path, place).mounted(service), "never started: nothing to restart"
    Seen(tmp_path, place).remember(mounts=[service])
    assert Seen(tmp_path, place).mounted(service)
    (tmp_path / "conf" / "b").write_text("new")
    assert not Seen(tmp_path, place).mounted(service)
