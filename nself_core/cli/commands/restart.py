"""``nself restart``."""

from __future__ import annotations

import click

from nself_core.cli.commands.start import TIMEOUT_HELP, finish
from nself_core.cli.options import env_option


@click.command()
@click.argument("services", nargs=-1)
@env_option
@click.option("--timeout", type=click.FloatRange(min=1), help=TIMEOUT_HELP)
@click.option("--skip-build", is_flag=True, help="Do not look whether the settings changed.")
def command(*, services: tuple[str, ...], env: str | None, timeout: float | None, skip_build: bool) -> None:
    """Restart the stack, or SERVICES alone, with the settings as they are now, and wait until it is healthy.

    \b
    Examples:
      nself restart
      nself restart worker
    """
    from nself_core.lifecycle import choice, progress, select, starting
    from nself_core.workspace import Workspace

    workspace = Workspace.open(env)
    with workspace.lock("restart"):
        workspace.require_same_name()
        name = choice.choose(workspace, None)
        for service in services:
            select.one(workspace.stack(name), service)
        runtime = workspace.runtime(name) if skip_build else starting.prepare(workspace, name, asked=env)
        stack = workspace.stack(name)
        wanted = select.chosen(stack, [select.runnable(stack, s) for s in services])
        workspace.record_runtime(name)
        patience = starting.patience(workspace, timeout)
        with progress.shown(f"Restarting {workspace.loaded.project_name}") as report:
            if wanted is None:
                runtime.stop(None, progress=report)
                states = runtime.start(None, timeout=patience, progress=report)
            else:
                states = runtime.restart(wanted, timeout=patience, progress=report)
        finish(workspace, runtime, name, states, asked_for=wanted)
