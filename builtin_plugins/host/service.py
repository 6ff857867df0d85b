"""The Host as a service, its routes, and the file it is told by."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from hookspecs import (
    Capability,
    File,
    Get,
    HttpProbe,
    Limits,
    Native,
    NativeProgram,
    Need,
    Place,
    Port,
    Program,
    Ref,
    Route,
    Scrape,
    Secret,
    Service,
    ServiceTarget,
    Value,
)
from hookspecs.roles import password_of

from .document import document, hosted, password_variable, variables
from .schema import NAME as PLUGIN

if TYPE_CHECKING:
    from hookspecs import Project, Stack

NAME = "host"
_HERE = "builtin_plugins.host.programs"
#: Natively below the configuration folder.
_DOCUMENT = "host/host.json"


def contributions(project: Project) -> Iterator[Service | Route]:
    """The Host, where a plugin has something for it."""
    plugins = hosted(project)
    if not plugins:
        return
    settings = project.settings
    yield Service(
        name=NAME,
        category="core",
        summary=f"Serves {len(plugins)} plugins",
        no_image="the plugin host has no image yet",
        native=_native(),
        env=_environment(project),
        ports=(Port.of(settings, "HOST_PORT", 3700),),
        provides={"plugins": Capability(attributes={"url": Ref(service=NAME)})},
        needs=(
            Need(capability="sql"),
            Need(capability="graphql", required=False, condition="started"),
            Need(capability="smtp", required=False, condition="started"),
            Need(capability="cache", required=False, condition="started"),
            Need(capability="s3", required=False, condition="started"),
        ),
        probe=HttpProbe(path="/healthz", tool="python", start_period=60),
        scalable=False,
        limits=Limits(memory=1 << 30, pids=4096),
        scrapes=(Scrape(path="/metrics"),),
        stop_grace=30,
    )
    host = project.host(settings["PLUGINS_ROUTE"])
    yield Route(
        name="plugins",
        host=host,
        path="/plugins/",
        target=ServiceTarget(service=NAME),
        websocket=True,
        max_body=settings["HOST_MAX_BODY"],
        label="Plugins",
    )
    yield Route(
        name="plugin-webhooks",
        host=host,
        path="/webhooks/",
        target=ServiceTarget(service=NAME),
        rate_limit=6000,  # a provider sends from few addresses, and bursts when it catches up
        max_body=settings["HOST_MAX_BODY"],
        label="Webhooks of plugins",
    )


def files(project: Project, stack: Stack) -> Iterator[File]:
    """What the Host is told."""
    if project.runtime != "native" or stack.find(NAME) is None:
        return
    content = document(project, stack, hosted(project)).model_dump_json(indent=1, exclude_defaults=True)
    yield File(path=_DOCUMENT, content=content + "\n", header="", mode=0o600)


def _native() -> Native:
    return Native(
        command=(
            Program(name="python"), "-m", "nself_core.plugins.serve", "builtin_plugins.host.server.main:run",
            Place(of="config", name=_DOCUMENT),
        ),
        programs=(
            NativeProgram(name="python", locate=f"{_HERE}:python"),
            NativeProgram(name="server", locate=f"{_HERE}:server", install="pip install 'nself[native]'"),
        ),
        env={
            "NSELF_HOST_BIND": "127.0.0.1",
            "NSELF_HOST_PORT": Ref(service=NAME, as_="port"),
            "NSELF_HOST_DATA": Place(of="volume", name="host_data"),
        },
    )  # fmt: skip


def _environment(project: Project) -> dict[str, Value | None]:
    found: dict[str, Value | None] = {
        "NSELF_HOST_BIND": "0.0.0.0",  # noqa: S104  inside its container
        "NSELF_HOST_PORT": "3700",
        "NSELF_HOST_DATA": "/data",
        "NSELF_HOST_URL": Ref(service=NAME, audience="public"),
        "NSELF_INTERNAL_SECRET": Secret(name="PLUGIN_INTERNAL_SECRET"),
        "NSELF_JWT_SECRET": Get(capability="graphql", attribute="jwt_secret"),
        "NSELF_JWT_PREVIOUS": Get(capability="graphql", attribute="jwt_previous"),
        password_variable(PLUGIN): password_of(PLUGIN),
    }
    return found | variables(project, hosted(project))
