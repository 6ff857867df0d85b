"""The job queue of the Host, in PostgreSQL. At least once: a job that is queued is run, whatever is killed meanwhile."""

from __future__ import annotations

from .model import Claimed, HopelessError, LaterError, Task
from .queue import Queue
from .schema import migrations
from .workers import Workers, handlers

__all__ = ["Claimed", "HopelessError", "LaterError", "Queue", "Task", "Workers", "handlers", "migrations"]
