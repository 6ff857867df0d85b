"""``nself stop`` (also ``down``)."""

from __future__ import annotations

import click

from nself_core.cli import output
from nself_core.cli.options import env_option


@click.command()
@click.argument("services", nargs=-1)
@env_option
def command(*, services: tuple[str, ...], env: str | None) -> None:
    """Stop the stack, or SERVICES alone. Data stays; stopping what is stopped does no harm.

    \b
    Examples:
      nself stop
      nself stop worker
    """
    from nself_core.lifecycle import progress, select
    from nself_core.workspace import Workspace

    workspace = Workspace.open(env)
    if workspace.recorded_runtime() is None:
        output.say("Nothing was started here, so there is nothing to stop.")
        return
    with workspace.lock("stop"):
        name = workspace.runtime_name()
        wanted = select.chosen(workspace.stack(name), services) if services else None
        runtime = workspace.stopper(name)
        with progress.shown(f"Stopping {workspace.loaded.project_name}") as report:
            runtime.stop(wanted, progress=report)
    output.say(f"Stopped {', '.join(wanted)}." if wanted else "Stopped. Data stays; nself start brings it back.")
