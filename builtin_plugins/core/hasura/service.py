"""The GraphQL service and its route."""

from __future__ import annotations

import re
from collections.abc import Iterator

from hookspecs import (
    Capability,
    Get,
    HttpProbe,
    Image,
    Join,
    Limits,
    Link,
    Native,
    NativeProgram,
    Need,
    Port,
    Project,
    Ref,
    Route,
    Security,
    Service,
    ServiceTarget,
    Value,
    python_module,
)

from .checks import console_wanted, dev_mode_wanted
from .jwt import jwt_secret
from .programs import ENGINE

NAME = "hasura"
_HERE = "builtin_plugins.core.hasura.programs"
_INSTALL = "pip install 'nself[native]'"


def contributions(project: Project) -> Iterator[Service | Route]:
    """The GraphQL service, unless it is switched off."""
    settings = project.settings
    if not settings["HASURA_ENABLED"]:
        return
    image: str | None = settings["HASURA_IMAGE"]
    origin = settings.because("HASURA_IMAGE" if image else "HASURA_VERSION")
    yield Service(
        name=NAME,
        category="core",
        summary="GraphQL API",
        image=Image(ref=image or f"hasura/graphql-engine:{settings['HASURA_VERSION']}"),
        native=_native(),
        env=_environment(project),
        ports=(Port.of(settings, "HASURA_PORT", 8080),),
        provides={
            "graphql": Capability(
                attributes={
                    "url": Join.of(Ref(service=NAME), "/v1/graphql"),
                    "endpoint": Ref(service=NAME),
                    "admin_secret": settings.secret("HASURA_GRAPHQL_ADMIN_SECRET") or "",
                    "jwt_secret": jwt_secret(project),
                    "jwt_previous": settings.secret("AUTH_JWT_PREVIOUS_SECRETS") or "",
                }
            )
        },
        needs=(Need(capability="sql"),),
        tracker="builtin_plugins.core.hasura.tracking:Tracker",
        # Upstream's image has curl; nself/graphql, which stands in for it, has Python and no curl.
        probe=HttpProbe(path="/healthz", tool="python" if _is_own_image(image) else "curl", start_period=60),
        limits=Limits(memory=1 << 30),
        # The image names no user; nothing in it belongs to root alone.
        security=Security(user="10001:10001", read_only=True, tmpfs=("/tmp",)),  # noqa: S108  inside the container
        links=(Link(label="GraphQL API", path="/v1/graphql"), *_console_link(project)),
        provenance={"image": origin} if origin else {},
    )
    yield Route(
        name=NAME,
        host=project.host(settings["HASURA_ROUTE"]),
        target=ServiceTarget(service=NAME),
        websocket=True,
        rate_zone="graphql",
        label="GraphQL API",
    )


def _is_own_image(ref: str | None) -> bool:
    """Whether ``HASURA_IMAGE`` names the image our Dockerfile makes: ``nself/graphql``, from whatever registry."""
    return ref is not None and re.search(r"(^|/)nself/graphql([:@]|$)", ref) is not None


def _console_link(project: Project) -> tuple[Link, ...]:
    return (Link(label="GraphQL console", path="/console", dev_only=True),) if console_wanted(project) else ()


def _native() -> Native:
    return Native(
        command=python_module(ENGINE),
        programs=(
            NativeProgram(name="python", locate=f"{_HERE}:python"),
            NativeProgram(name="engine", locate=f"{_HERE}:engine", install=_INSTALL),
        ),
        env={
            "HASURA_GRAPHQL_SERVER_HOST": "127.0.0.1",
            "HASURA_GRAPHQL_SERVER_PORT": Ref(service=NAME, as_="port"),
        },
        stands_for="nself's own GraphQL engine",
    )


def _environment(project: Project) -> dict[str, Value | None]:
    settings = project.settings
    prefix = "HASURA_GRAPHQL_"

    def text(name: str) -> str | None:
        value = settings[prefix + name]
        return None if value is None else str(value).lower() if isinstance(value, bool) else str(value)

    metadata = settings.secret(prefix + "METADATA_DATABASE_URL")
    env: dict[str, Value | None] = {
        prefix + "DATABASE_URL": Get(capability="sql", attribute="url"),
        prefix + "METADATA_DATABASE_URL": metadata or Get(capability="sql", attribute="url"),
        prefix + "ADMIN_SECRET": settings.secret(prefix + "ADMIN_SECRET"),
        prefix + "JWT_SECRET": jwt_secret(project),
        prefix + "JWT_SECRETS": settings.secret("AUTH_JWT_PREVIOUS_SECRETS"),
        prefix + "ENABLE_CONSOLE": str(console_wanted(project)).lower(),
        prefix + "DEV_MODE": str(dev_mode_wanted(project)).lower(),
        prefix + "CORS_DOMAIN": text("CORS_DOMAIN") or _origins(project),
        # Upstream's console loads its assets from this folder instead of a CDN.
        prefix + "CONSOLE_ASSETS_DIR": "/srv/console-assets" if console_wanted(project) else None,
        "ACTION_HANDLER_URL": settings["ACTION_HANDLER_URL"] or Get(capability="functions", attribute="url"),
    }
    for name in (
        "ENABLE_TELEMETRY", "UNAUTHORIZED_ROLE", "LOG_LEVEL", "ENABLED_LOG_TYPES", "ENABLED_APIS", "PG_CONNECTIONS",
        "ENABLE_ALLOWLIST", "STRINGIFY_NUMERIC_TYPES", "INFER_FUNCTION_PERMISSIONS",
        "LIVE_QUERIES_MULTIPLEXED_REFETCH_INTERVAL", "EXPERIMENTAL_FEATURES",
    ):  # fmt: skip
        env[prefix + name] = text(name)
    return env | _forwarded(project)


def _forwarded(project: Project) -> dict[str, Value | None]:
    """What metadata may refer to by ``…_from_env``: remote schemas, and the names the user listed."""
    settings = project.settings
    env: dict[str, Value | None] = {}
    if settings["REMOTE_SCHEMAS_ENABLED"]:
        for part in ("NAME", "URL", "HEADERS"):
            for _, entry in settings.matching(f"REMOTE_SCHEMA_{{N}}_{part}"):
                env[entry.name] = settings.secret(entry.name) if entry.secret else entry.value
    for name in settings["HASURA_EXTRA_ENV"] or ():
        entry = settings.entries.get(name)
        if entry is not None:
            env[name] = settings.secret(name) if entry.secret else str(entry.value)
    return env


def _origins(project: Project) -> str:
    """Any origin in dev, where frontends sit on ports of their own; elsewhere the project's domain and what is below it."""
    if project.environment.is_dev:
        return "*"
    own = f"https://{project.domain},https://*.{project.domain}"
    return own if project.environment.is_prod else f"{own},http://localhost:3000"
