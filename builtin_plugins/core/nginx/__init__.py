"""The reverse proxy: every public address of the project, HTTPS, limits and headers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from hookspecs import hookimpl

if TYPE_CHECKING:
    from hookspecs import CertificateRequest, File, Finding, Project, Route, Service, Stack


@hookimpl
def contribute_services(project: Project) -> Iterable[Service | Route | CertificateRequest]:
    from .service import contributions

    return contributions(project)


@hookimpl
def render_config(project: Project, stack: Stack) -> Iterable[File]:
    from .config import files

    return files(project, stack)


@hookimpl
def pre_deploy(project: Project, target: str, stack: Stack) -> Iterable[Finding]:
    from .checks import findings

    return findings(project, stack)
