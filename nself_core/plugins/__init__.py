"""Plugins: found, judged before they are imported, loaded when a hook needs them, called through one typed manager."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from nself_core.plugins.manager import PluginManager as PluginManager
    from nself_core.plugins.model import PluginEntry as PluginEntry
    from nself_core.plugins.model import State as State

__all__ = ["PluginEntry", "PluginManager", "State", "fingerprint"]

_MODULES = {"PluginManager": "manager", "PluginEntry": "model", "State": "model"}


def fingerprint(home: Path, root: Path | None) -> str:
    """``PluginManager.fingerprint`` of the plugins as they are now: what a build's stamp compares."""
    from nself_core.plugins.manager import PluginManager

    return PluginManager.open(home, root).fingerprint


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
