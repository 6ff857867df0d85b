"""Which kind of build this is. Imported at every start-up: it imports nothing else."""

from __future__ import annotations


def edition() -> str:
    """``official`` (signed with the project's release key), ``unofficial build``, or ``checkout``."""
    try:
        from nself_core._release import OFFICIAL  # type: ignore[import-not-found,unused-ignore]  # written by the build
    except ImportError:
        return "checkout"
    return "official" if OFFICIAL else "unofficial build"


def note() -> str:
    """What to say after the version: nothing for an official release and for a source checkout."""
    return " (unofficial build)" if edition() == "unofficial build" else ""
