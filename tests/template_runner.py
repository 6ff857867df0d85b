"""Lays a template out, prepares it as the native runtime does, runs it and asks it: what the template tests share."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, sleep
from types import SimpleNamespace
from typing import Any

from builtin_plugins.custom import programs
from builtin_plugins.custom.scaffold import files_of
from builtin_plugins.custom.service import service
from builtin_plugins.custom.slots import read_slots
from hookspecs import Environment, Origin, Place, Program, Project, Settings, SettingValue
from hookspecs.errors import UserError

#: Seconds a template may take to answer or to end; a generous bound for a busy machine.
PATIENCE = 60


def project_with(root: Path, *, environment: str = "dev", runtime: str = "native", **values: Any) -> Project:
    """A project with these settings given, and every companion of custom services declared."""
    manifest = json.loads((Path(programs.__file__).parent / "plugin.json").read_text(encoding="utf-8"))
    entries = {
        name: SettingValue(name=name, value=value, origin=Origin(source=".env.dev", line=number), provided=True)
        for number, (name, value) in enumerate(values.items(), 1)
    }
    declared = frozenset(setting["name"] for setting in manifest["settings"])
    return Project(
        name="demo",
        root=root,
        environment=Environment(name=environment, cls=environment if environment in {"dev", "prod"} else "staging"),
        runtime=runtime,
        settings=Settings(entries=entries, declared=declared),
        domain="localhost",
        plugins=frozenset({"core-redis", "core-postgres"}),
    )


@dataclass
class Context:
    """A ``NativeContext`` over plain folders and processes."""

    project: Project
    stack: Any
    service: str
    home: Path
    env: dict[str, str] = field(default_factory=dict)
    ran: list[list[str]] = field(default_factory=list)

    def place(self, of: str, name: str = "") -> Path:
        if of == "project":
            return self.project.root / name
        folder = self.home / of / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def program(self, name: str) -> str:
        import shutil

        found = {"python": programs.python, "node": programs.node, "npm": programs.npm}.get(name, lambda: shutil.which(name))()
        assert found, f"{name} is not here"
        return found

    def run(self, argv: Sequence[str], *, env: dict[str, str] | None = None, stdin: str | None = None) -> str:
        self.ran.append(list(argv))
        done = subprocess.run(argv, env={**os.environ, **(env or {})}, input=stdin, capture_output=True, text=True, check=False)
        if done.returncode:
            raise UserError(f"{argv[:6]} failed: {(done.stdout + done.stderr)[-2000:]}")
        return done.stdout


@dataclass
class Laid:
    """A template laid out in a project of its own."""

    spec: Any
    context: Context
    folder: Path

    def prepare(self) -> None:
        from importlib import import_module

        module, _, name = self.spec.native.prepare.partition(":")
        getattr(import_module(module), name)(self.context)

    def command(self) -> list[str]:
        return [self._text(value) for value in self.spec.native.command]

    def _text(self, value: Any) -> str:
        if isinstance(value, str):
            return value
        if isinstance(value, Place):
            return str(self.context.place(value.of, value.name))
        if isinstance(value, Program):
            return self.context.program(value.name)
        return "".join(self._text(part) for part in value.parts)


def lay_out(root: Path, template: str, *, environment: str = "prod", **companions: Any) -> Laid:
    """The template's files in ``root/services/my_service``, and the service made of them."""
    project = project_with(root, environment=environment, CS_1=f"my_service:{template}", **companions)
    slot = read_slots(project)[0]
    for file in files_of(slot, project.name):
        path = root / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        assert isinstance(file.content, str)
        path.write_text(file.content, encoding="utf-8")
    spec = service(project, slot)
    stack = SimpleNamespace(find=lambda name: spec if name == spec.name else None)
    return Laid(spec, Context(project, stack, spec.name, root / ".nself" / "native"), root / slot.source.context)


@contextmanager
def running(laid: Laid, port: int, env: Mapping[str, str] | None = None) -> Iterator[subprocess.Popen[str]]:
    """The service's process, once it answers anything; killed at the end if it is still there."""
    variables = {"PORT": str(port), "BIND_ADDRESS": "127.0.0.1", "SERVICE_NAME": "my_service", "ENV": "dev", **(env or {})}
    log = laid.folder.parent / "out.log"
    with log.open("w") as out:
        process = subprocess.Popen(
            laid.command(), cwd=laid.folder, env={**os.environ, **variables}, stdout=out, stderr=out, text=True
        )
        try:
            wait_for(lambda: answers(port) or process.poll() is not None, lambda: f"no answer: {log.read_text()[-2000:]}")
            assert process.poll() is None, log.read_text()[-3000:]
            yield process
        finally:
            if process.poll() is None:
                process.kill()
            process.wait(PATIENCE)


def answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_for(done: Any, otherwise: Any) -> None:
    """Until ``done()`` is true; a failure says what ``otherwise()`` tells."""
    until = monotonic() + PATIENCE
    while not done():
        assert monotonic() < until, otherwise()
        sleep(0.1)


def get(port: int, path: str = "/health", body: bytes | None = None) -> tuple[int, Any]:
    """Status and JSON of a request."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data=body, headers={"content-type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=20) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def stop(process: subprocess.Popen[str]) -> int:
    """SIGTERM, and the exit code."""
    process.terminate()
    return process.wait(PATIENCE)
