"""The way into one running process's surroundings, for ``Service.rekey``."""

from __future__ import annotations

from collections.abc import Sequence

from builtin_plugins.runtimes.native.context import run_as
from builtin_plugins.runtimes.native.instances import Instance
from builtin_plugins.runtimes.native.sql import Psql
from hookspecs import UserError


class Access:
    """See ``hookspecs.ServiceAccess``. ``env`` is the environment the process was given."""

    def __init__(self, instance: Instance, env: dict[str, str]) -> None:
        self._instance = instance
        self._env = env
        self.sql = Psql(instance, env)

    def run(self, argv: Sequence[str], *, stdin: str = "") -> str:
        done = run_as(self._instance, argv, env=self._env, stdin=stdin)
        if done.returncode:
            said = (done.stderr or done.stdout).strip()[-600:]
            raise UserError(f"{argv[0]} failed with exit code {done.returncode}", where=said, code="service-command")
        return done.stdout
