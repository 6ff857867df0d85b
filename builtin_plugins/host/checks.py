"""What may be looked at before a start: sandboxes that this machine does not let us have, webhooks without a secret."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from hookspecs import Finding, Level

from .document import hosted, is_isolated

if TYPE_CHECKING:
    from hookspecs import Project


def findings(project: Project) -> Iterator[Finding]:
    """Warnings alone: the rest of the stack can do without."""
    plugins = hosted(project)
    for plugin in plugins:
        for rule in plugin.manifest.webhooks:
            if project.settings.secret(rule.secret) is None:
                yield Finding(
                    level=Level.WARNING,
                    message=f"webhooks of plugin {plugin.name} ({rule.source}) are refused: {rule.secret} is not set",
                    variable=rule.secret,
                    remedy=f"set {rule.secret} to the secret that the sender shows you",
                    code="webhook-secret",
                )
    alone = [plugin.name for plugin in plugins if is_isolated(project, plugin)]
    if alone and project.runtime == "native":
        from .sandbox import bwrap

        reason = bwrap.refusal(bwrap.program())
        if reason:
            yield Finding(
                level=Level.WARNING,
                message=f"{', '.join(alone)}: a process of its own, but no sandbox: {reason}",
                remedy="pip install 'nself[native]', or allow user namespaces; or use the compose runtime",
                code="no-sandbox",
            )
