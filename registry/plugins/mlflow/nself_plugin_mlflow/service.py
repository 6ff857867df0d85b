"""MLflow as a service: https://mlflow.org/docs/latest/self-hosting/."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from hookspecs import (
    Backup,
    Build,
    Get,
    HttpProbe,
    Image,
    Join,
    Limits,
    Mount,
    Native,
    NativeProgram,
    Need,
    Place,
    Port,
    Program,
    Ref,
    Route,
    Secret,
    Security,
    Service,
    ServiceTarget,
)
from hookspecs.roles import database_url

if TYPE_CHECKING:
    from hookspecs import Project, Value

NAME = "mlflow"
#: The plugin's own database on the project's server.
DATABASE = "np_mlflow"
VOLUME = "mlflow_data"
#: Where the generated files lie: the Dockerfile and, natively, the settings of its login.
FOLDER = "mlflow"
LOGIN = f"{FOLDER}/login.ini"
#: In the container they come by this variable, as its user could not read a file that is the project owner's alone.
_LOGIN_VARIABLE, _LOGIN_PLACE = "MLFLOW_LOGIN_INI", "/tmp/login.ini"  # noqa: S108  in its container
_CONTAINER_PORT = 5000


def contributions(project: Project) -> Iterator[Service | Route]:
    """The server and its route, unless it is turned off."""
    settings = project.settings
    if not settings["MLFLOW_ENABLED"]:
        return
    yield _service(project)
    yield Route(
        name=NAME,
        host=project.host(settings["MLFLOW_ROUTE"]),
        target=ServiceTarget(service=NAME),
        websocket=False,
        max_body="500m",
        label="MLflow",
    )


def _service(project: Project) -> Service:
    settings = project.settings
    given = settings["MLFLOW_IMAGE"]
    environment = next((one.environment for one in project.installed if one.name == NAME), "")
    return Service(
        name=NAME,
        category="plugin",
        summary="MLflow: experiment tracking and model registry",
        image=Image(ref=given) if given else None,
        build=None if given else Build(context=FOLDER),
        command=_command(project),
        native=_native(project, environment) if environment else None,
        no_native="" if environment else "its Python packages are not installed: nself plugin install mlflow",
        env=_environment(project),
        ports=(Port.of(settings, "MLFLOW_PORT", _CONTAINER_PORT),),
        provides={},
        needs=(Need(capability="sql"), Need(capability="s3", required=False)),
        probe=HttpProbe(path="/health", tool="python", start_period=300, interval=5, retries=12),
        mounts=(Mount(kind="volume", source=VOLUME, target="/mlflow/artifacts"),),
        limits=Limits(memory=2 << 30, pids=256),
        security=Security(tmpfs=("/tmp",)),  # noqa: S108  in its container
        backup=Backup(method="volumes", volumes=(VOLUME,)),
        scalable=False,
    )


def _has_login(project: Project) -> bool:
    return bool(project.settings["MLFLOW_AUTH_ENABLED"])


def _command(project: Project) -> tuple[Value, ...]:
    run = ("mlflow", *_arguments(project, "0.0.0.0", str(_CONTAINER_PORT)))  # noqa: S104  inside its container
    if not _has_login(project):
        return run
    return ("sh", "-c", f'umask 077; printf %s "${_LOGIN_VARIABLE}" > {_LOGIN_PLACE}; exec "$@"', "sh", *run)


def login(project: Project) -> Join:
    """https://mlflow.org/docs/latest/self-hosting/security/basic-http-auth, which ``configparser`` reads."""
    own = project.settings.secret("MLFLOW_BACKEND_STORE_URI")
    return Join.of(
        "[mlflow]\ndefault_permission = READ\ndatabase_uri = ",
        # the role's password is letters and digits
        _own_database() if own is None else own.model_copy(update={"quote": "ini"}),
        f"\nadmin_username = {str(project.settings['MLFLOW_TRACKING_USERNAME']).replace('%', '%%')}\nadmin_password = ",
        Secret(name="MLFLOW_TRACKING_PASSWORD", quote="ini"),
        "\nauthorization_function = mlflow.server.auth:authenticate_request_basic_auth\n",
    )


