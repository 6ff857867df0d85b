"""A project in a folder of its own, on ports of its own, that runs natively. Also a program, for runs as another user."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from builtin_plugins.runtimes.native.processes import strays
from builtin_plugins.runtimes.native.runtime import NativeRuntime
from hookspecs import ServiceState
from nself_core.workspace import Workspace
from tests.ports import free_ports

OFF = {"HASURA_ENABLED": "false", "AUTH_ENABLED": "false", "NGINX_ENABLED": "false"}


class NativeProject:
    def __init__(self, root: Path, **settings: str) -> None:
        self.root = root
        root.mkdir(exist_ok=True)
        names = ("POSTGRES_PORT", "REDIS_PORT", "MINIO_PORT", "MAILPIT_UI_PORT", "MAILPIT_SMTP_PORT")
        ports = dict(zip(names, map(str, free_ports(len(names))), strict=True))
        (root / ".env").write_text("ENV=dev\nPROJECT_NAME=native-test\n")
        inner = ("admin", "filer", "master", "volume")
        known = {f"minio/{name}": port for name, port in zip(inner, free_ports(len(inner)), strict=True)}
        (root / ".nself").mkdir(exist_ok=True)
        (root / ".nself" / "ports.json").write_text(json.dumps({"native": {"dev": known}}))
        self.settings = {**OFF, **ports}
        self.set(**settings)
        self.last = self.runtime()

    def set(self, **settings: str) -> None:
        self.settings |= settings
        (self.root / ".env.dev").write_text("".join(f"{name}={value}\n" for name, value in self.settings.items()))

    def runtime(self) -> NativeRuntime:
        """As a command makes it: everything read anew."""
        workspace = Workspace.open(start=self.root)
        workspace.build()
        made = Workspace.open(start=self.root).runtime("native")
        assert isinstance(made, NativeRuntime)
        self.last = made
        return made

    def start(self) -> dict[str, ServiceState]:
        return {state.name: state for state in self.runtime().start(None, timeout=90, progress=quiet)}

    def states(self) -> dict[str, ServiceState]:
        return {state.name: state for state in self.runtime().states()}

    def processes(self) -> list[psutil.Process]:
        return strays(self.last.layout)

    def destroy(self) -> None:
        self.last.destroy(data=True, progress=quiet)


def quiet(*_: str) -> None:
    return None


@contextmanager
def native_project(root: Path, **settings: str) -> Iterator[NativeProject]:
    project = NativeProject(root, **settings)
    try:
        yield project
    finally:
        project.destroy()
        assert project.processes() == []


def until(condition, seconds: float = 60.0):  # type: ignore[no-untyped-def]
    """What ``condition`` returns, as soon as that is true."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.1)
    return found


if __name__ == "__main__":
    with native_project(Path(sys.argv[1]), REDIS_ENABLED="true") as mine:
        first = {name: state.reason or state.health for name, state in mine.start().items()}
        again = {name: state.id for name, state in mine.start().items()}
        folder = str(mine.runtime().layout.base)
        print(json.dumps({"uid": os.geteuid(), "health": first, "ids": again, "base": folder}))
