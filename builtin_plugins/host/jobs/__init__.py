"""The job queue of the Host, in PostgreSQL. At least once: a job that is queued is run, whatever is killed meanwhile.

What it holds is imported when it is asked for: a build reads the schema beside it, without the libraries of the workers.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .model import Claimed, HopelessError, LaterError, Task
    from .queue import Queue
    from .schema import migrations
    from .workers import Workers, handlers

__all__ = ["Claimed", "HopelessError", "LaterError", "Queue", "Task", "Workers", "handlers", "migrations"]

_MODULE_OF = {
    "Claimed": "model", "HopelessError": "model", "LaterError": "model", "Task": "model", "Queue": "queue",
    "migrations": "schema", "Workers": "workers", "handlers": "workers",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
