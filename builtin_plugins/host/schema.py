"""The Host's own schema, ``nself_host``, which its role owns and no plugin's reaches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from hookspecs import Migration
from hookspecs.roles import role_of

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
    yield Migration(id="host_000_schema", up=f"CREATE SCHEMA IF NOT EXISTS {SCHEMA} AUTHORIZATION {ROLE}")
    yield Migration(id="host_001_role", owner=ROLE, up=f"ALTER ROLE {ROLE} SET search_path = {SCHEMA}, public")
