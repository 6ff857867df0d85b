"""Object storage with the S3 API: MinIO or SeaweedFS in containers, SeaweedFS natively."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from hookspecs import hookimpl

if TYPE_CHECKING:
    from hookspecs import Project, Route, Service


@hookimpl
def contribute_services(project: Project) -> Iterable[Service | Route]:
    if not project.settings["MINIO_ENABLED"]:
        return ()
    from builtin_plugins.optional.minio.service import contribution

    return contribution(project)
