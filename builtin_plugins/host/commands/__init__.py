"""``nself job`` and ``nself webhook``: what waits, what failed, and having it done again."""

from __future__ import annotations

from .job import job
from .webhook import webhook

__all__ = ["job", "webhook"]