def _own_database() -> Join:
    """The plugin's database by the driver that is installed: what a bare ``postgresql://`` means depends on SQLAlchemy's age."""
    first, *rest = database_url(NAME, DATABASE).parts
    return Join.of(str(first).replace("postgresql:", "postgresql+psycopg2:", 1), *rest)


def _arguments(project: Project, host: str, port: Value) -> tuple[Value, ...]:
    login = ("--app-name", "basic-auth") if _has_login(project) else ()
    return ("server", "--host", host, "--port", port, "--workers", str(project.settings["MLFLOW_WORKERS"]), *login)


def _native(project: Project, environment: str) -> Native:
    own: dict[str, Value | None] = {
        "MLFLOW_ARTIFACTS_DESTINATION": _artifacts(project, Place(of="volume", name=VOLUME)),
        "HOME": Place(of="run"),
        "PATH": f"{environment}/bin:/usr/bin:/bin",
        "MLFLOW_SERVER_ALLOWED_HOSTS": _hosts(project),
    }
    if _has_login(project):
        own |= {"MLFLOW_AUTH_CONFIG_PATH": Place(of="config", name=LOGIN), _LOGIN_VARIABLE: None}
    return Native(
        command=(Program(name="python"), "-m", "mlflow", *_arguments(project, "127.0.0.1", Ref(service=NAME, as_="port"))),
        programs=(NativeProgram(name="python", names=(f"{environment}/bin/python",), install="nself plugin install mlflow"),),
        env=own,
    )


def _environment(project: Project) -> Mapping[str, Value | None]:
    settings = project.settings
    own = settings.secret("MLFLOW_BACKEND_STORE_URI")
    found: dict[str, Value | None] = {
        "MLFLOW_BACKEND_STORE_URI": _own_database() if own is None else own,
        "MLFLOW_DEFAULT_ARTIFACT_ROOT": "mlflow-artifacts:/",
        "MLFLOW_ARTIFACTS_DESTINATION": _artifacts(project, "/mlflow/artifacts"),
        "MLFLOW_SERVE_ARTIFACTS": "true",
        "MLFLOW_SERVER_ALLOWED_HOSTS": _hosts(project),
        "MLFLOW_FLASK_SERVER_SECRET_KEY": Secret(name="MLFLOW_SECRET_KEY"),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
    }
    if _has_login(project):
        found |= {"MLFLOW_AUTH_CONFIG_PATH": _LOGIN_PLACE, _LOGIN_VARIABLE: login(project)}
    if _in_bucket(project):
        found |= {
            "MLFLOW_S3_ENDPOINT_URL": Get(capability="s3", attribute="endpoint"),
            "AWS_ACCESS_KEY_ID": Get(capability="s3", attribute="access_key"),
            "AWS_SECRET_ACCESS_KEY": Get(capability="s3", attribute="secret_key"),
            "AWS_DEFAULT_REGION": Get(capability="s3", attribute="region", default="us-east-1"),
        }
    return found


def _in_bucket(project: Project) -> bool:
    """Whether artifacts go to the stack's object storage: where the user names a bucket of it, or has one made for them."""
    root = str(project.settings["MLFLOW_DEFAULT_ARTIFACT_ROOT"] or "")
    buckets = project.settings.get("MINIO_DEFAULT_BUCKETS") or ()
    return root.startswith("s3://") or (not root and project.settings["MLFLOW_ARTIFACTS_BUCKET"] in buckets)


def _artifacts(project: Project, folder: Value) -> Value:
    root = project.settings["MLFLOW_DEFAULT_ARTIFACT_ROOT"]
    if root:
        return str(root)
    return f"s3://{project.settings['MLFLOW_ARTIFACTS_BUCKET']}" if _in_bucket(project) else folder


def _hosts(project: Project) -> str:
    """Names it answers to; it refuses others, against DNS rebinding."""
    route = project.host(project.settings["MLFLOW_ROUTE"])
    return f"{route},{route}:*,localhost:*,127.0.0.1:*,{NAME}:*"
