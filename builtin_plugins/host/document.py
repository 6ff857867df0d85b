"""What the running Host is told, as one JSON file: the plugins, how each is verified, and what settings each may see.

It holds no secret; those come by the environment, one variable each.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hookspecs import InstalledPlugin, Project, Settings
from hookspecs.models.base import Model
from hookspecs.roles import role_of

if TYPE_CHECKING:
    from hookspecs import Stack, Value

#: Hooks that only the Host calls.
HOOKS = frozenset({"contribute_routes", "contribute_jobs", "handle_webhook"})

#: Attributes of capabilities that ``HostContext.capability`` can answer. Not the admin secret of GraphQL: it is every right.
CAPABILITIES = {
    "graphql": ("url",),
    "auth": ("url",),
    "cache": ("url", "host", "port", "password"),
    "s3": ("endpoint", "access_key", "secret_key", "region", "bucket"),
    "search": ("url", "key"),
    "functions": ("url",),
    "metrics": ("url",),
    "logs": ("url",),
    "traces": ("url",),
}
#: The project's mail server answers as one, too: the catcher in development, else whom EMAIL_PROVIDER names.
MAIL = "smtp"


class Hosted(Model):
    """One plugin with the settings it may see: its own and those it lists under ``uses``."""

    plugin: InstalledPlugin
    settings: Settings


class Document(Model):
    """The whole file."""

    project: Project
    """Without settings and without ``installed``: each plugin is given its own."""
    plugins: tuple[Hosted, ...] = ()
    start_timeout: int
    request_timeout: int
    pool_size: int
    isolated: tuple[InstalledPlugin, ...] = ()
    """Those that run in a process of their own, for the Host."""
    services: tuple[str, ...] = ()
    """``host:port`` of the stack's own services, for those that may reach them."""
    private_hosts: tuple[str, ...] = ()
    """Private addresses that the user opened for plugins that may reach any host."""
    origins: tuple[str, ...]
    """Origins that may call from a browser; ``*`` any."""
    origin_pattern: str = ""


def hosted(project: Project) -> list[InstalledPlugin]:
    """The plugins that have something for the Host."""
    return [plugin for plugin in project.installed if HOOKS & set(plugin.hooks) or plugin.manifest.webhooks]


def is_isolated(project: Project, plugin: InstalledPlugin) -> bool:
    """Whether ``PLUGIN_<NAME>_ISOLATED`` asks for a process of its own."""
    return bool(project.settings.get(f"PLUGIN_{plugin.name.upper().replace('-', '_')}_ISOLATED"))


def names_seen(plugin: InstalledPlugin) -> set[str]:
    """The settings a plugin may see, as its manifest names them."""
    return {setting.name for setting in plugin.manifest.settings} | set(plugin.manifest.uses)


def settings_of(project: Project, plugin: InstalledPlugin) -> Settings:
    """The settings a plugin may see: what it names, but of secrets only those that nobody else declares."""
    from hookspecs.patterns import match_pattern

    seen = names_seen(plugin)
    patterns = [name for name in seen if "{" in name]
    entries = {
        name: entry
        for name, entry in project.settings.entries.items()
        if (name in seen or any(match_pattern(pattern, name) for pattern in patterns))
        and not (entry.secret and entry.owner != plugin.name)
    }
    return Settings(entries=entries, declared=frozenset(seen))


def secret_variable(name: str) -> str:
    """The variable in which a secret setting reaches the Host."""
    return f"NSELF_SECRET_{name}"


def password_variable(plugin: str) -> str:
    """The variable in which the password of a plugin's database role reaches the Host."""
    return f"NSELF_PASSWORD_{role_of(plugin).upper()}"


def link_variable(plugin: str, part: str) -> str:
    """The variable with the ``address`` or the ``secret`` of the link to an isolated plugin."""
    return f"NSELF_LINK_{role_of(plugin)}_{part}".upper()


def capability_variable(name: str, attribute: str) -> str:
    """The variable in which an attribute of a capability reaches the Host."""
    return f"NSELF_CAPABILITY_{name}_{attribute}".upper()


def variables(project: Project, plugins: list[InstalledPlugin]) -> dict[str, Value | None]:
    """The environment that running these plugins takes."""
    from hookspecs import Get, mail
    from hookspecs.roles import password_of

    found: dict[str, Value | None] = {
        f"NSELF_SQL_{part.upper()}": Get(capability="sql", attribute=part) for part in ("host", "port", "database")
    }
    for plugin in plugins:
        found[password_variable(plugin.name)] = password_of(plugin.name)
        secrets = [entry.name for entry in settings_of(project, plugin).entries.values() if entry.secret]
        found |= {secret_variable(name): project.settings.secret(name) for name in secrets}
    reached = any("stack" in plugin.manifest.permissions.network for plugin in plugins)
    for name, attributes in CAPABILITIES.items() if reached else ():
        found |= {capability_variable(name, a): Get(capability=name, attribute=a) for a in attributes}
    server = mail.mail_server(project) if reached else None
    if server is not None:
        found |= {capability_variable(MAIL, name): value for name, value in server._asdict().items()}
        found[capability_variable(MAIL, "sender")] = mail.sender(project)
    return found


def document(project: Project, stack: Stack, plugins: list[InstalledPlugin], *, root: Path | None = None) -> Document:
    """The file. ``root`` is where the project is seen from inside a container, which has the plugins' packages in its image."""
    settings = project.settings
    domain = project.domain.replace(".", r"\.")
    origins = tuple(settings["HOST_CORS_ORIGINS"] or (("*",) if project.environment.is_dev else ()))
    return Document(
        project=project.model_copy(
            update={
                "root": root or project.root,
                "settings": Settings(entries={}),
                "installed": (),
                "packages": None if root else project.packages,
            }
        ),
        plugins=tuple(Hosted(plugin=plugin, settings=settings_of(project, plugin)) for plugin in plugins),
        start_timeout=settings["HOST_START_TIMEOUT"],
        request_timeout=settings["HOST_REQUEST_TIMEOUT"],
        pool_size=settings["HOST_POOL_SIZE"],
        services=tuple(sorted({str(a) for s in stack.services for p in s.ports for a in stack.addresses(s.name, p.name)})),
        private_hosts=tuple(settings["HOST_PRIVATE_HOSTS"] or ()),
        origins=origins,
        origin_pattern="" if origins else rf"https://([a-z0-9-]+\.)*{domain}(:\d+)?",
    )
