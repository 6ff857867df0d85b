"""A home, a project and a folder of wheels to install from, in this process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nself_core.plugins import index
from nself_core.plugins.install.catalogue import Catalogue
from nself_core.plugins.install.plan import Plan
from nself_core.plugins.install.store import Store
from nself_core.plugins.install.transaction import Outcome, install
from nself_core.plugins.manager import PluginManager
from nself_core.plugins.publishers import Publishers
from nself_core.plugins.sources.request import parse
from tests.plugin_wheels import ACME, WheelFolder, wheel


class Silent:
    """Says yes, or no, and remembers what was shown."""

    def __init__(self, *, yes: bool = True) -> None:
        self.yes = yes
        self.plans: list[Plan] = []
        self.bytes: dict[str, int] = {}
        self.said: list[str] = []

    def agree(self, plan: Plan) -> bool:
        self.plans.append(plan)
        return self.yes

    def fetched(self, name: str, more: int) -> None:
        self.bytes[name] = self.bytes.get(name, 0) + more

    def say(self, text: str) -> None:
        self.said.append(text)


class Room:
    """What a test installs into and from."""

    def __init__(self, home: Path, project: Path, wheels: Path) -> None:
        self.home = home
        self.project = project
        self.source = WheelFolder(wheels)
        self.store = Store(home)

    def offer(self, name: str, version: str = "1.0.0", **more: Any) -> Path:
        """Put a wheel on offer."""
        return wheel(self.source.folder, name, version, **more)

    def install(self, *what: str, talk: Silent | None = None, project: bool = True, **options: Any) -> Outcome:
        """What ``nself plugin install`` does."""
        catalogue = Catalogue(self.home, [self.source])
        requests = [parse(text) for text in what]
        root = self.project if project else None
        return install(self.home, root, requests, talk or Silent(), catalogue=catalogue, **options)

    def open(self) -> PluginManager:
        return PluginManager.open(self.home, self.project)

    def versions(self) -> dict[str, str]:
        """What is installed."""
        return {name: record.version for name, record in sorted(self.store.active().items())}

    def state(self) -> dict[str, bytes | str]:
        """Everything below the home and the project that counts, to compare before and after."""
        found: dict[str, bytes | str] = {}
        for base in (self.home, self.project):
            for path in sorted(base.rglob("*")):
                name = str(path.relative_to(base.parent))
                if any(part in {"cache", ".staging", "lock", "revoked.json", "latest"} for part in path.parts):
                    continue
                if path.is_symlink():
                    found[name] = f"→ {path.readlink()}"
                elif path.is_file():
                    found[name] = path.read_bytes()
        return found


@pytest.fixture
def room(tmp_path: Path, own_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Room]:
    project, wheels = tmp_path / "project", tmp_path / "wheels"
    project.mkdir()
    wheels.mkdir()
    (project / ".env").write_text("")
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.setattr(index, "sites", lambda: [str(site)])
    home = own_home / ".nself"
    Publishers(home).add("acme", ACME.public)
    import sys

    before_path, before_modules = list(sys.meta_path), set(sys.modules)
    yield Room(home, project, wheels)
    sys.meta_path[:] = before_path
    for name in set(sys.modules) - before_modules:
        if name.startswith("nself_plugin_"):
            del sys.modules[name]
