"""Reaching the database inside its container, for the service's migrator."""

from __future__ import annotations

import subprocess

from builtin_plugins.runtimes.compose.engine import Engine
from builtin_plugins.runtimes.compose.shell import exec_argv
from hookspecs import Resolver, Service, UserError


class ContainerSql:
    """``SqlAccess`` through ``psql`` of the image; SQL goes in on standard input, the password by environment."""

    def __init__(self, engine: Engine, service: Service, values: Resolver) -> None:
        self._engine = engine
        self._service = service
        self._values = values

    def run(self, sql: str, *, database: str = "", user: str = "", password: str = "") -> str:
        """See ``hookspecs.SqlAccess``."""
        argv = ["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", user or self._attribute("user") or "postgres"]
        argv += ["-d", database or self._attribute("database") or "postgres", "-f", "-"]
        password = password if user else self._attribute("password")
        given = {"PGPASSWORD": password} if password else {}
        command, environment = exec_argv(self._engine, self._service.name, argv, tty=False, user=None, env=given)
        done = subprocess.run(command, input=sql, capture_output=True, text=True, env=environment, check=False)
        if done.returncode:
            raise UserError(
                f"SQL failed in {self._service.name}: {done.stderr.strip()[-600:] or f'exit code {done.returncode}'}",
                where=self._service.name,
                code="sql-failed",
            )
        return done.stdout

    def _attribute(self, name: str) -> str:
        capability = self._service.provides.get("sql")
        value = capability.attributes.get(name) if capability else None
        return "" if value is None else self._values.value(self._service.name, value) or ""
