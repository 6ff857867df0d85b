"""Settings: the ``.env`` cascade, typed and checked, with every value's origin; secrets; environments.

``load`` is the one way in. Nothing here imports pydantic until the models that plugins read are asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nself_core.settings.declared import Declarations as Declarations
    from nself_core.settings.declared import Declared as Declared
    from nself_core.settings.loading import LoadedSettings as LoadedSettings
    from nself_core.settings.loading import load as load

_MODULE_OF = {"Declarations": "declared", "Declared": "declared", "LoadedSettings": "loading", "load": "loading"}

__all__ = ["Declarations", "Declared", "LoadedSettings", "load"]


def __getattr__(name: str) -> Any:
    from importlib import import_module

    try:
        module = _MODULE_OF[name]
    except KeyError:
        raise AttributeError(f"module 'nself_core.settings' has no attribute {name!r}") from None
    return getattr(import_module(f"nself_core.settings.{module}"), name)
