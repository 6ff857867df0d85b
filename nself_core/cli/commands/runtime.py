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
      nself runtime drop compose
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
@click.option("--leave", is_flag=True, help="Go without the data that cannot be moved; it stays where it is.")
@click.option("--yes", is_flag=True, help="Do not ask before an older copy of the data on NAME is replaced.")
def switch(*, name: str, env: str | None, leave: bool, yes: bool) -> None:
    """Move the project to the runtime NAME, with its data.

    Everything is stopped, each service that holds data is dumped by its own tool and restored on NAME, and the next start takes
    that one. What cannot be moved is named before anything happens. A switch that was cut off goes on when you repeat it. The
    data stays on the old runtime as well, until you remove it: nself runtime drop.

    \b
    Examples:
      nself runtime switch compose
      nself runtime switch native --leave
    """
    from hookspecs.errors import UserError
    from nself_core.lifecycle import moving, progress
    from nself_core.workspace import Workspace

    workspace = Workspace.open(env)
    with workspace.lock("runtime switch"):
        offer = workspace.offer(name)
        recorded = workspace.recorded_runtime()
        if recorded == offer.name:
            output.say(f"The {name} runtime is in force already.")
            return
        for one in filter(None, (offer, workspace.offer(recorded) if recorded else None)):
            if not one.available:
                raise UserError(
                    f"the {one.name} runtime cannot run here: {one.reason}", remedy="nself doctor", code="runtime-unavailable"
                )
        if recorded is not None:
            services, left = moving.movable(
                workspace.stack(recorded), workspace.runtime(recorded).holds_data(), workspace.stack(name)
            )
            if left and not leave:
                word = "volume holds" if len(left) == 1 else "volumes hold"
                raise UserError(f"{len(left)} {word} data that cannot be moved to {name}", findings=left, code="data-stays")
            older = workspace.runtime(name).holds_data()
            if services and older and not moving.pending(workspace):
                output.tell(f"The {name} runtime holds older data of this project ({', '.join(older)}).")
                if not output.confirm("The database there is replaced by the one of now.", yes=yes):
                    raise click.Abort
            with progress.shown(f"Moving {workspace.loaded.project_name} from {recorded} to {name}") as report:
                moving.move(workspace, recorded, name, services, asked=env, report=report)
            for finding in left:
                output.tell(f"- left on {recorded}: {finding.where} ({finding.message})")
        workspace.record_runtime(offer.name)
        moving.forget(workspace)
    output.say(f"The next start takes the {name} runtime.")
    output.next_step("nself start" if recorded is None else f"nself start; once all is well there: nself runtime drop {recorded}")


@command.command()
@click.argument("name")
@env_option
@click.option("--yes", is_flag=True, help="Do not ask.")
def drop(*, name: str, env: str | None, yes: bool) -> None:
    """Remove what the project left on the runtime NAME, which is no longer in force, WITH THE DATA THERE.

    \b
    Examples:
      nself runtime drop native
    """
    from hookspecs.errors import UserError
    from nself_core.lifecycle import progress
    from nself_core.workspace import Workspace

    workspace = Workspace.open(env)
    with workspace.lock("runtime drop"):
        offer = workspace.offer(name)
        if workspace.recorded_runtime() in {None, offer.name}:
            raise UserError(f"the {name} runtime is in force", remedy="nself destroy", code="runtime-in-force")
        runtime = workspace.runtime(name)
        output.tell(
            f"The copy of {workspace.loaded.project_name} on {name} goes: {', '.join(runtime.holds_data()) or 'no data'}."
        )
        if not output.confirm("This cannot be taken back.", yes=yes, typed=workspace.loaded.project_name):
            raise click.Abort
        with progress.shown(f"Removing what is left on {name}") as report:
            gone = runtime.destroy(data=True, progress=report)
    for item in gone:
        output.say(f"removed {item}")
    if not gone:
        output.say("There was nothing to remove.")
