"""The tables of the queue, in the Host's schema."""

from __future__ import annotations

from pathlib import Path

from hookspecs.models.migrations import Migration

_FOLDER = Path(__file__).parent / "migrations"


def migrations(owner: str | None = None) -> list[Migration]:
    """The migrations beside this module, in order, run by ``owner``."""
    return [
        Migration(
            id=path.name.removesuffix(".up.sql"),
            owner=owner,
            up=path.read_text("utf-8"),
            down=path.with_name(path.name.replace(".up.", ".down.")).read_text("utf-8"),
        )
        for path in sorted(_FOLDER.glob("*.up.sql"))
    ]
