"""What ``start`` and ``restart`` do before a runtime is told to go: build if needed, settle ports, check."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hookspecs.errors import UserError
from nself_core.cli import output
from nself_core.lifecycle import ports

if TYPE_CHECKING:
    from hookspecs.models.findings import Finding
    from hookspecs.models.runtime import Runtime, ServiceState
    from nself_core.workspace import Workspace

_SHOWN = 6
_PATIENCE = 120
_LOG_LINES = 12


def patience(workspace: Workspace, given: float | None) -> float:
    """Seconds that a start waits for health: what was given, else the setting."""
    return float(given if given is not None else workspace.loaded.settings.get("NSELF_HEALTH_CHECK_TIMEOUT", _PATIENCE))


def prepare(workspace: Workspace, runtime_name: str, *, asked: str | None) -> Runtime:
    """Ports settled, files written, checks passed. The caller holds the project's lock. Returns the runtime, ready to start."""
    workspace.require_valid()
    _finish_rotation(workspace)
    settle_ports(workspace, runtime_name)
    first = not (workspace.state / "build.json").exists()
    report = workspace.build(asked=asked)
    changes = report.changes
    names = sorted([*(item.path for item in changes.writes), *changes.delete])
    if names:
        listed = ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
        why = "Not built yet, so built first" if first else "The settings changed since the last build, so built again"
        output.tell(f"{why}: {listed}.")
    if report.secrets_made:
        output.tell(f"Made secrets: {', '.join(report.secrets_made)}.")
    checks(workspace, runtime_name)
    return workspace.runtime(runtime_name)


def _finish_rotation(workspace: Workspace) -> None:
    from nself_core.lifecycle import rotation

    names = rotation.pending(workspace)
    if names:
        output.tell(f"The rotation of {', '.join(sorted(names))} was cut off, so it is finished first.")
        rotation.rotate(workspace, {}, timeout=patience(workspace, None), progress=lambda *_: None)


def settle_ports(workspace: Workspace, runtime_name: str) -> None:
    """Move ports that this machine has not free, remember where, and tell; an explicit one that is taken is an error."""
    stack = workspace.stack(runtime_name)
    own = workspace.runtime(runtime_name).own_ports()
    settled = ports.settle(stack, own=own, containers=stack.addressing == "names")
    if settled.errors:
        word = "port is" if len(settled.errors) == 1 else "ports are"
        raise UserError(f"{len(settled.errors)} {word} taken", findings=settled.errors, code="port-taken")
    for move in settled.moved:
        held = f"{move.wished} is held by {move.holder or 'another program'}"
        why = f"{move.wished} may not be bound by this user" if move.forbidden else held
        output.tell(f"Port of {move.service} ({move.port}): {why}; it takes {move.given} from now on.")
    if settled.ports != workspace.known_ports(runtime_name):
        workspace.remember_ports(runtime_name, settled.ports)


def checks(workspace: Workspace, runtime_name: str) -> None:
    """The plugins' own checks before a start: errors stop it, the rest is printed."""
    from nself_core.stack.assemble import raise_errors

    stack = workspace.stack(runtime_name)
    found: list[Finding] = [f for _, f in workspace.plugins.pre_deploy(workspace.project(runtime_name), "local", stack)]
    raise_errors(found)
    output.print_findings([f for f in (*workspace.findings, *found) if str(f.level) != "note"])


def failures(states: list[ServiceState]) -> list[ServiceState]:
    """What did not come up."""
    return [s for s in states if s.status in {"failed", "starting", "stopped"} or s.health in {"unhealthy", "starting"}]


def tell_failures(runtime: Runtime, bad: list[ServiceState]) -> None:
    """Which services did not come up, why, with their last lines of log and what to try."""
    for state in bad:
        mark = output.style("✗", err=True, fg="red")
        health = f", {state.health}" if state.health not in {"none", "healthy"} else ""
        output.tell(f"{mark} {state.name} is {state.status}{health}{f': {state.reason}' if state.reason else ''}")
        for line in last_lines(runtime, state.name):
            output.tell(f"    {line}")
        output.tell(
            f"  {output.style('→', err=True, dim=True)} nself logs {state.name}; nself restart {state.name}; nself doctor"
        )


def last_lines(runtime: Runtime, service: str) -> list[str]:
    """The last lines a service wrote; none where it has no log, as that is not what the user needs to hear then."""
    try:
        return [line.text for line in runtime.logs([service], follow=False, tail=_LOG_LINES, since=None)][-_LOG_LINES:]
    except (UserError, OSError):
        return []
