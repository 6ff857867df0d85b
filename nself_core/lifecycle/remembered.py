"""What ``nself status`` may rely on the next time it is asked (``cli/glance.py``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nself_core import __version__
from nself_core.cli.glance import FILE, signature
from nself_core.workspace import RUNTIME_FILE

if TYPE_CHECKING:
    from hookspecs.models.service import Service
    from nself_core.workspace import Workspace


def remember(workspace: Workspace, runtime: str) -> None:
    """Write down what was just looked at. Nothing where the runtime has no quick look, or was not started here."""
    from nself_core.render.record import RECORD, Record

    offer = workspace.offer(runtime)
    inputs = Record.read(workspace.state).stamp.get("inputs")
    if not offer.look or not inputs or workspace.recorded_runtime() != runtime:
        return
    stack = workspace.stack(runtime)
    paths = [*inputs, *(str(workspace.state / name) for name in (RUNTIME_FILE, RECORD))]
    document = {
        "version": __version__,
        "root": str(workspace.root),
        "project": workspace.loaded.project_name,
        "environment": workspace.environment.name,
        "runtime": runtime,
        "look": offer.look,
        "inputs": {path: signature(path) for path in paths},
        "services": [[s.name, _service(s) | {"unavailable": stack.why_unavailable(s.name) or ""}] for s in stack.services],
        "allowed": sorted(p.name for p in workspace.plugins.known() if p.enabled and p.state == "allowed"),
    }
    workspace.write_state(FILE, document)


def _service(service: Service) -> dict[str, Any]:
    found: dict[str, Any] = {"category": service.category}
    probe = service.probe
    if probe is not None and getattr(probe, "tool", "") == "outside":
        port = service.port(getattr(probe, "port", "")).container
        found["outside"] = {"port": port, "path": getattr(probe, "path", None)}
    return found
