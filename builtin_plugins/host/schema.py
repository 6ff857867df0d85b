"""The Host's own schema, ``nself_host``, which its role owns and no plugin's reaches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from hookspecs import Migration
from hookspecs.roles import role_of

from . import jobs
from .document import hosted

if TYPE_CHECKING:
    from hookspecs import Project

NAME = "core-host"
ROLE = role_of(NAME)
SCHEMA = "nself_host"


def migrations(project: Project) -> Iterator[Migration]:
    """Nothing where no plugin has anything for the Host."""
    if not hosted(project):
        return
    yield Migration(id="host_schema", up=f"CREATE SCHEMA IF NOT EXISTS {SCHEMA} AUTHORIZATION {ROLE}")
    for migration in jobs.migrations(ROLE):
        yield migration.model_copy(update={"id": f"jobs_{migration.id}"})
