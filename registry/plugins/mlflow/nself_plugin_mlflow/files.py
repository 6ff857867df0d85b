"""The generated files: an image with the database's driver, and the settings of MLflow's login."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from hookspecs import File
from hookspecs.resolve import plain
from nself_plugin_mlflow.service import FOLDER, LOGIN, NAME, login

if TYPE_CHECKING:
    from hookspecs import Project, Stack

#: The upstream image has neither the driver of PostgreSQL nor that of S3; the login wants one package more.
_DOCKERFILE = """\
FROM ghcr.io/mlflow/mlflow:v{version}
ARG PIP_ARGS=""
RUN pip install --no-cache-dir $PIP_ARGS 'mlflow[auth]=={version}' 'psycopg2-binary>=2.9' 'boto3>=1.35' \\
 && useradd --uid 10001 --create-home mlflow && mkdir -p /mlflow/artifacts && chown mlflow /mlflow/artifacts
USER 10001
WORKDIR /mlflow
"""


def files(project: Project, stack: Stack) -> Iterator[File]:
    """What this plugin generates."""
    settings = project.settings
    if stack.find(NAME) is None:
        return
    if project.runtime == "compose" and not settings["MLFLOW_IMAGE"]:
        yield File(path=f"{FOLDER}/Dockerfile", content=_DOCKERFILE.format(version=settings["MLFLOW_VERSION"]))
    content = plain(stack, NAME, login(project))
    if project.runtime == "native" and settings["MLFLOW_AUTH_ENABLED"] and content is not None:
        yield File(path=LOGIN, content=content, header="", mode=0o600)
