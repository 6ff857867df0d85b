"""The Host as a service with its routes, one more service for each isolated plugin, and the files they are told by."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from hookspecs import (
    Alert,
    Backup,
    Capability,
    File,
    Get,
    HttpProbe,
    Limits,
    Mount,
    Native,
    NativeProgram,
    Need,
    Place,
    Port,
    Ref,
    Route,
    Scrape,
    Secret,
    Security,
    Service,
    ServiceTarget,
    TcpProbe,
    Value,
    python_module,
)
from hookspecs.roles import MASTER, password_of

from . import image
from .document import document, hosted, is_isolated, link_variable, password_variable, secret_variable, settings_of, variables
from .schema import NAME as PLUGIN

if TYPE_CHECKING:
    from hookspecs import InstalledPlugin, Project, Stack

    from .document import Document

NAME = "host"
PORT = 3700
_HERE = "builtin_plugins.host.programs"
_VOLUME = "host_data"
_SECURITY = Security(read_only=True, tmpfs=("/tmp",))  # noqa: S108  inside the container
_SOFT = ("graphql", "smtp", "cache", "s3")


def contributions(project: Project) -> Iterator[Service | Route]:
    """The Host, where a plugin has something for it."""
    plugins = hosted(project)
    if not plugins:
        return
    alone = [plugin for plugin in plugins if is_isolated(project, plugin)]
    yield _host(project, [plugin for plugin in plugins if plugin not in alone], alone)
    for plugin in alone:
        yield _isolated(project, plugin)
    settings = project.settings
    common = {
        "host": project.host(settings["PLUGINS_ROUTE"]),
        "target": ServiceTarget(service=NAME),
        "max_body": settings["HOST_MAX_BODY"],
    }
    yield Route(name="plugins", path="/plugins/", websocket=True, label="Plugins", **common)
    # a provider sends from few addresses, and bursts when it catches up
    yield Route(name="plugin-webhooks", path="/webhooks/", rate_limit=6000, label="Webhooks of plugins", **common)


def files(project: Project, stack: Stack) -> Iterator[File]:
    """What the Host and the isolated plugins are told."""
    if stack.find(NAME) is None:
        return
    plugins = hosted(project)
    root = None
    if stack.addressing == "names":
        yield from image.files(plugins)
        plugins, root = [image.pinned(plugin) for plugin in plugins], Path("/project")
    alone = [plugin for plugin in plugins if is_isolated(project, plugin)]
    told = document(project, stack, [plugin for plugin in plugins if plugin not in alone], root=root)
    folder = ".nself/host" if root else "host"
    yield _file(
        f"{folder}/{NAME}.json",
        told.model_copy(update={"isolated": tuple(one.model_copy(update={"files": None}) for one in alone)}),
    )
    for plugin in alone:
        yield _file(f"{folder}/{service_of(plugin)}.json", document(project, stack, [plugin], root=root))


def service_of(plugin: InstalledPlugin) -> str:
    """The service of an isolated plugin."""
    return f"plugin-{plugin.name}"[:63].rstrip("-")


def _file(path: str, content: Document) -> File:
    """It holds no secret, and a container's user must be able to read it."""
    return File(path=path, content=content.model_dump_json(indent=1, exclude_defaults=True) + "\n", header="", mode=0o644)


