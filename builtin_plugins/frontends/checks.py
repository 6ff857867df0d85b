"""Frontends that staging cannot serve."""

from __future__ import annotations

from collections.abc import Iterator

from hookspecs import Finding, Level, Project, Stack

from .service import label, served, slots


def findings(project: Project, stack: Stack) -> Iterator[Finding]:
    """A warning for each frontend that staging leaves out, and for built files that are not there."""
    if project.environment.cls != "staging":
        return
    for slot in slots(project):
        directory = project.settings[f"FRONTEND_APP_{slot}_DIR"]
        if not served(project, slot):
            yield Finding(
                level=Level.WARNING,
                message=f"the frontend {label(project, slot)} is left out: {project.environment.name} has nothing to serve of it",
                where=str(project.settings.origin(f"FRONTEND_APP_{slot}_NAME") or ""),
                variable=f"FRONTEND_APP_{slot}_DIR",
                remedy=f"set FRONTEND_APP_{slot}_DIR to its built files, or FRONTEND_APP_{slot}_IMAGE",
                code="frontend-left-out",
            )
        elif directory and not (project.root / directory / "index.html").is_file():
            yield Finding(
                level=Level.WARNING,
                message=f"{directory} holds no index.html: build the frontend {label(project, slot)} first",
                where=str(project.settings.origin(f"FRONTEND_APP_{slot}_DIR") or ""),
                variable=f"FRONTEND_APP_{slot}_DIR",
                code="frontend-not-built",
            )
