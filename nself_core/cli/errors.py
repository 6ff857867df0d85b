"""How a failure is told: the message, where, what to do; a traceback only under ``NSELF_DEBUG=1``."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import click

from nself_core.cli.output import print_findings, style, tell

if TYPE_CHECKING:
    from hookspecs.errors import UserError

#: Exit codes: done, failed, wrong usage, interrupted (128 + SIGINT).
DONE, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130
_ROOM, _PERMISSIONS = "make room there, then try again", "mend its permissions, or give it to your user"
_REMEDIES = {
    errno.ENOSPC: _ROOM, errno.EDQUOT: _ROOM,
    errno.EACCES: _PERMISSIONS, errno.EPERM: _PERMISSIONS, errno.EROFS: _PERMISSIONS,
}  # fmt: skip


def debugging() -> bool:
    """Whether ``NSELF_DEBUG`` asks for tracebacks."""
    return os.environ.get("NSELF_DEBUG", "").lower() not in {"", "0", "false", "no"}


def report(error: BaseException) -> int:
    """Tell the person at the terminal what went wrong, and return the exit code for it."""
    from hookspecs.errors import UserError

    if debugging():
        import traceback

        tell("".join(traceback.format_exception(error)).rstrip())
    if isinstance(error, UserError):
        _user_error(error)
        return error.exit_code
    if isinstance(error, click.ClickException):
        return _click_error(error)
    if isinstance(error, KeyboardInterrupt) or (
        isinstance(error, click.Abort) and isinstance(error.__context__, KeyboardInterrupt)
    ):
        tell("interrupted")
        return INTERRUPTED
    if isinstance(error, click.Abort):
        tell("stopped; nothing more was done")
        return FAILED
    if isinstance(error, OSError) and error.strerror:
        _line(f"{error.strerror.lower()}{f': {error.filename}' if error.filename else ''}")
        if error.errno in _REMEDIES:
            _arrow(_REMEDIES[error.errno])
        return FAILED
    _line(f"{type(error).__name__}: {error}")
    _arrow("this is a fault in nself, not in your settings; NSELF_DEBUG=1 shows where it happened")
    return FAILED


def _user_error(error: UserError) -> None:
    _line(error.message, error.where)
    if error.remedy:
        _arrow(error.remedy)
    print_findings(error.findings)


def _click_error(error: click.ClickException) -> int:
    _line(error.format_message())
    if isinstance(error, click.UsageError):
        if error.ctx is not None:
            _arrow(f"{error.ctx.command_path} --help")
        return USAGE
    return error.exit_code


def _line(message: str, where: str = "") -> None:
    tell(f"{style('error', err=True, fg='red', bold=True)}: {f'{where}: ' if where else ''}{message}")


def _arrow(text: str) -> None:
    tell(f"  {style('→', err=True, dim=True)} {text}")
