"""A registry of a test: its folder, its keys and its published tree, with a clock that can be set; and a home that uses it."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from builtin_plugins.registry import making
from builtin_plugins.registry.folder import Folder
from builtin_plugins.registry.keyring import KeyRing
from builtin_plugins.registry.publishing import Published, publish
from builtin_plugins.registry.serving import Server
from hookspecs import CatalogueEntry
from nself_core.plugins.keys import keygen
from nself_core.plugins.sources.registries import connect
from nself_core.plugins.sources.remote import RemoteSource
from nself_core.plugins.tools import Tools

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"


@dataclass
class Operator:
    """Who runs a registry, and publishes in it as ``alice``."""

    place: Path

    @property
    def home(self) -> Path:
        return self.place / "operator" / ".nself"

    @property
    def folder(self) -> Folder:
        return Folder(self.place / "registry")

    @property
    def tree(self) -> Path:
        return self.place / "public"

    @property
    def keys(self) -> Path:
        return self.place / "keys"

    @property
    def tools(self) -> Tools:
        return Tools(self.home)

    def ring(self, *others: Path) -> KeyRing:
        return KeyRing(self.keys, (*others, self.home / "keys"))

    def start(self, now: datetime | None = None) -> Operator:
        """A registry with nothing in it, and alice's key."""
        self.folder.path.mkdir(parents=True)
        making.init(self.folder, self.ring(), "acme", (), now)
        keygen(self.home, "alice")
        return self

    def plugin(self, name: str = "notes", version: str = "1.0.0", publisher: str = "alice", **manifest: Any) -> Path:
        """The source folder of a plugin: a fixture's, with another version or publisher."""
        source = FIXTURES / f"nself-plugin-{name}"
        folder = self.place / "sources" / f"{publisher}-{name}-{version}"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(source, folder, ignore=shutil.ignore_patterns("__pycache__"))
        place = folder / f"nself_plugin_{name}" / "plugin.json"
        content = {**json.loads(place.read_text()), "version": version, "publisher": publisher, **manifest}
        place.write_text(json.dumps(content))
        project = folder / "pyproject.toml"
        project.write_text(project.read_text().replace('version = "1.0.0"', f'version = "{version}"'))
        return folder

    def add(self, *plugins: Path, levels: dict[str, int] | None = None) -> list[CatalogueEntry]:
        return making.add(self.folder, self.tools, plugins, levels or {})

    def publish(self, now: datetime | None = None, *others: Path) -> Published:
        return publish(self.folder, self.ring(*others), self.tree, now)

    def client(self, name: str = "bob", url: str = "") -> RemoteSource:
        """What a home that has connected the registry reads; a new process each time."""
        home = self.place / name
        if not (home / "registries" / "acme").exists():
            connect(home, "acme", url or str(self.tree), (self.tree / "root.json").read_bytes())
        from nself_core.plugins.sources.registries import named

        return named(home, "acme").source()


@contextmanager
def served(tree: Path, port: int = 0) -> Iterator[str]:
    """The tree as ``nself registry serve`` serves it; yields its address."""
    server = Server(tree, "127.0.0.1", port)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server.url
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
