"""The web admin's service and route."""

from __future__ import annotations

from collections.abc import Iterator

from hookspecs import (
    Get,
    HttpProbe,
    Image,
    Limits,
    Link,
    Mount,
    Need,
    Port,
    Project,
    Route,
    Security,
    Service,
    ServiceTarget,
)

NAME = "nself-admin"
SOCKET = "/var/run/docker.sock"


def wanted(project: Project) -> bool:
    """Whether it runs: where it is asked for, and never in prod."""
    return bool(project.settings["NSELF_ADMIN_ENABLED"]) and not project.environment.is_prod


def contributions(project: Project) -> Iterator[Service | Route]:
    """The web admin, where it is asked for."""
    if not wanted(project):
        return
    settings = project.settings
    origin = settings.because("NSELF_ADMIN_VERSION")
    yield Service(
        name=NAME,
        category="optional",
        summary="Web admin",
        image=Image(ref=f"nself/nself-admin:{settings['NSELF_ADMIN_VERSION']}"),
        no_native="its image drives Docker on this machine; without Docker there is nothing for it to drive",
        env={
            "NODE_ENV": "production",
            "ENV": project.environment.name,
            "PORT": "3021",
            "PROJECT_NAME": project.name,
            "BASE_DOMAIN": project.domain,
            "PROJECT_PATH": "/workspace",
            "NSELF_PROJECT_PATH": "/workspace",
            "DOCKER_HOST": f"unix://{SOCKET}",
            "DATABASE_URL": Get(capability="sql", attribute="url"),
            "HASURA_GRAPHQL_ENDPOINT": Get(capability="graphql", attribute="url"),
            "HASURA_GRAPHQL_ADMIN_SECRET": Get(capability="graphql", attribute="admin_secret"),
            "ADMIN_SECRET_KEY": settings.secret("ADMIN_SECRET_KEY"),
            "ADMIN_PASSWORD_HASH": settings.secret("ADMIN_PASSWORD_HASH"),
        },
        ports=(Port.of(settings, "NSELF_ADMIN_PORT", 3021),),
        needs=(Need(capability="sql"), Need(capability="graphql")),
        probe=HttpProbe(path="/api/health", start_period=60),
        mounts=(
            Mount(kind="bind", source=".", target="/workspace", reason="it edits the project's settings"),
            Mount(kind="volume", source="nself_admin_data", target="/app/data"),
            Mount(
                kind="bind",
                source=SOCKET,
                target=SOCKET,
                read_only=True,
                reason="it starts and stops containers; the Docker socket is as good as root on this machine, read-only or not",
            ),
        ),
        limits=Limits(memory=512 << 20),
        security=Security(
            cap_add=("DAC_OVERRIDE",),
            reasons={
                "user": "the Docker socket is root's",
                "cap_add": "the project's files and the Docker socket belong to other users than the image's",
                "read_only": "it runs commands of its own, which write where they want",
            },
        ),
        links=(Link(label="Admin"),),
        provenance={"image": origin} if origin else {},
    )
    yield Route(
        name=NAME,
        host=project.host(settings["NSELF_ADMIN_ROUTE"]),
        target=ServiceTarget(service=NAME),
        websocket=True,
        internal=True,
        label="Admin",
    )
