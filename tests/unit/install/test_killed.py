"""Killed anywhere, the next run is clean: what was installed before or what was to be installed, never half of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from nself_core.plugins.model import State
from tests.conftest import Nself
from tests.plugin_wheels import ACME, wheel

RUN = """
import os, sys
from nself_core.cli.main import main

stop, seen = int(sys.argv[1]), 0
real = {name: getattr(os, name) for name in ("rename", "replace", "mkdir", "symlink", "unlink", "rmdir", "open")}


def counted(name):
    def call(*arguments, **options):
        global seen
        place = str(arguments[0])
        writes = name != "open" or (len(arguments) > 1 and arguments[1] & (os.O_WRONLY | os.O_RDWR))
        if writes and (os.environ["NSELF_HOME"] in place or os.getcwd() in place):
            seen += 1
            if seen == stop:
                os.kill(os.getpid(), 9)
        return real[name](*arguments, **options)

    return call


for name in real:
    setattr(os, name, counted(name))
code = main(sys.argv[2:])
print("steps", seen, file=sys.stderr)
sys.exit(code)
"""


class Killer:
    """Runs nself so that it kills itself before its n-th change of the disk."""

    def __init__(self, nself: Nself) -> None:
        self.nself = nself

    def __call__(self, stop: int, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", RUN, str(stop), *arguments],
            cwd=self.nself.folder, env={**os.environ, **self.nself.environ}, capture_output=True, text=True, check=False,
        )  # fmt: skip


def seen(nself: Nself) -> tuple[dict[str, tuple[str, str, bool]], dict[str, str]]:
    """What a next run finds: state of each plugin that is there, and what the project enables."""
    entries = json.loads(nself("plugin", "list", "--others", "--json").stdout)
    lock = nself.folder / "plugins.lock"
    pins = json.loads(lock.read_text())["plugins"] if lock.exists() else {}
    return (
        {one["name"]: (one["version"], one["state"], one["in_use"]) for one in entries},
        {name: pin["version"] for name, pin in pins.items() if pin["enabled"]},
    )


@pytest.mark.slow
def test_killed_at_every_step_of_an_installation_and_an_update(nself: Nself, tmp_path: Path) -> None:
    from nself_core.plugins.publishers import Publishers

    home = Path(os.environ["NSELF_HOME"])
    (nself.folder / ".env").write_text("")
    Publishers(home).add("acme", ACME.public)
    first = [str(wheel(tmp_path / "first", name)) for name in ("one", "two")]
    second = [str(wheel(tmp_path / "second", name, "2.0.0")) for name in ("one", "two")]
    killed = Killer(nself)
    for wheels, before, version in ((first, None, "1.0.0"), (second, "1.0.0", "2.0.0")):
        stop, outcomes = 1, set()
        while True:
            done = killed(stop, "plugin", "install", *wheels)
            plugins, enabled = seen(nself)
            versions = {name: plugins[name][0] for name in plugins}
            whole = [dict.fromkeys(("one", "two"), each) if each else {} for each in (before, version)]
            assert versions in whole, (stop, versions)
            assert all(state == State.SIGNED and used for _, state, used in plugins.values()), (stop, plugins)
            assert enabled == versions, (stop, enabled, versions)
            assert not (home / "plugins.pending.json").exists()
            outcomes.add(versions.get("one"))
            if done.returncode == 0:
                break
            assert done.returncode == -9, done.stderr
            if versions.get("one") == version:  # it counted already: start again from before
                restore(nself, before, first)
            stop += 1 if stop < 30 else 7
        assert outcomes == {before, version}
        assert stop > 15
    assert nself("plugin", "verify").returncode == 0
    staging = home / "store" / ".staging"
    assert not staging.exists() or not list(staging.iterdir())


def restore(nself: Nself, before: str | None, wheels: list[str]) -> None:
    for name in ("one", "two"):
        nself("plugin", "uninstall", name)
    if before:
        nself("plugin", "install", *wheels)
