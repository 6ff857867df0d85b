"""One nself at a time in a project, or in a home."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hookspecs.errors import UserError


@contextmanager
def project_lock(state: Path, action: str, *, place: str = "this project") -> Iterator[None]:
    """Hold the lock in ``state`` for ``action``. The kernel releases it however the process ends.

    The file beside it names who holds it, for the message alone.
    """
    holder = state / "lock.holder"
    try:
        lock = os.open(state / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise _cannot(error, state) from error
    try:
        _take(lock, state, holder, place)
        try:
            with suppress(OSError):  # a full disk or a read-only folder is told by what is to be written there
                holder.write_text(json.dumps({"action": action, "pid": os.getpid()}), encoding="utf-8")
            yield
        finally:
            with suppress(OSError):
                holder.unlink(missing_ok=True)
    finally:
        os.close(lock)


def _take(lock: int, state: Path, holder: Path, place: str) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise UserError(
            f"another nself is at work in {place}: {_describe(holder)}",
            where=str(state),
            remedy="wait until it is done, or end it",
            code="locked",
        ) from None
    except OSError as error:
        raise _cannot(error, state) from error


def _cannot(error: OSError, state: Path) -> UserError:
    return UserError(f"cannot lock the project: {error.strerror}", where=str(state), code="read-only")


def _describe(holder: Path) -> str:
    try:
        document = json.loads(holder.read_text(encoding="utf-8"))
        return f"nself {document['action']} (process {document['pid']})"
    except (OSError, ValueError, KeyError):
        return "which does not say what it does"
