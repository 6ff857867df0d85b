"""What a service's ``prepare`` function is given."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from builtin_plugins.runtimes.native.instances import Instance
from hookspecs import UserError

if TYPE_CHECKING:
    from hookspecs import Project, Stack


class Context:
    """See ``hookspecs.NativeContext``. ``env`` is the very environment the process will get."""

    def __init__(self, project: Project, stack: Stack, instance: Instance, env: dict[str, str]) -> None:
        self.project = project
        self.stack = stack
        self.service = instance.service.name
        self.env = env
        self._instance = instance

    def place(self, of: str, name: str = "") -> Path:
        return self._instance.place(of, name)

    def program(self, name: str) -> str:
        return self._instance.program(name)

    def run(self, argv: Sequence[str], *, env: dict[str, str] | None = None, stdin: str | None = None) -> str:
        done = run_as(self._instance, argv, env={**self.env, **(env or {})}, stdin=stdin)
        if done.returncode:
            said = (done.stderr or done.stdout).strip().splitlines()
            raise UserError(
                f"{self.service}: {Path(argv[0]).name} failed with exit code {done.returncode}",
                where="\n".join(said[-8:]),
                code="native-prepare",
            )
        return done.stdout

    def write(self, path: Path, content: str) -> None:
        handle, staged = tempfile.mkstemp(dir=path.parent)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(content)
            user = self._instance.user
            if user:
                os.fchown(file.fileno(), user.uid, user.gid)
        Path(staged).replace(path)


def run_as(
    instance: Instance, argv: Sequence[str], *, env: dict[str, str], stdin: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end as the user the service runs as."""
    user = instance.user
    folder = str(instance.place("run")) if user else str(instance.layout.root)
    return subprocess.run(
        list(argv),
        env=env,
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
        cwd=folder,
        user=user.uid if user else None,
        group=user.gid if user else None,
        extra_groups=[] if user else None,
        umask=0o077,
        check=False,
    )
