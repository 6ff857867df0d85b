"""Options that many commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from nself_core.cli.completion import environments

F = TypeVar("F", bound=Callable[..., Any])


def env_option(function: F) -> F:
    """Add ``--env/-e NAME``, passed as ``env`` (``None`` where it is not given: the environment in force)."""
    return click.option(
        "--env",
        "-e",
        "env",
        metavar="NAME",
        default=None,
        shell_complete=environments,
        help="The environment to use instead of the one in force.",
    )(function)


def json_option(function: F) -> F:
    """Add ``--json``, passed as ``as_json``: one JSON document on standard output instead of text."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(function)
