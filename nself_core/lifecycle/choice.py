"""Which runtime a start uses. Chosen once per environment, recorded, and not changed while the other one holds data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hookspecs.errors import UserError

if TYPE_CHECKING:
    from nself_core.workspace import Workspace


def choose(workspace: Workspace, wanted: str | None) -> str:
    """The runtime for this start: what was asked for, recorded, set, or best. A changed mind over data is refused."""
    recorded = workspace.recorded_runtime()
    name = workspace.runtime_name(wanted)
    if recorded and recorded != name:
        refuse_if_data(workspace, recorded, name)
    offer = workspace.offer(name)
    if not offer.available:
        other = next((o.name for o in workspace.offers() if o.available and o.name != name), None)
        hint = "" if recorded == name or other is None else f"nself start --runtime {other}"
        raise UserError(
            f"the {name} runtime cannot run here: {offer.reason}",
            remedy=hint or "nself doctor looks closer",
            code="runtime-unavailable",
        )
    return name


def refuse_if_data(workspace: Workspace, holder: str, wanted: str) -> None:
    """Refuse to leave a runtime whose volumes hold this project's data, or whose services still run."""
    offer = workspace.offer(holder)
    if not offer.available:
        raise UserError(
            f"this project was started on the {holder} runtime, which does not answer now ({offer.reason}), so it cannot be told "
            "whether it holds data",
            remedy=f"mend the {holder} runtime; or remove its data first: nself destroy",
            code="runtime-unreachable",
        )
    held = workspace.runtime(holder).holds_data()
    if held:
        raise UserError(
            f"the {holder} runtime holds this project's data ({', '.join(held)}); {wanted} would start with an empty database",
            remedy=f"take it along: nself runtime switch {wanted}; or stay: nself start --runtime {holder}",
            code="runtime-holds-data",
        )
