"""The functions service: the image in containers, our own runner natively. Its port inside is always 3000."""

from __future__ import annotations

from pathlib import Path

from builtin_plugins.custom.native import NODE_MISSING
from builtin_plugins.custom.variables import in_env_form
from hookspecs import (
    Capability,
    Get,
    HttpProbe,
    Image,
    Link,
    Mount,
    Native,
    NativeProgram,
    Need,
    Place,
    Port,
    Program,
    Project,
    Ref,
    Route,
    Secret,
    Security,
    Service,
    ServiceTarget,
    Value,
    python_module,
)  # fmt: skip

NAME = "functions"
FOLDER = "functions"
RUNNER = Path(__file__).with_name("runner.js")
_PROGRAMS = "builtin_plugins.custom.programs"
_ROOT = "the image installs the functions' packages as root into the mounted folder, whoever owns that"


def service(project: Project) -> Service:
    """The service."""
    settings = project.settings
    origin = settings.because("FUNCTIONS_VERSION")
    return Service(
        name=NAME,
        category="optional",
        summary="Serverless functions",
        image=Image(ref=f"nhost/functions:{settings['FUNCTIONS_VERSION']}"),
        native=_native(project),
        env=_environment(project),
        ports=(Port.of(settings, "FUNCTIONS_PORT", 3000),),
        provides={"functions": Capability(attributes={"url": Ref(service=NAME)})},
        needs=(Need(capability="sql", required=False), Need(capability="graphql", required=False)),
        probe=HttpProbe(path="/healthz", tool="node", start_period=120),
        mounts=(
            Mount(kind="bind", source=FOLDER, target="/opt/project/functions"),
            Mount(kind="anonymous", target="/opt/project/functions/node_modules"),
        ),
        security=Security(
            cap_add=("CHOWN", "DAC_OVERRIDE", "FOWNER"), reasons={"user": _ROOT, "cap_add": _ROOT, "read_only": _ROOT}
        ),
        links=(Link(label="Functions", path="/hello"),),
        provenance={"image": origin} if origin else {},
    )


def route(project: Project) -> Route:
    """Its public host."""
    host = project.host(project.settings["FUNCTIONS_ROUTE"])
    return Route(name=NAME, host=host, target=ServiceTarget(service=NAME), rate_zone=NAME, max_body="6m", label="Functions")


def _environment(project: Project) -> dict[str, Value]:
    mode = "development" if project.environment.is_dev else "production"
    values: dict[str, Value] = {
        "PORT": Ref(service=NAME, port="http", as_="port"),
        "NODE_ENV": mode,
        "PACKAGE_MANAGER": "npm",
        "PROJECT_NAME": project.name,
        "BASE_DOMAIN": project.domain,
        "ENV": project.environment.name,
        "DATABASE_URL": Get(capability="sql", attribute="url"),
        "HASURA_GRAPHQL_ENDPOINT": Get(capability="graphql", attribute="url"),
        "HASURA_GRAPHQL_ADMIN_SECRET": Get(capability="graphql", attribute="admin_secret"),
        "NHOST_GRAPHQL_URL": Get(capability="graphql", attribute="url"),
        "NHOST_ADMIN_SECRET": Get(capability="graphql", attribute="admin_secret"),
        "AUTH_SERVER_URL": Get(capability="auth", attribute="url"),
        "AUTH_JWT_SECRET": Get(capability="auth", attribute="jwt_key"),
        "REDIS_URL": Get(capability="cache", attribute="url"),
    }
    for name in project.settings.get("FUNCTIONS_ENV_PASSTHROUGH") or ():
        entry = project.settings.entries.get(name)
        if entry is not None and (entry.secret or entry.value is not None):
            values[name] = Secret(name=name) if entry.secret else in_env_form(entry.value)
    return values


def _native(project: Project) -> Native:
    folder = Place(of="project", name=FOLDER)
    reload = project.settings.get("ENABLE_HOT_RELOAD")
    runner: tuple[Value, ...] = (Program(name="node"), str(RUNNER), folder)
    if project.environment.is_dev if reload is None else reload:
        runner = (*python_module("builtin_plugins.custom.reload"), "--folder", folder, "--", *runner)
    return Native(
        command=runner,
        programs=(
            NativeProgram(name="python", locate=f"{_PROGRAMS}:python"),
            NativeProgram(name="node", locate=f"{_PROGRAMS}:node", install=NODE_MISSING),
            NativeProgram(name="npm", locate=f"{_PROGRAMS}:npm", install=NODE_MISSING),
        ),
        prepare="builtin_plugins.optional.functions.folder:prepare",
        env={"BIND_ADDRESS": "127.0.0.1", "PACKAGE_MANAGER": None},
        cwd=folder,
        stands_for="nself's runner on Node.js",
    )
