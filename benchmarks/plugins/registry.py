#!/usr/bin/env python3
"""What a home pays for a registry of 100,000 plugins: listing, refreshing, looking one plugin up; beside plain HTTP.

    .venv/bin/python -m benchmarks.plugins.registry [--plugins 100000] [--publishers 200] [--keep FOLDER]

Makes a synthetic registry (minutes, the first time), serves it by ``nself registry serve`` on loopback, and measures a home
that sees it for the first time (cold), one that has seen it (warm), and a GET of the very same files with the same HTTP library.
Judges nothing.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import urllib3

from builtin_plugins.registry import making, publishing
from builtin_plugins.registry.folder import Folder
from builtin_plugins.registry.keyring import KeyRing, public_text
from builtin_plugins.registry.model import PublisherRecord
from hookspecs import CatalogueEntry
from nself_core.plugins.sources.registries import connect, named
from nself_core.plugins.sources.remote import RemoteSource

TEXT = "mail queue search graph chart chat video order stock price token photo album score route store cloud event audit cache"
WORDS = TEXT.split()
WHEEL = bytes([1, 2, 3, 4])
SAMPLE = "mail-mail-mail-0"
_write = publishing.write
DIGEST = hashlib.sha256(WHEEL).hexdigest()


class Synthetic(Folder):
    """A registry whose releases are made up, and whose wheels are all the same few bytes."""

    def __init__(self, path: Path, plugins: int, publishers: int) -> None:
        super().__init__(path)
        self._wheel = path / "any.whl"
        self._grouped: dict[str, list[CatalogueEntry]] = {f"publisher{number}": [] for number in range(publishers)}
        for number in range(plugins):
            publisher = f"publisher{number % publishers}"
            self._grouped[publisher].append(_entry(number, publisher))

    def entries(self, publisher: str = "*") -> list[CatalogueEntry]:
        if publisher != "*":
            return self._grouped[publisher]
        return [entry for entries in self._grouped.values() for entry in entries]

    def wheel(self, entry: CatalogueEntry) -> Path:
        return self._wheel


def _entry(number: int, publisher: str) -> CatalogueEntry:
    first, second, third = (WORDS[(number // 20**place) % 20] for place in range(3))
    name = f"{first}-{second}-{third}-{number}"
    summary = f"Keeps the {first} of every {second}, and tells the {third} of it when something changes."
    fields: dict[str, Any] = {"name": name, "version": f"1.{number % 30}.0", "publisher": publisher, "summary": summary}
    fields |= {"tables": [f"np_{name.replace('-', '_')}_{part}" for part in ("items", "runs", "settings")], "category": first}
    fields |= {
        "settings": [{"name": f"{first.upper()}_{part}", "help": f"The {part} of it."} for part in ("URL", "KEY", "LIMIT")]
    }
    file = f"nself_plugin_{name.replace('-', '_')}-1.{number % 30}.0-py3-none-any.whl"
    return CatalogueEntry(
        publisher=publisher, manifest=fields, file=file, length=len(WHEEL), sha256=DIGEST
    )  # fmt: skip


def make(place: Path, plugins: int, publishers: int) -> Path:
    """The published tree of the synthetic registry; made once where ``--keep`` names its folder."""
    tree = place / "public"
    if not (tree / "metadata" / "timestamp.json").exists():
        print(f"making a registry of {plugins} plugins …", file=sys.stderr)
        shutil.rmtree(place / "registry", ignore_errors=True)
        folder, ring = Synthetic(place / "registry", plugins, publishers), KeyRing(place / "keys")
        folder.path.mkdir(parents=True)
        making.init(folder, ring, "synthetic", ())
        (folder.path / "any.whl").write_bytes(WHEEL)
        keys = {name: public_text(ring.generate(name)) for name in folder._grouped}
        records = {name: PublisherRecord(key=key) for name, key in keys.items()}
        folder.keep(folder.record.model_copy(update={"publishers": records}))
        with mock.patch.object(publishing, "write", write_what_is_read):
            spent, used = clock(lambda: publishing.publish(folder, ring, tree))
        print(f"first publish, less its small files: {spent:.1f} s ({used:.1f} s processor)", file=sys.stderr)
    return tree


def write_what_is_read(place: Path, content: bytes, *, sync: bool = True) -> None:
    """All of the published tree but 200,000 small files that no case asks for: they would take most of the time."""
    unread = place.parent.name.startswith("publisher") or (place.parent.name == "plugins" and SAMPLE not in place.name)
    if not unread:
        _write(place, content, sync=sync)


def clock(run: Callable[[], Any]) -> tuple[float, float]:
    """Seconds that a call takes, and seconds of processor time: on a busy machine the second tells more."""
    started, used = time.perf_counter(), time.process_time()
    run()
    return time.perf_counter() - started, time.process_time() - used


def download(url: str, paths: list[str]) -> int:
    """GET files one after the other, and return how many bytes came."""
    pool = urllib3.PoolManager()
    return sum(len(pool.request("GET", f"{url}/{path}").data) for path in paths)


class Watched:
    """A source whose every fetched path is noted."""

    def __init__(self, source: RemoteSource, url: str) -> None:
        self.source = source
        self.paths: list[str] = []
        fetcher = source.client._fetcher
        real = fetcher._fetch

        def fetch(address: str) -> Any:
            self.paths.append(address.removeprefix(f"{url}/"))
            return real(address)

        fetcher._fetch = fetch  # type: ignore[method-assign]


def measure(tree: Path, home: Path, url: str) -> None:
    """Each case once; what one fetched is fetched again by plain HTTP right after it."""
    shutil.rmtree(home, ignore_errors=True)
    connect(home, "synthetic", url, (tree / "root.json").read_bytes())
    shutil.rmtree(home / "registries" / "synthetic" / "state")
    rows: list[tuple[str, tuple[float, float], Watched]] = []

    def case(name: str, run: Callable[[RemoteSource], Any]) -> None:
        watched = Watched(named(home, "synthetic").source(), url)
        rows.append((name, clock(lambda: run(watched.source)), watched))

    def some(source: RemoteSource) -> None:
        if not source.releases(SAMPLE):
            raise SystemExit("the synthetic plugin is not there")

    case("cold: refresh", lambda source: source.refresh())
    case("cold: releases of one plugin", some)
    case("cold: list everything", lambda source: source.catalogue())
    case("warm: refresh", lambda source: source.refresh())
    case("warm: releases of one plugin", some)
    case("warm: list everything", lambda source: source.catalogue())
    for name, (spent, used), watched in rows:
        paths = [path for path in watched.paths if (tree / path).is_file()]
        came = download(url, paths)
        plain, plain_used = clock(lambda paths=paths: download(url, paths))  # type: ignore[misc]
        print(f"{name:29} {spent * 1000:7.0f} ms ({used * 1000:5.0f} processor) {len(watched.paths):3} requests", end=" ")
        print(f"{came / 1000:6.0f} kB; plain GET {plain * 1000:6.0f} ms ({plain_used * 1000:4.0f}); {spent / plain:5.1f} ×")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--plugins", type=int, default=100_000)
    parser.add_argument("--publishers", type=int, default=200)
    parser.add_argument("--keep", type=Path, help="keep the registry here and use it again")
    options = parser.parse_args()
    place = options.keep or Path(tempfile.mkdtemp(prefix="nself-registry-"))
    place.mkdir(parents=True, exist_ok=True)
    try:
        tree = make(place, options.plugins, options.publishers)
        command = [sys.executable, "-m", "nself_core", "registry", "serve", str(tree), "--port", "0"]
        server = subprocess.Popen([*command], stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"})
        assert server.stdout is not None
        try:
            measure(tree, place / "home", server.stdout.readline().split()[-1])
        finally:
            server.terminate()
            server.wait()
    finally:
        if options.keep is None:
            shutil.rmtree(place, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
