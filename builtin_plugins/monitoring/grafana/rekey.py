"""A new password for the first user: the variable counts only while there is no database yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hookspecs import Rekeying


def rekey(change: Rekeying) -> None:
    """Set it as Grafana's manual says ("Grafana CLI", reset admin password)."""
    change.access.run(["grafana", "cli", "admin", "reset-admin-password", "--password-from-stdin"], stdin=change.new)
