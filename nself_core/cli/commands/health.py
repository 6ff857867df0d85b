"""``nself health``."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from nself_core.cli import output
from nself_core.cli.options import env_option, json_option

if TYPE_CHECKING:
    from hookspecs.models.runtime import ServiceState


@click.command()
@click.argument("services", nargs=-1)
@env_option
@json_option
def command(*, services: tuple[str, ...], env: str | None, as_json: bool) -> None:
    """Run the health probes now. Exits 0 if every service is healthy (or has no probe and runs), else 1.

    \b
    Examples:
      nself health
      nself health api && echo ready
      nself health --json
    """
    from nself_core.cli.commands.status import read_states
    from nself_core.lifecycle import select
    from nself_core.workspace import Workspace

    workspace = Workspace.open(env)
    name = workspace.runtime_name()
    stack = workspace.stack(name)
    wanted = select.chosen(stack, [select.runnable(stack, s) for s in services])
    asked = workspace.recorded_runtime() is not None
    states = workspace.runtime(name).states(probe=True) if asked else read_states(workspace, name)
    states = [s for s in states if s.status not in {"unavailable", "completed"} and (wanted is None or s.name in wanted)]
    words = [verdict(s) for s in states]
    good = sum(w in {"healthy", "running"} for w in words)
    if as_json:
        output.print_json(
            {
                "timestamp": datetime.now(UTC).isoformat(timespec="seconds"),
                "healthy": good,
                "unhealthy": len(words) - good,
                "total": len(words),
                "services": [
                    {"service": s.name, "instance": s.instance, "status": w, "reason": s.reason}
                    for s, w in zip(states, words, strict=True)
                ],
            }
        )
    else:
        output.print_table(
            ["service", "health", "reason"], [(s.name, w, s.reason or "-") for s, w in zip(states, words, strict=True)]
        )
        output.say(f"{good} of {len(words)} healthy")
    if good < len(words):
        raise click.exceptions.Exit(1)


def verdict(state: ServiceState) -> str:
    """``healthy``, ``running`` (no probe), ``starting``, ``unhealthy``, ``failed`` or ``stopped``."""
    if state.status in {"stopped", "failed"}:
        return str(state.status)
    if state.health == "none":
        return "starting" if state.status == "starting" else "running"
    return str(state.health)
