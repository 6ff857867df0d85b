"""``nself status``."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from nself_core.cli import output
from nself_core.cli.glance import COLUMNS
from nself_core.cli.options import env_option, json_option

if TYPE_CHECKING:
    from hookspecs.models.runtime import ServiceState
    from nself_core.workspace import Workspace

CATEGORIES = ("core", "optional", "monitoring", "custom", "plugin", "tool")
_COLOURS = {"running": "green", "completed": "green", "starting": "yellow", "failed": "red", "stopped": "red"}


@click.command()
@click.argument("services", nargs=-1)
@env_option
@json_option
@click.option("-q", "--quiet", is_flag=True, help="One line of counts.")
@click.option("-u", "--usage", is_flag=True, help="Memory, processor and restarts too, which takes a moment to measure.")
@click.option("-w", "--watch", is_flag=True, help="Show it again and again until Ctrl-C.")
@click.option(
    "-i", "--interval", type=click.FloatRange(min=0.5), default=2.0, show_default=True, help="Seconds between, with -w."
)
@click.option("-c", "--category", type=click.Choice([*CATEGORIES, "required"]), help="Only services of this category.")
def command(
    *,
    services: tuple[str, ...],
    env: str | None,
    as_json: bool,
    quiet: bool,
    usage: bool,
    watch: bool,
    interval: float,
    category: str | None,
) -> None:
    """List the services and the state of each, from any folder of the project.

    \b
    Examples:
      nself status
      nself status -u                 with memory, processor and restarts
      nself status -q                 running:4 healthy:4 unhealthy:0
      nself status --json -c custom
      nself status -w                 keep watching
    """
    from nself_core.lifecycle import remembered, select
    from nself_core.workspace import Workspace

    workspace = Workspace.open(env)
    name = workspace.runtime_name()
    if not env:
        remembered.remember(workspace, name)
    wanted = select.chosen(workspace.stack(name), services)
    only = "core" if category == "required" else category
    while True:
        states = [
            s
            for s in read_states(workspace, name, usage=usage or as_json)
            if (wanted is None or s.name in wanted) and (only is None or s.category == only)
        ]
        if watch and not (as_json or quiet):
            click.clear()
        _show(workspace, name, states, as_json=as_json, quiet=quiet, usage=usage)
        if not watch:
            return
        time.sleep(interval)


def read_states(workspace: Workspace, name: str, *, usage: bool = False) -> list[ServiceState]:
    """The states; before a first start nothing is asked, and everything that could run is stopped."""
    from hookspecs.models.runtime import ServiceState

    if workspace.recorded_runtime() is not None:
        return workspace.runtime(name).states(usage=usage)
    stack = workspace.stack(name)
    found = []
    for service in stack.services:
        why = stack.why_unavailable(service.name)
        found.append(
            ServiceState(
                name=service.name,
                category=service.category,
                status="unavailable" if why else "stopped",
                reason=why or "",
            )
        )
    return found


def counts(states: list[ServiceState]) -> dict[str, int]:
    """The summary. What runs without a probe counts as running, not as healthy."""
    return {
        "total": len(states),
        "running": sum(s.status in {"running", "starting"} for s in states),
        "healthy": sum(s.health == "healthy" for s in states),
        "unhealthy": sum(s.health == "unhealthy" or s.status == "failed" for s in states),
        "stopped": sum(s.status == "stopped" for s in states),
        "completed": sum(s.status == "completed" for s in states),
        "unavailable": sum(s.status == "unavailable" for s in states),
    }


def _show(workspace: Workspace, runtime: str, states: list[ServiceState], *, as_json: bool, quiet: bool, usage: bool) -> None:
    summary = counts(states)
    now = datetime.now(UTC)
    limits, loose = _limits(workspace, runtime), workspace.offer(runtime).no_limits
    if as_json:
        output.print_json(
            {
                "project": workspace.loaded.project_name,
                "environment": workspace.environment.name,
                "runtime": runtime,
                "timestamp": now.isoformat(timespec="seconds"),
                "summary": summary,
                "services": [_document(state, now, limits.get(state.name), enforced=not loose) for state in states],
                "plugins_allowed_unsigned": _allowed(workspace),
            }
        )
        return
    if quiet:
        output.say(f"running:{summary['running']} healthy:{summary['healthy']} unhealthy:{summary['unhealthy']}")
        return
    output.say(f"{workspace.loaded.project_name} ({workspace.environment.name}) on the {runtime} runtime")
    measured = ["memory", "cpu"] if usage else []
    output.print_table([*COLUMNS, *measured], [[*_row(s, now), *(_usage(s) if usage else ())] for s in states])
    for state in states:
        if state.reason and state.status != "unavailable":
            output.say(f"{state.name}: {state.reason}")
        if state.restarts and usage:
            output.say(
                f"{state.name}: restarted {state.restarts} {'time' if state.restarts == 1 else 'times'} after it ended by itself"
            )
    gone = [s for s in states if s.status == "unavailable"]
    for state in gone:
        output.say(f"{state.name} cannot run on the {runtime} runtime: {state.reason}")
    limited = sorted({s.name for s in states if s.name in limits and s.status != "unavailable"})
    if loose and limited:
        output.say(f"limits that are set and not enforced, as {loose}: {', '.join(limited)}")
    for name in _allowed(workspace):
        output.say(f"plugin {name} is unsigned; it runs because you allowed it")
    output.say(", ".join(f"{number} {word}" for word, number in summary.items() if number or word == "running"))


def _limits(workspace: Workspace, runtime: str) -> dict[str, dict[str, Any]]:
    """Service → the limits that settings gave it: bytes of memory, CPUs."""
    services = workspace.stack(runtime).services
    return {s.name: {"memory": s.limits.memory, "cpus": s.limits.cpus} for s in services if "limits" in s.provenance}


def _allowed(workspace: Workspace) -> list[str]:
    return sorted(p.name for p in workspace.plugins.known() if p.enabled and p.state == "allowed")


def _row(state: ServiceState, now: datetime) -> list[str]:
    name = state.name if state.instance == 1 else f"{state.name} #{state.instance}"
    health = {"none": "-"}.get(state.health, state.health)
    return [
        name,
        state.category,
        output.style(state.status, fg=_COLOURS.get(state.status)),
        output.style(health, fg={"healthy": "green", "unhealthy": "red", "starting": "yellow"}.get(health)),
        duration((now - state.started_at).total_seconds()) if state.started_at else "-",
        " ".join(state.ports) or "-",
    ]


def _usage(state: ServiceState) -> tuple[str, str]:
    return size(state.memory), f"{state.cpu:.1f}%" if state.cpu is not None else "-"


def _document(state: ServiceState, now: datetime, limits: dict[str, Any] | None, *, enforced: bool) -> dict[str, Any]:
    up = int((now - state.started_at).total_seconds()) if state.started_at else None
    return {
        "name": state.name,
        "instance": state.instance,
        "category": state.category,
        "status": state.status,
        "health": state.health,
        "reason": state.reason,
        "container_id": state.id,
        "image": state.image,
        "ports": list(state.ports),
        "uptime": up,
        "restarts": state.restarts,
        "memory": state.memory,
        "cpu": state.cpu,
        "limits": limits and {**limits, "enforced": enforced},
    }


def duration(seconds: float) -> str:
    """``42s``, ``7m``, ``3h``, ``2d``."""
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= length:
            return f"{int(seconds // length)}{unit}"
    return f"{max(0, int(seconds))}s"


def size(amount: int | None) -> str:
    """Bytes as ``12 MB``; ``-`` where it is not known."""
    return "-" if amount is None else f"{amount / 1024 / 1024:.0f} MB"
