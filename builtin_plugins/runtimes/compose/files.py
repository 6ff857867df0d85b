"""The files of the Compose runtime: ``docker-compose.yml``, and an env file for each service that is given a secret."""

from __future__ import annotations

from collections.abc import Iterator

from builtin_plugins.runtimes.compose import document, envfile, text
from hookspecs import File, Project, Stack

FILE = "docker-compose.yml"


def files(project: Project, stack: Stack) -> Iterator[File]:
    """Everything this runtime needs on disk. Secrets stand in the env files alone, which the writer keeps 0600."""
    yield File(path=FILE, content=_heading(stack) + text.dump(document.compose_file(project, stack)))
    for service in document.present(stack):
        lines = envfile.secret_lines(stack, service)
        if lines:
            yield File(path=envfile.path_of(service.name), content=envfile.content(lines), mode=0o600)


def _heading(stack: Stack) -> str:
    return (
        f"# Project {stack.project}, environment {stack.environment}. Run it with `nself start`,"
        f" or by hand with `docker compose -p {stack.project} up -d`.\n"
    )
