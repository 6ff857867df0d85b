"""``nself version``: what runs here."""

from __future__ import annotations

import platform
import sys

import click

from nself_core import __version__
from nself_core.cli.options import json_option
from nself_core.cli.output import print_json, say
from nself_core.edition import edition, note


@click.command(epilog="\b\nExamples:\n  nself version\n  nself version --json")
@json_option
def command(as_json: bool) -> None:
    """Print the version; with --json also the Python and the machine it runs on."""
    if as_json:
        print_json(
            {
                "nself": __version__,
                "edition": edition(),
                "python": platform.python_version(),
                "platform": sys.platform,
                "machine": platform.machine(),
            }
        )
    else:
        say(f"nself {__version__}{note()}")
