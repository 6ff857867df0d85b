"""Killed anywhere, the next run is clean: what was installed before or what was to be installed, never half of it."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nself_core.plugins.install.removal import uninstall
from nself_core.plugins.install.transaction import rollback
from nself_core.plugins.model import State

from .conftest import Room, Silent

#: What changes the disk; the child kills itself before the n-th of these below the home or the project.
CHANGES = ("rename", "replace", "mkdir", "symlink", "unlink", "rmdir", "open", "chmod")


def killed_before(step: int, room: Room, action: Callable[[], object]) -> bool:
    """Run ``action`` in a process that ends by SIGKILL before its ``step``-th change; whether it was killed."""
    child = os.fork()
    if not child:
        code = 1
        try:
            _count(step, (str(room.home), str(room.project)))
            action()
            code = 0
        finally:
            os._exit(code)
    status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return True
    assert os.WEXITSTATUS(status) == 0, "the action failed by itself"
    return False


def _count(stop: int, places: tuple[str, ...]) -> None:
    seen = 0

    def counted(real: Callable[..., Any], name: str) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            nonlocal seen
            writes = name != "open" or (len(arguments) > 1 and arguments[1] & (os.O_WRONLY | os.O_RDWR))
            if writes and any(str(argument).startswith(places) for argument in arguments[:2]):
                seen += 1
                if seen == stop:
                    os.kill(os.getpid(), signal.SIGKILL)
            return real(*arguments, **options)

        return call

    for name in CHANGES:
        setattr(os, name, counted(getattr(os, name), name))


def seen(room: Room) -> dict[str, str]:
    """What a next run finds; each plugin that is there must be whole, and enabled exactly where it is there."""
    entries = room.open().known()
    for entry in entries:
        assert (entry.state, entry.usable) == (State.SIGNED, True), entry
    lock = room.project / "plugins.lock"
    pins = json.loads(lock.read_text())["plugins"] if lock.exists() else {}
    versions = {entry.name: entry.version for entry in entries}
    assert {name: pin["version"] for name, pin in pins.items() if pin["enabled"]} == versions
    assert not (room.home / "plugins.pending.json").exists()
    return versions


ACTIONS: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "install": ({}, {"one": "1.0.0", "two": "1.0.0"}),
    "update": ({"one": "1.0.0", "two": "1.0.0"}, {"one": "2.0.0", "two": "2.0.0"}),
    "rollback": ({"one": "2.0.0", "two": "2.0.0"}, {"one": "1.0.0", "two": "2.0.0"}),
    "uninstall": ({"one": "1.0.0", "two": "1.0.0"}, {"one": "1.0.0"}),
}


@pytest.mark.slow
@pytest.mark.parametrize("action", ACTIONS)
def test_killed_before_every_change_of_the_disk(room: Room, tmp_path: Path, action: str) -> None:
    before, after = ACTIONS[action]
    for name in ("one", "two"):
        room.offer(name, depends_on=["one"] if name == "two" else [])
    if before:
        room.install("two")
    for name in ("one", "two"):
        room.offer(name, "2.0.0", depends_on=["one"] if name == "two" else [])
    if "2.0.0" in before.values():
        room.install("one", "two", renew=True)
    elif action == "install":
        after = {"one": "2.0.0", "two": "2.0.0"}
    assert seen(room) == before
    saved = tmp_path / "saved"
    for base in (room.home, room.project):
        shutil.copytree(base, saved / base.name, symlinks=True)
    actions: dict[str, Callable[[], object]] = {
        "install": lambda: room.install("two"),
        "update": lambda: room.install("one", "two", renew=True),
        "rollback": lambda: rollback(room.home, room.project, "one", None, Silent()),
        "uninstall": lambda: uninstall(room.home, room.project, "two", drop=None, say=print),
    }
    step, outcomes = 1, []
    while killed_before(step, room, actions[action]):
        found = seen(room)
        assert found in (before, after), (step, found)
        outcomes.append(found == after)
        room.install("two" if action != "uninstall" else "one")  # the next command finds nothing in its way
        for base in (room.home, room.project):
            shutil.rmtree(base)
            shutil.copytree(saved / base.name, base, symlinks=True)
        step += 1 if True in outcomes or action == "rollback" else 2
    assert seen(room) == after
    # Two plugins are unpacked at a time: how many changes come before the one that counts differs by one between runs.
    first = outcomes.index(True)
    assert all(outcomes[first + 2 :]), "there is one moment from which it counts"
    assert {True, False} == set(outcomes)
    assert step > 10
    staging = room.store.folder / ".staging"
    assert not staging.exists() or not list(staging.iterdir())
