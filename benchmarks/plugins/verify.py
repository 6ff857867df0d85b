#!/usr/bin/env python3
"""What it costs to verify 112 enabled plugins of realistic size, and what 8 or 112 of them cost the start of the program.

    .venv/bin/python -m benchmarks.plugins.verify [--runs 15]

Makes signed plugins of 14 files and 50 KB each, puts them in the store of a home of their own, and enables them in a project.
Verification (hash every file, check the signature, compare the manifest) is measured beside its own ceiling, taken in turns in
the same run: reading and hashing the same files and checking as many ed25519 signatures, and nothing else.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from nself_core.plugins import index
from nself_core.plugins.hashing import hash_files, total
from nself_core.plugins.install.store import Change, Installed, Store
from nself_core.plugins.publishers import Publishers
from nself_core.plugins.signing import SigningKey, sign
from nself_core.plugins.trust import Trust

PLUGINS = 112
FILES = 13
BYTES = 50_000
KEY = SigningKey("acme", bytes(31) + b"k")


def make(home: Path, project: Path, count: int) -> None:
    """``count`` signed plugins, in the store and enabled."""
    store, change = Store(home), Change()
    Publishers(home).add(KEY.publisher, KEY.public)
    project.mkdir(parents=True)
    (project / ".env").write_text("PROJECT_NAME=bench\n")
    pins = {}
    with store.lock("benchmark"), store.staging() as staging:
        for number in range(count):
            name = f"sample-{number:03}"
            folder = _package(staging / name, name)
            digest = total(hash_files(str(folder)))
            place = store.put(folder, Installed(name, "1.0.0", digest, KEY.publisher, "benchmark"))
            change.links[name] = str(place)
            pins[name] = {"enabled": True, "version": "1.0.0", "hash": digest, "publisher": KEY.publisher, "registry": ""}
        change.locks[str(project / "plugins.lock")] = pins
        store.apply(change)


def _package(folder: Path, name: str) -> Path:
    (folder / "schema").mkdir(parents=True)
    manifest = {
        "name": name, "version": "1.0.0", "summary": f"{name} is a sample.", "publisher": KEY.publisher,
        "hooks": ["register_commands"], "commands": [{"name": name, "help": "Show the sample."}],
        "settings": [{"name": f"{name.replace('-', '_').upper()}_{n}", "help": "A setting."} for n in range(5)],
        "tables": [f"np_{name.replace('-', '_')}_items"],
    }  # fmt: skip
    (folder / "plugin.json").write_text(json.dumps(manifest, indent=2))
    (folder / "__init__.py").write_text("")
    randomly = random.Random(name)
    for number in range(FILES - 1):
        inner = folder / ("schema" if number < 2 else "") / f"part_{number:02}.py"
        inner.write_bytes(randomly.randbytes(BYTES // FILES))
    sign(folder, KEY)
    return folder


def verified(home: Path) -> Callable[[], None]:
    """Judge everything that is installed."""
    plugins = [one for one in index.load(home) if one.source == "store"]

    def run() -> None:
        trust = Trust(home)
        states = {str(trust.judge(one).state) for one in plugins}
        assert states == {"signed"}, states

    return run


def ceiling(home: Path) -> Callable[[], None]:
    """Read and hash the same files, and check as many signatures."""
    files = [str(path) for path in (home / "store").rglob("*") if path.is_file() and path.parent.parent.name != "store"]
    public, message = Ed25519PrivateKey.from_private_bytes(KEY.secret).public_key(), bytes(1500)
    signature = KEY.sign(message)
    plugins = len(list((home / "plugins").iterdir()))

    def run() -> None:
        for name in files:
            with open(name, "rb", buffering=0) as file:  # noqa: PTH123
                hashlib.sha256(file.read()).hexdigest()
        for _ in range(plugins):
            public.verify(signature, message)

    return run


def clock(action: Callable[[], None]) -> float:
    started = time.perf_counter()
    action()
    return (time.perf_counter() - started) * 1000


def command(home: Path, project: Path, *arguments: str) -> Callable[[], None]:
    """nself as a process of its own."""
    environ = {**os.environ, "NSELF_HOME": str(home)}

    def run() -> None:
        subprocess.run(
            [sys.executable, "-m", "nself_core", *arguments], cwd=project, env=environ, capture_output=True, check=True
        )

    return run


def medians(cases: dict[str, Callable[[], None]], runs: int) -> dict[str, float]:
    """The median of each in milliseconds, taken in turns; the first turn fills caches and does not count."""
    taken: dict[str, list[float]] = {name: [] for name in cases}
    for turn in range(runs + 1):
        for name, action in cases.items():
            spent = clock(action)
            if turn:
                taken[name].append(spent)
    least = {f"{name} (least)": min(values) for name, values in taken.items()}
    return {name: statistics.median(values) for name, values in taken.items()} | least


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=15)
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory(prefix="nself-verify-") as place:
        rooms = {count: (Path(place) / str(count) / "home", Path(place) / str(count) / "project") for count in (0, 8, PLUGINS)}
        for count, (home, project) in rooms.items():
            make(home, project, count)
        home = rooms[PLUGINS][0]
        told = medians({"verify": verified(home), "ceiling": ceiling(home)}, runs)
        cases = {f"{word} {count}": command(*rooms[count], word) for word in ("version", "--help") for count in rooms}
        started = medians(cases, runs)
    print(f"{PLUGINS} plugins of {FILES + 1} files, {BYTES // 1000} KB; median (least) of {runs}")
    for name in ("verify", "ceiling"):
        print(f"{name:10} {told[name]:7.1f} ms ({told[f'{name} (least)']:.1f})")
    print(f"verify / ceiling: {told['verify'] / told['ceiling']:.2f} (goal: verify < 50 ms on a quiet machine)")
    for word in ("version", "--help"):
        figures = "  ".join(f"{count}: {started[f'{word} {count}']:.0f} ms" for count in rooms)
        ratio = started[f"{word} {PLUGINS}"] / started[f"{word} 0"]
        print(f"nself {word}, plugins enabled: {figures}  (112 / 0: {ratio:.2f}, goal 1)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
