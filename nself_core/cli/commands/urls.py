"""``nself urls``."""

from __future__ import annotations

import click

from nself_core.cli import output
from nself_core.cli.options import env_option, json_option


@click.command()
@env_option
@json_option
def command(*, env: str | None, as_json: bool) -> None:
    """List where everything is reached, with the ports that are really in force.

    \b
    Examples:
      nself urls
      nself urls --json
    """
    from nself_core.lifecycle import urls
    from nself_core.workspace import Workspace

    workspace = Workspace.open(env)
    name = workspace.runtime_name()
    found = urls.urls(workspace.stack(name), dev=workspace.environment.is_dev)
    if as_json:
        output.print_json(
            {
                "project": workspace.loaded.project_name,
                "environment": workspace.environment.name,
                "runtime": name,
                "settled": bool(workspace.known_ports(name).ports),
                "urls": [url._asdict() for url in found],
            }
        )
        return
    output.print_table(["what", "kind", "url"], [(u.label, u.kind, u.url) for u in found])
    if not workspace.known_ports(name).ports:
        output.tell("Not started yet: a port that is taken moves when it is.")
    if workspace.environment.is_dev and any(u.url.startswith("https:") and u.kind == "route" for u in found):
        output.next_step("nself trust, once on this machine, so that browsers accept the local certificate")
