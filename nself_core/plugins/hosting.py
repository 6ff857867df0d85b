"""The loader of plugins that is handed to a built-in which serves others: it has nothing private of the core in its hands."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from nself_core.plugins.model import Found, State
from nself_core.plugins.registry import Registry, UnusableError
from nself_core.plugins.trust import Verdict

if TYPE_CHECKING:
    from hookspecs.models.installed import InstalledPlugin


class Loader:
    """See ``hookspecs.PluginLoader``. Plugins may be loaded from several threads, each its own."""

    def __init__(self) -> None:
        self._registry = Registry()

    def hook(self, plugin: InstalledPlugin, name: str) -> Callable[..., Any]:
        """See ``hookspecs.PluginLoader``."""
        from hookspecs.errors import UserError

        state = State(plugin.state)
        found = Found(plugin.name, "store", plugin.module, plugin.folder, "", {"hooks": plugin.hooks})
        verdict = Verdict(state, files=plugin.files)
        try:
            return self._registry.hook(found, verdict, name)
        except UnusableError as error:
            raise UserError(
                f"plugin {plugin.name} cannot be used: {error}", where=plugin.folder, code="plugin-left-out"
            ) from error
        except StopIteration:
            raise UserError(f"plugin {plugin.name} has no hook {name}", code="plugin-left-out") from None
