"""What commands of plugins are given of the project: ``hookspecs.CommandContext``. Opened when first asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nself_core import paths

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hookspecs.models.commands import PluginTools
    from hookspecs.models.project import Project
    from hookspecs.models.service import Service
    from hookspecs.models.stack import Address, Stack
    from nself_core.workspace import Workspace


class ProjectContext:
    """The project around the working folder, each environment opened once."""

    def __init__(self) -> None:
        self._opened: dict[str | None, Workspace] = {}

    @property
    def plugins(self) -> PluginTools:
        """See ``hookspecs.CommandContext``."""
        from nself_core.plugins.tools import Tools

        return Tools(paths.home())

    def project(self, env: str | None = None) -> Project:
        """See ``hookspecs.CommandContext``."""
        workspace = self._workspace(env)
        return workspace.project(workspace.runtime_name())

    def environment(self, service: str, env: str | None = None) -> dict[str, str]:
        """See ``hookspecs.CommandContext``."""
        stack = self._stack(env)
        spec = self._service(stack, service)
        values = dict(spec.env)
        if stack.addressing == "loopback" and spec.native is not None:
            values |= spec.native.env
        resolver = self._workspace(env).resolver(stack)
        found: dict[str, str] = {}
        for name, value in values.items():
            try:
                text = None if value is None else resolver.value(spec.name, value)
            except ValueError:
                continue  # it names a place or program of the runtime's own, which means nothing outside the service
            if text is not None:
                found[name] = text
        return found

    def secret(self, name: str, env: str | None = None) -> str:
        """See ``hookspecs.CommandContext``."""
        from hookspecs.models.values import Secret

        workspace = self._workspace(env)
        return workspace.resolver(self._stack(env)).value("", Secret(name=name)) or ""

    def address(self, service: str, port: str = "http", env: str | None = None) -> Address:
        """See ``hookspecs.CommandContext``."""
        stack = self._stack(env)
        return _here(stack, self._service(stack, service), port)

    def public_url(self, service: str, env: str | None = None) -> str:
        """See ``hookspecs.CommandContext``."""
        from hookspecs.errors import UserError

        stack = self._stack(env)
        name = self._service(stack, service).name
        for route in stack.routes_of(name):
            return stack.public_url(route)
        raise UserError(f"no route leads to {name}", remedy="nself urls lists what is reached", code="no-route")

    def reach(self, url: str, env: str | None = None) -> str:
        """See ``hookspecs.CommandContext``."""
        from urllib.parse import urlsplit

        parts = urlsplit(url)
        stack = self._stack(env)
        service = stack.find(parts.hostname or "") if stack.addressing == "names" else None
        if service is None:
            return url
        port = next((p for p in service.ports if p.container == parts.port), service.ports[0])
        userinfo, at, _ = parts.netloc.rpartition("@")
        return parts._replace(netloc=f"{userinfo}{at}{_here(stack, service, port.name)}").geturl()

    def keep(self, secrets: Mapping[str, str], env: str | None = None) -> None:
        """See ``hookspecs.CommandContext``."""
        from hookspecs.errors import UserError
        from nself_core.settings.provision import overrides, store

        workspace = self._workspace(env)
        for name in secrets:
            above = overrides(workspace.loaded, name)
            if above:
                remedy = "change it there: nself does not rewrite a secret in a file you wrote"
                raise UserError(f"{name} is given by {above}, which overrides the secrets file", where=above, remedy=remedy)
        with workspace.lock("keep secrets"):
            store(workspace.root, workspace.environment.name, secrets)
        workspace.refresh()

    def _workspace(self, env: str | None) -> Workspace:
        from nself_core.workspace import Workspace

        if env not in self._opened:
            self._opened[env] = Workspace.open(env)
        return self._opened[env]

    def _stack(self, env: str | None) -> Stack:
        workspace = self._workspace(env)
        return workspace.stack(workspace.runtime_name())

    def _service(self, stack: Stack, name: str) -> Service:
        from nself_core.lifecycle import select

        service = stack.find(select.runnable(stack, name))
        if service is None:
            raise KeyError(name)
        return service


def _here(stack: Stack, service: Service, port: str) -> Address:
    from hookspecs.errors import UserError
    from hookspecs.models.stack import Address

    number = stack.ports.get(service.name, port)
    if number is None:
        raise UserError(
            f"port {port} of {service.name} is not reached from this machine",
            remedy="nself urls lists what is; outside dev a port is not published",
            code="port-unpublished",
        )
    bound = {p.name: p.bind for p in service.ports}.get(port, "")
    host = "127.0.0.1" if bound in {"", "0.0.0.0"} else bound  # noqa: S104  compared, not bound
    return Address(host=host, port=number)
