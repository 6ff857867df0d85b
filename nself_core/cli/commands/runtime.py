"""``nself runtime``."""

from __future__ import annotations

import click

from nself_core.cli import output
from nself_core.cli.options import env_option, json_option


@click.group()
def command() -> None:
    """Show how the stack runs, or choose another runtime for it.

    \b
    Examples:
      nself runtime show
      nself runtime switch native
    """


@command.command()
@env_option
@json_option
def show(*, env: str | None, as_json: bool) -> None:
    """List the runtimes, which one is in force, and why the others are not.

    \b
    Examples:
      nself runtime show --json
    """
    from nself_core.workspace import Workspace

    workspace = Workspace.open(env)
    recorded = workspace.recorded_runtime()
    offers = workspace.offers()
    chosen = workspace.runtime_name() if recorded or any(o.available for o in offers) else None
    if as_json:
        output.print_json(
            {
                "runtime": chosen,
                "recorded": recorded,
                "offers": [{"name": o.name, "available": o.available, "reason": o.reason} for o in offers],
            }
        )
        return
    rows = [("*" if o.name == chosen else "", o.name, "yes" if o.available else "no", o.reason or "-") for o in offers]
    output.print_table(["", "runtime", "available", "found"], rows)
    if recorded is None:
        output.say(f"Nothing was started yet; the next start takes {chosen}." if chosen else "No runtime can run here.")


@command.command()
@click.argument("name")
@env_option
def switch(*, name: str, env: str | None) -> None:
    """Choose the runtime NAME for the next start. Refused while the one in force holds data or runs services.

    \b
    Examples:
      nself runtime switch compose
    """
    from hookspecs.errors import UserError
    from nself_core.lifecycle import choice
    from nself_core.workspace import Workspace

    workspace = Workspace.open(env)
    with workspace.lock("runtime switch"):
        offer = workspace.offer(name)
        recorded = workspace.recorded_runtime()
        if recorded == offer.name:
            output.say(f"The {name} runtime is in force already.")
            return
        if not offer.available:
            raise UserError(
                f"the {name} runtime cannot run here: {offer.reason}", remedy="nself doctor", code="runtime-unavailable"
            )
        if recorded is not None:
            choice.refuse_if_data(workspace, recorded, name)
            running = [s.name for s in workspace.runtime(recorded).states() if s.status in {"running", "starting"}]
            if running:
                raise UserError(f"{', '.join(running)} still run on {recorded}", remedy="nself stop", code="runtime-running")
        workspace.record_runtime(offer.name)
    output.say(f"The next start takes the {name} runtime.")
    output.next_step("nself start")
