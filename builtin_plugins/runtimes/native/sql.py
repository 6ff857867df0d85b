"""SQL for ``Service.migrator``: psql with the service's own environment, the text on its standard input."""

from __future__ import annotations

import shutil

from builtin_plugins.runtimes.native.context import run_as
from builtin_plugins.runtimes.native.instances import Instance
from hookspecs import UserError


class Psql:
    """See ``hookspecs.SqlAccess``."""

    def __init__(self, instance: Instance, env: dict[str, str]) -> None:
        self._instance = instance
        self._env = env
        self._program = shutil.which("psql", path=env["PATH"])

    def run(self, sql: str, *, database: str = "", user: str = "", password: str = "") -> str:
        if self._program is None:
            raise UserError("psql not found", remedy="pip install 'nself[native]'", code="native-program")
        argv = [self._program, "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-f", "-"]
        env = {**self._env, "PGCLIENTENCODING": "UTF8", **({"PGDATABASE": database} if database else {})}
        env |= {"PGUSER": user, "PGPASSWORD": password} if user else {}
        done = run_as(self._instance, argv, env=env, stdin=sql)
        if done.returncode:
            raise UserError(
                "the database refused an SQL command", where=done.stderr.strip() or f"psql answers {done.returncode}", code="sql"
            )
        return done.stdout
