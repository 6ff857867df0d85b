"""A site folder in which tests install distributions by writing what pip would write."""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nself_core.plugins import discovery, index
from nself_core.plugins.manager import PluginManager

_NUMBERS = itertools.count()


class Site:
    """A folder of ``sys.path``. Each plugin's package has a name of its own, so that no test sees another's module."""

    def __init__(self, folder: Path, home: Path, project: Path) -> None:
        self.folder = folder
        self.home = home
        self.project = project

    def add(self, name: str, code: str | None = None, *, module: str = "", distribution: str = "", **manifest: Any) -> Path:
        """Install a plugin; without ``code`` it is data alone. Returns its package folder."""
        module = module or f"plugin_{next(_NUMBERS)}_{name.replace('-', '_')}"
        distribution = distribution or f"nself_plugin_{name.replace('-', '_')}"
        package = self.folder.joinpath(*module.split("."))
        package.mkdir(parents=True)
        content = {"name": name, "version": "1.0.0", "summary": f"{name} does something", **manifest}
        (package / "plugin.json").write_text(json.dumps(content))
        if code is not None:
            (package / "__init__.py").write_text(code)
        self.register(name, module, distribution)
        return package

    def register(self, name: str, module: str, distribution: str) -> None:
        """Write the distribution's metadata alone."""
        info = self.folder / f"{distribution}-1.0.0.dist-info"
        info.mkdir()
        (info / "entry_points.txt").write_text(f"[console_scripts]\nx = y:z\n\n[nself.plugins]\n{name} = {module}\n")

    def open(self, *, project: bool = True) -> PluginManager:
        return PluginManager.open(self.home, self.project if project else None)

    def allow(self, *names: str) -> PluginManager:
        for name in names:
            self.open().allow(name)
        return self.open()


@pytest.fixture
def site(tmp_path: Path, own_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    folder, project = tmp_path / "site", tmp_path / "project"
    folder.mkdir()
    project.mkdir()
    (project / ".env").write_text("")
    monkeypatch.setattr(sys, "path", [*sys.path, str(folder)])
    monkeypatch.setattr(index, "sites", lambda: [str(folder)])  # nself's own plugins are looked for in no test but a few
    before_path, before_modules = list(sys.meta_path), set(sys.modules)
    yield Site(folder, own_home / ".nself", project)
    sys.meta_path[:] = before_path
    for name in set(sys.modules) - before_modules:
        if name.startswith(("plugin_", "nself_plugin_")):
            del sys.modules[name]


@pytest.fixture
def site_with_ours(site: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    """The same, with nself's own plugins found beside."""
    monkeypatch.setattr(index, "sites", discovery.sites)
    return site


@pytest.fixture
def make_project(site: Site) -> Any:
    """A ``Project`` as hooks get it."""
    from hookspecs import Environment, Project, Settings

    return Project(
        name="demo", root=site.project, environment=Environment(name="dev", cls="dev"), runtime="compose",
        settings=Settings(entries={}), domain="localhost",
    )  # fmt: skip
