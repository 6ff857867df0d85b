"""The way into a running container, for ``Service.rekey``."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from builtin_plugins.runtimes.compose.engine import Engine
from builtin_plugins.runtimes.compose.shell import exec_argv
from builtin_plugins.runtimes.compose.sql import ContainerSql
from hookspecs import Resolver, Service, UserError


class ContainerAccess:
    """See ``hookspecs.ServiceAccess``."""

    def __init__(self, engine: Engine, service: Service, values: Resolver) -> None:
        self._engine = engine
        self._service = service.name
        self.sql = ContainerSql(engine, service, values)

    def run(self, argv: Sequence[str], *, stdin: str = "") -> str:
        command, environment = exec_argv(self._engine, self._service, argv, tty=False, user=None, env={})
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, env=environment, check=False)
        if done.returncode:
            said = (done.stderr or done.stdout).strip()[-600:]
            raise UserError(f"{argv[0]} failed with exit code {done.returncode}", where=said, code="service-command")
        return done.stdout
