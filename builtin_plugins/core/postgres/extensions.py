"""The extensions of ``POSTGRES_EXTENSIONS``: their real names, what they need loaded first, and their migrations."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from hookspecs import Finding, Level, Migration

if TYPE_CHECKING:
    from hookspecs import Project

#: Spellings met in ``.env`` files → the extensions meant.
_MEANT = {
    "pgvector": ("vector",),
    "postgis": ("postgis", "postgis_topology"),
    "uuid_ossp": ("uuid-ossp",),
    "pgtrgm": ("pg_trgm",),
    "timescale": ("timescaledb",),
}

#: Extensions that work only when their library is loaded with the server (each one's own manual).
_PRELOADED = frozenset({"pg_stat_statements", "pg_cron", "timescaledb", "pgaudit"})

#: Contained in neither the default image nor the native programs.
_ELSEWHERE = {
    "postgis": "postgis/postgis:<tag>",
    "postgis_topology": "postgis/postgis:<tag>",
    "pg_cron": "an image built with pg_cron",
    "timescaledb": "timescale/timescaledb:<tag>",
    "pgaudit": "an image built with pgaudit",
}


def wanted(project: Project) -> list[str]:
    """The extensions to make, by their real names, in the order given and each once."""
    asked = [str(name).strip().lower() for name in project.settings["POSTGRES_EXTENSIONS"] or ()]
    if project.settings["PGVECTOR_ENABLED"]:
        asked.append("vector")
    meant = [real for name in asked if name for real in _MEANT.get(name, (name,))]
    return list(dict.fromkeys(meant))


def preload(project: Project) -> list[str]:
    """Libraries for ``shared_preload_libraries``."""
    return [name for name in wanted(project) if name in _PRELOADED]


def migrations(project: Project) -> Iterator[Migration]:
    """One migration for each extension, so that adding one to the setting later changes none that was applied."""
    for name in wanted(project):
        quoted = name.replace('"', '""')
        yield Migration(id=f"extension_{name}", up=f'CREATE EXTENSION IF NOT EXISTS "{quoted}" CASCADE')


def missing(project: Project) -> Iterator[Finding]:
    """A fault for each extension that the default database does not contain."""
    own_image = bool(project.settings.get("POSTGRES_IMAGE"))
    if own_image and project.runtime != "native":
        return
    for name in wanted(project):
        if name in _ELSEWHERE:
            yield Finding(
                level=Level.ERROR,
                message=f"the database has no extension {name}",
                where=str(project.settings.origin("POSTGRES_EXTENSIONS") or ""),
                variable="POSTGRES_EXTENSIONS",
                remedy=f"leave it out, or use the compose runtime with POSTGRES_IMAGE={_ELSEWHERE[name]}",
                code="extension-missing",
            )