def _host(project: Project, plugins: list[InstalledPlugin], alone: list[InstalledPlugin]) -> Service:
    env: dict[str, Value | None] = {
        "NSELF_HOST_BIND": "0.0.0.0",  # noqa: S104  inside its container
        "NSELF_HOST_PORT": str(PORT),
        "NSELF_HOST_DATA": "/data",
        "NSELF_HOST_URL": Ref(service=NAME, audience="public"),
        "NSELF_INTERNAL_SECRET": Secret(name="PLUGIN_INTERNAL_SECRET"),
        "NSELF_JWT_SECRET": Get(capability="graphql", attribute="jwt_secret"),
        "NSELF_JWT_PREVIOUS": Get(capability="graphql", attribute="jwt_previous"),
        password_variable(PLUGIN): password_of(PLUGIN),
    }
    for plugin in alone:
        env[link_variable(plugin.name, "address")] = Ref(service=service_of(plugin))
        env[link_variable(plugin.name, "secret")] = _link_secret(plugin)
        names = {rule.secret for rule in plugin.manifest.webhooks}
        mine = settings_of(project, plugin)
        env |= {secret_variable(name): mine.secret(name) for name in names}
    return Service(
        name=NAME,
        category="core",
        summary=f"Serves {len(plugins) + len(alone)} plugins",
        build=image.build(project),
        command=("builtin_plugins.host.server.main:run", image.TOLD),
        native=_native("builtin_plugins.host.server.main:run", NAME),
        mounts=(image.told_mount(NAME), *map(_data, plugins)),
        security=_SECURITY,
        backup=_backup(plugins),
        env=env | variables(project, plugins),
        ports=(Port.of(project.settings, "HOST_PORT", PORT),),
        provides={"plugins": Capability(attributes={"url": Ref(service=NAME)})},
        needs=_needs(),
        probe=HttpProbe(path="/healthz", tool="python", start_period=60),
        scalable=False,
        limits=Limits(memory=1 << 30, pids=4096),
        scrapes=(Scrape(path="/metrics"),),
        alerts=(Alert(name="PluginDown", expr="nself_plugin_up == 0", summary="Plugin {{ $labels.plugin }} does not serve"),),
    )


def _isolated(project: Project, plugin: InstalledPlugin) -> Service:
    name = service_of(plugin)
    env: dict[str, Value | None] = {
        "NSELF_HOST_BIND": "0.0.0.0",  # noqa: S104  inside its container
        "NSELF_HOST_PORT": str(PORT),
        "NSELF_HOST_DATA": "/data",
        "NSELF_HOST_LINK": Ref(service=NAME),
        link_variable(plugin.name, "secret"): _link_secret(plugin),
    }
    return Service(
        name=name,
        category="plugin",
        summary=f"The plugin {plugin.name}, in a process of its own",
        build=image.build(project),
        command=("builtin_plugins.host.server.main:alone", image.TOLD),
        native=_native("builtin_plugins.host.sandbox.keeper", name),
        mounts=(image.told_mount(name), _data(plugin), *_folders(plugin)),
        security=_SECURITY,
        backup=_backup([plugin]),
        env=env | variables(project, [plugin]),
        ports=(Port(container=PORT),),
        needs=_needs(),
        probe=TcpProbe(port="http", tool="bash"),
        scalable=False,
        limits=Limits(memory=512 << 20, cpus=0.5),
    )


def _link_secret(plugin: InstalledPlugin) -> Secret:
    return Secret(name=MASTER, derive=f"link to plugin {plugin.name}")


def _data(plugin: InstalledPlugin) -> Mount:
    """A plugin's data is its own volume, whichever container runs it."""
    return Mount(kind="volume", source=_volume(plugin), target=f"/data/{plugin.name}")


def _volume(plugin: InstalledPlugin) -> str:
    return f"plugin_{plugin.name.replace('-', '_')}_data"


def _backup(plugins: list[InstalledPlugin]) -> Backup | None:
    return Backup(method="volumes", volumes=tuple(map(_volume, plugins))) if plugins else None


def _folders(plugin: InstalledPlugin) -> Iterator[Mount]:
    """The project's folders that an isolated plugin's manifest asks for."""
    for entry in plugin.manifest.permissions.filesystem:
        path = entry.removeprefix("project:").removesuffix(":write")
        yield Mount(kind="bind", source=f"./{path}", target=f"/project/{path}", read_only=not entry.endswith(":write"))


def _needs() -> tuple[Need, ...]:
    return (Need(capability="sql"), *(Need(capability=name, required=False, condition="started") for name in _SOFT))


def _native(module: str, service: str) -> Native:
    return Native(
        command=(*python_module(module), Place(of="config", name=f"host/{service}.json")),
        programs=(
            NativeProgram(name="python", locate=f"{_HERE}:python"),
            NativeProgram(name="server", locate=f"{_HERE}:server", install="pip install 'nself[native]'"),
        ),
        env={
            "NSELF_HOST_BIND": "127.0.0.1",
            "NSELF_HOST_PORT": Ref(service=service, as_="port"),
            "NSELF_HOST_DATA": Place(of="volume", name=_VOLUME),
        },
    )
