"""Certificates of the user's own that are not there."""

from __future__ import annotations

from collections.abc import Iterator

from hookspecs import Finding, Level, Project, Stack

from .service import custom, custom_files


def findings(project: Project, stack: Stack) -> Iterator[Finding]:
    """An error for each file of ``SSL_MODE=custom`` that is missing."""
    if not project.settings["NGINX_ENABLED"] or not custom(project):
        return
    for path in custom_files(project).values():
        if not (project.root / path).is_file():
            yield Finding(
                level=Level.ERROR,
                message=f"there is no certificate file {path}",
                where=str(project.settings.origin("SSL_CERT_PATH") or ""),
                variable="SSL_CERT_PATH",
                remedy="set SSL_CERT_PATH and SSL_KEY_PATH to PEM files, absolute or relative to the project",
                code="certificate-missing",
            )
