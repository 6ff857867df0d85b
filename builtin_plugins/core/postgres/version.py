"""Which PostgreSQL: the major version the settings ask for, its image, and where that image keeps its data."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hookspecs import Project

#: The major that the native runtime's programs have, and the default for containers: one for all runtimes.
NATIVE_MAJOR = 18

#: The pgvector release whose images hold every supported major (``pgvector/pgvector:<release>-pg<major>``).
PGVECTOR = "0.8.1"


def image(project: Project) -> str:
    """The pinned image: a bare major means the image with pgvector, a longer tag the official image of that tag."""
    wanted = str(project.settings["POSTGRES_VERSION"])
    return f"pgvector/pgvector:{PGVECTOR}-pg{wanted}" if wanted.isdigit() else f"postgres:{wanted}"


def major(project: Project) -> int:
    """The PostgreSQL major: of ``POSTGRES_IMAGE``'s tag where that tells it, else of ``POSTGRES_VERSION``."""
    tag = str(project.settings.get("POSTGRES_IMAGE") or "").rpartition("/")[2].partition(":")[2]
    found = re.search(r"pg(\d+)", tag) or re.match(r"(\d+)", tag)
    if found and project.runtime != "native":
        return int(found[1])
    version = str(project.settings["POSTGRES_VERSION"])
    return int(re.split(r"\D", version, maxsplit=1)[0])  # the setting's pattern begins with a number


def volume_target(of_major: int) -> str:
    """Where the data volume goes. From 18 on the official images keep ``<major>/docker`` below the mount point."""
    return "/var/lib/postgresql" if of_major >= 18 else "/var/lib/postgresql/data"
