"""What a plugin author imports: the hook marker, the hook specifications and the models they pass.

``from hookspecs import hookimpl`` imports pluggy alone; every model is imported on first use, so a
plugin that only marks its hooks costs next to nothing at start-up::

    from hookspecs import Service, hookimpl

    @hookimpl
    def contribute_services(project):
        yield Service(name="hello", image=Image(ref="nginx:1.29-alpine"))
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

#: The pluggy project name, and the entry-point group is ``nself.plugins``.
PROJECT_NAME = "nself"
ENTRY_POINT_GROUP = "nself.plugins"

if TYPE_CHECKING:
    import pluggy

    hookspec = pluggy.HookspecMarker(PROJECT_NAME)
    hookimpl = pluggy.HookimplMarker(PROJECT_NAME)

    from hookspecs.errors import UserError as UserError
    from hookspecs.models.catalogue import CatalogueEntry as CatalogueEntry
    from hookspecs.models.catalogue import CatalogueIndex as CatalogueIndex
    from hookspecs.models.catalogue import PluginReleases as PluginReleases
    from hookspecs.models.catalogue import Revocations as Revocations
    from hookspecs.models.commands import CommandContext as CommandContext
    from hookspecs.models.commands import ConnectedRegistry as ConnectedRegistry
    from hookspecs.models.commands import PluginTools as PluginTools
    from hookspecs.models.findings import Finding as Finding
    from hookspecs.models.findings import Level as Level
    from hookspecs.models.host import Event as Event
    from hookspecs.models.host import HostContext as HostContext
    from hookspecs.models.host import Job as Job
    from hookspecs.models.host import WebhookResult as WebhookResult
    from hookspecs.models.installed import InstalledPlugin as InstalledPlugin
    from hookspecs.models.installed import PluginLoader as PluginLoader
    from hookspecs.models.manifest import Manifest as Manifest
    from hookspecs.models.manifest import Permissions as Permissions
    from hookspecs.models.manifest import Webhook as Webhook
    from hookspecs.models.migrations import GraphQLTable as GraphQLTable
    from hookspecs.models.migrations import Migration as Migration
    from hookspecs.models.migrations import SelectPermission as SelectPermission
    from hookspecs.models.plan import File as File
    from hookspecs.models.project import Environment as Environment
    from hookspecs.models.project import Project as Project
    from hookspecs.models.routes import CertificateRequest as CertificateRequest
    from hookspecs.models.routes import ExternalTarget as ExternalTarget
    from hookspecs.models.routes import FilesTarget as FilesTarget
    from hookspecs.models.routes import HostTarget as HostTarget
    from hookspecs.models.routes import Route as Route
    from hookspecs.models.routes import ServiceTarget as ServiceTarget
    from hookspecs.models.runtime import DataAccess as DataAccess
    from hookspecs.models.runtime import HttpAccess as HttpAccess
    from hookspecs.models.runtime import LogLine as LogLine
    from hookspecs.models.runtime import MigrationState as MigrationState
    from hookspecs.models.runtime import Migrator as Migrator
    from hookspecs.models.runtime import NativeContext as NativeContext
    from hookspecs.models.runtime import Offer as Offer
    from hookspecs.models.runtime import Rekeying as Rekeying
    from hookspecs.models.runtime import Resolver as Resolver
    from hookspecs.models.runtime import Runtime as Runtime
    from hookspecs.models.runtime import ServiceAccess as ServiceAccess
    from hookspecs.models.runtime import ServiceState as ServiceState
    from hookspecs.models.runtime import SqlAccess as SqlAccess
    from hookspecs.models.runtime import Streams as Streams
    from hookspecs.models.runtime import Tracker as Tracker
    from hookspecs.models.service import Alert as Alert
    from hookspecs.models.service import Backup as Backup
    from hookspecs.models.service import Build as Build
    from hookspecs.models.service import Capability as Capability
    from hookspecs.models.service import Dashboard as Dashboard
    from hookspecs.models.service import ExecProbe as ExecProbe
    from hookspecs.models.service import HttpProbe as HttpProbe
    from hookspecs.models.service import Image as Image
    from hookspecs.models.service import Limits as Limits
    from hookspecs.models.service import Link as Link
    from hookspecs.models.service import Mount as Mount
    from hookspecs.models.service import Native as Native
    from hookspecs.models.service import NativeProgram as NativeProgram
    from hookspecs.models.service import Need as Need
    from hookspecs.models.service import Port as Port
    from hookspecs.models.service import Scrape as Scrape
    from hookspecs.models.service import Security as Security
    from hookspecs.models.service import Service as Service
    from hookspecs.models.service import TcpProbe as TcpProbe
    from hookspecs.models.settings import Origin as Origin
    from hookspecs.models.settings import Settings as Settings
    from hookspecs.models.settings import SettingValue as SettingValue
    from hookspecs.models.stack import Address as Address
    from hookspecs.models.stack import PluginMigration as PluginMigration
    from hookspecs.models.stack import PortMap as PortMap
    from hookspecs.models.stack import Stack as Stack
    from hookspecs.models.stack import Unavailable as Unavailable
    from hookspecs.models.values import Frontends as Frontends
    from hookspecs.models.values import Get as Get
    from hookspecs.models.values import Join as Join
    from hookspecs.models.values import Place as Place
    from hookspecs.models.values import Program as Program
    from hookspecs.models.values import Ref as Ref
    from hookspecs.models.values import Secret as Secret
    from hookspecs.models.values import Value as Value
    from hookspecs.models.values import python_module as python_module

_MODULE_OF = {
    "UserError": "errors",
    "CatalogueEntry": "catalogue",
    "CatalogueIndex": "catalogue",
    "PluginReleases": "catalogue",
    "Revocations": "catalogue",
    "CommandContext": "commands",
    "ConnectedRegistry": "commands",
    "PluginTools": "commands",
    "Finding": "findings",
    "Level": "findings",
    "Event": "host",
    "HostContext": "host",
    "Job": "host",
    "WebhookResult": "host",
    "InstalledPlugin": "installed",
    "PluginLoader": "installed",
    "Manifest": "manifest",
    "Permissions": "manifest",
    "Webhook": "manifest",
    "GraphQLTable": "migrations",
    "Migration": "migrations",
    "SelectPermission": "migrations",
    "File": "plan",
    "Environment": "project",
    "Project": "project",
    "CertificateRequest": "routes",
    "ExternalTarget": "routes",
    "FilesTarget": "routes",
    "HostTarget": "routes",
    "Route": "routes",
    "ServiceTarget": "routes",
    "HttpAccess": "runtime",
    "DataAccess": "runtime",
    "LogLine": "runtime",
    "MigrationState": "runtime",
    "Migrator": "runtime",
    "NativeContext": "runtime",
    "Offer": "runtime",
    "Rekeying": "runtime",
    "Resolver": "runtime",
    "Runtime": "runtime",
    "ServiceAccess": "runtime",
    "ServiceState": "runtime",
    "SqlAccess": "runtime",
    "Tracker": "runtime",
    "Streams": "runtime",
    "Alert": "service",
    "Backup": "service",
    "Build": "service",
    "Capability": "service",
    "Dashboard": "service",
    "ExecProbe": "service",
    "HttpProbe": "service",
    "Image": "service",
    "Limits": "service",
    "Link": "service",
    "Mount": "service",
    "Native": "service",
    "NativeProgram": "service",
    "Need": "service",
    "Port": "service",
    "Scrape": "service",
    "Security": "service",
    "Service": "service",
    "TcpProbe": "service",
    "Origin": "settings",
    "Settings": "settings",
    "SettingValue": "settings",
    "Address": "stack",
    "PluginMigration": "stack",
    "PortMap": "stack",
    "Stack": "stack",
    "Unavailable": "stack",
    "Frontends": "values",
    "Get": "values",
    "Join": "values",
    "Place": "values",
    "Program": "values",
    "python_module": "values",
    "Ref": "values",
    "Secret": "values",
    "Value": "values",
}

__all__ = ["ENTRY_POINT_GROUP", "PROJECT_NAME", "hookimpl", "hookspec", *_MODULE_OF]  # noqa: PLE0604  names alone


def __getattr__(name: str) -> Any:
    if name in {"hookimpl", "hookspec"}:  # not above: an unchanged build looks in here and calls no hook
        import pluggy

        globals().update(hookspec=pluggy.HookspecMarker(PROJECT_NAME), hookimpl=pluggy.HookimplMarker(PROJECT_NAME))
        return globals()[name]
    try:
        module = _MODULE_OF[name]
    except KeyError:
        raise AttributeError(f"module 'hookspecs' has no attribute {name!r}") from None
    value = getattr(import_module("hookspecs.errors" if module == "errors" else f"hookspecs.models.{module}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
