"""The pluggy side: import a plugin when one of its hooks is first called, and hold it to the hook specifications."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from nself_core.plugins.loading import load
from nself_core.plugins.model import Found
from nself_core.plugins.trust import Verdict

if TYPE_CHECKING:
    import pluggy


class UnusableError(Exception):
    """A plugin that cannot take part, with the reason in words for the user."""


class Registry:
    """The plugins imported so far."""

    def __init__(self) -> None:
        import pluggy

        from hookspecs import PROJECT_NAME, specs

        self._pluggy: pluggy.PluginManager = pluggy.PluginManager(PROJECT_NAME)
        self._pluggy.add_hookspecs(specs)

    def hook(self, found: Found, verdict: Verdict, name: str) -> Callable[..., Any]:
        """The plugin's implementation of a hook, to be called with arguments by name. ``UnusableError`` where it has none."""
        module = self._pluggy.get_plugin(found.name)
        if module is None:
            self._register(found, verdict)
            module = self._pluggy.get_plugin(found.name)
        implementation = next(one for one in getattr(self._pluggy.hook, name).get_hookimpls() if one.plugin is module)

        def call(**arguments: Any) -> Any:
            return implementation.function(*(arguments[argument] for argument in implementation.argnames))

        return call

    def _register(self, found: Found, verdict: Verdict) -> None:
        import pluggy

        try:
            module = load(found, verdict)
        except (Exception, SystemExit) as error:
            raise UnusableError(f"it cannot be imported: {type(error).__name__}: {error}") from error
        try:
            self._pluggy.register(module, name=found.name)
        except (pluggy.PluginValidationError, ValueError) as error:
            self._pluggy.unregister(name=found.name) if self._pluggy.has_plugin(found.name) else None
            raise UnusableError(" ".join(str(error).split())) from error
        fault = self._fault(module, found)
        if fault:
            self._pluggy.unregister(module)
            raise UnusableError(fault)

    def _fault(self, module: object, found: Found) -> str:
        callers = self._pluggy.get_hookcallers(module) or []
        for caller in callers:
            mine = next(one for one in caller.get_hookimpls() if one.plugin is module)
            if not caller.has_spec():
                return f"it implements the hook {caller.name!r}, which this version does not know"
            if mine.hookwrapper or mine.wrapper or mine.tryfirst or mine.trylast:
                return (
                    f"its {caller.name} is marked as a wrapper, tryfirst or trylast; results are ordered by dependency and name"
                )
        implemented, listed = {caller.name for caller in callers}, set(found.hooks)
        if implemented - listed:
            return f"it implements {', '.join(sorted(implemented - listed))}, which `hooks` in its plugin.json does not list"
        if listed - implemented:
            return (
                f"`hooks` in its plugin.json lists {', '.join(sorted(listed - implemented))}, which its code does not implement"
            )
        return ""
