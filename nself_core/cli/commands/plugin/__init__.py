"""``nself plugin``: find, install, trust, enable and write plugins."""

from __future__ import annotations

import click

from nself_core.cli.commands.plugin.authoring import keygen, schema, sign
from nself_core.cli.commands.plugin.choosing import allow, disable, disallow, enable, pin
from nself_core.cli.commands.plugin.installing import install, rollback, update
from nself_core.cli.commands.plugin.listing import list_, outdated, search
from nself_core.cli.commands.plugin.making import check, new
from nself_core.cli.commands.plugin.migrating import migrate
from nself_core.cli.commands.plugin.removing import remove, uninstall
from nself_core.cli.commands.plugin.running import run
from nself_core.cli.commands.plugin.showing import info, status, verify
from nself_core.cli.commands.plugin.trusting import trust

_EXAMPLES = """\b
Examples:
  nself plugin search mail
  nself plugin install notify
  nself plugin status
  nself plugin update
"""


@click.group(epilog=_EXAMPLES)
def command() -> None:
    """Find, install, trust, enable and write plugins.

    A plugin's code is imported only if it is nself's own, if somebody you trust signed these very files, or if you allowed
    them. It takes part in a project only where plugins.lock enables it; commit that file.
    """


for _one in (
    list_, search, info, install, update, outdated, rollback, pin, uninstall, remove, status, verify, enable, disable, allow,
    disallow, trust, migrate, run, new, check, keygen, sign, schema,
):  # fmt: skip
    command.add_command(_one)
