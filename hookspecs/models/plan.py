"""Files a plugin renders."""

from __future__ import annotations

from pydantic import field_validator

from hookspecs.models.base import Model
from hookspecs.models.values import Join


class File(Model):
    """A generated file.

    ``path`` is relative to the project's root for the Compose runtime and to the native configuration folder for the
    native one (there it is what ``Place(of="config", name=path)`` finds). Content with a ``Secret`` in a ``Join`` is written
    0600 and must be below ``.nself/``. ``once``: made when missing, then the user's own (a sample, a scaffold).
    ``header``: the comment sign for the line that says what generated the file; empty where the format has none.
    """

    path: str
    content: str | bytes | Join
    """Bytes are written as they are, without a header."""
    mode: int = 0o644
    header: str = "#"
    once: bool = False

    @field_validator("path")
    @classmethod
    def _inside(cls, value: str) -> str:
        if not value or value.startswith("/") or ".." in value.split("/") or "\\" in value or "\0" in value:
            raise ValueError(f"{value!r} must be a relative path inside the project")
        return value
