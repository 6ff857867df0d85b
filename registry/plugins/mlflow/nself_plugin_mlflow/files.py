"""The generated files: an image with the database's driver, and the settings of MLflow's login."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from hookspecs import File, Join, Secret
from hookspecs.roles import database_url
from nself_plugin_mlflow.service import DATABASE, FOLDER, LOGIN, NAME

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
    if settings["MLFLOW_AUTH_ENABLED"]:
        yield File(path=LOGIN, content=_login(project), mode=0o600)


def _login(project: Project) -> Join:
    """https://mlflow.org/docs/latest/self-hosting/security/basic-http-auth. A per cent sign has a meaning in such files, so
    the database's address is written without one: the role's password is letters and digits."""
    own = project.settings.secret("MLFLOW_BACKEND_STORE_URI")
    return Join.of(
        "[mlflow]\ndefault_permission = READ\ndatabase_uri = ",
        own if own is not None else database_url(NAME, DATABASE),
        f"\nadmin_username = {project.settings['MLFLOW_TRACKING_USERNAME']}\nadmin_password = ",
        Secret(name="MLFLOW_TRACKING_PASSWORD"),
        "\nauthorization_function = mlflow.server.auth:authenticate_request_basic_auth\n",
    )
