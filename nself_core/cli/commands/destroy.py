"""``nself destroy``."""

from __future__ import annotations

import click

from nself_core.cli import output
from nself_core.cli.options import env_option


@click.command()
@env_option
@click.option("--keep-data", is_flag=True, help="Remove processes, containers and networks, and keep the data.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def command(*, env: str | None, keep_data: bool, yes: bool) -> None:
    """Stop the stack and remove it WITH ITS DATA, after you typed the project's name. Your own files stay.

    \b
    Examples:
      nself destroy
      nself destroy --keep-data
      nself destroy --yes
    """
    from nself_core.lifecycle import progress
    from nself_core.workspace import Workspace

    workspace = Workspace.open(env)
    project = workspace.loaded.project_name
    recorded = workspace.recorded_runtime()
    if recorded is None:
        output.say("Nothing was started here, so there is nothing to destroy.")
        return
    with workspace.lock("destroy"):
        runtime = workspace.runtime(recorded)
        running = [s.name for s in runtime.states() if s.status in {"running", "starting", "failed"}]
        held = [] if keep_data else runtime.holds_data()
        output.tell(f"This goes, of {project} ({workspace.environment.name}) on the {recorded} runtime:")
        output.tell(f"  services: {', '.join(dict.fromkeys(running)) or 'none run'}")
        output.tell("  data: kept" if keep_data else f"  data: {', '.join(held) or 'there is none'}")
        if not output.confirm("This cannot be taken back.", yes=yes, typed=project):
            raise click.Abort
        with progress.shown(f"Removing {project}") as report:
            gone = runtime.destroy(data=not keep_data, progress=report)
        if not keep_data:
            workspace.forget_runtime()
    for name in gone:
        output.say(f"removed {name}")
    output.say("Done. Settings, secrets and your own files stay." if gone else "There was nothing to remove.")
