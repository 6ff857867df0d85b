"""``nself start`` (also ``up``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from nself_core.cli import output
from nself_core.cli.options import env_option

if TYPE_CHECKING:
    from hookspecs.models.runtime import Runtime, ServiceState
    from nself_core.workspace import Workspace

TIMEOUT_HELP = "Seconds to wait for health; NSELF_HEALTH_CHECK_TIMEOUT where not given."


@click.command()
@click.argument("services", nargs=-1)
@env_option
@click.option("--runtime", "runtime_name", metavar="NAME", help="How to run it; the first start's choice is kept.")
@click.option("--timeout", type=click.FloatRange(min=1), help=TIMEOUT_HELP)
def command(*, services: tuple[str, ...], env: str | None, runtime_name: str | None, timeout: float | None) -> None:
    """Start the stack, or SERVICES with what they need, and wait until it is healthy.

    Builds first where the settings changed. A host port that is taken moves to the next free one, which is remembered;
    one that you set yourself is an error that names the process. Starting twice does no harm.

    \b
    Examples:
      nself start                     everything
      nself start api worker          these, with what they need
      nself start --runtime native    without containers
    """
    from nself_core.lifecycle import choice, moving, progress, select, starting
    from nself_core.workspace import Workspace

    workspace = Workspace.open(env)
    with workspace.lock("start"):
        workspace.require_same_name()
        name = choice.choose(workspace, runtime_name)
        wanted = select.chosen(workspace.stack(name), services)
        runtime = starting.prepare(workspace, name, asked=env)
        for service in wanted or ():
            select.runnable(workspace.stack(name), service)
        workspace.record_runtime(name)
        moving.forget(workspace)  # a dump of a move that was cut off is no longer true from here on
        title = f"Starting {workspace.loaded.project_name} ({workspace.environment.name}) on the {name} runtime"
        patience = starting.patience(workspace, timeout)
        with progress.shown(title) as report:
            states = runtime.start(wanted, timeout=patience, progress=report)
        finish(workspace, runtime, name, states, asked_for=wanted)


def finish(workspace: Workspace, runtime: Runtime, name: str, states: list[ServiceState], *, asked_for: list[str] | None) -> None:
    """Tell how it went: what failed and why, what cannot run here, the URLs and what to do next. A failure exits 1."""
    from nself_core.lifecycle import starting, urls

    stack = workspace.stack(name)
    mine = [s for s in states if s.status != "unavailable" and (asked_for is None or s.name in asked_for)]
    bad = starting.failures(mine)
    for gone in () if asked_for is not None else stack.unavailable:
        output.tell(f"- {gone.service} cannot run on the {name} runtime: {gone.reason}")
    if bad:
        starting.tell_failures(runtime, bad)
        names = ", ".join(dict.fromkeys(s.name for s in bad))
        output.tell(output.style(f"{names} did not come up; {len(mine) - len(bad)} of {len(mine)} are up.", err=True, fg="red"))
        raise click.exceptions.Exit(1)
    output.say(f"{len(mine)} of {len(mine)} services are up.")
    found = urls.urls(stack, dev=workspace.environment.is_dev)
    shown = [u for u in found if u.kind != "port"] or found
    width = max((len(u.label) for u in shown), default=0)
    for url in shown:
        output.say(f"  {url.label.ljust(width)}  {url.url}")
    output.next_step("nself status · nself urls · nself logs -f")
    if any(u.url.startswith("https:") and u.kind == "route" for u in found) and workspace.environment.is_dev:
        output.next_step("nself trust, once on this machine, so that browsers accept the local certificate")
