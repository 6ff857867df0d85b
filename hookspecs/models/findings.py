"""What a check found: the one shape of every error, warning and note."""

from __future__ import annotations

from enum import StrEnum

from hookspecs.models.base import Model


class Level(StrEnum):
    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


class Finding(Model):
    """What is wrong, where, and what to do. An ``error`` stops what was asked for."""

    level: Level
    message: str
    where: str = ""
    """File and line, service, or variable."""
    variable: str = ""
    remedy: str = ""
    code: str = ""
    """Stable short name for scripts, e.g. ``port-taken``."""
