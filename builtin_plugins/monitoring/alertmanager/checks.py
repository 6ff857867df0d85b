"""Alerts that reach nobody."""

from __future__ import annotations

from collections.abc import Iterator

from hookspecs import Finding, Level, Project, Stack

from .receivers import RECEIVER_SECRETS, mail_server
from .service import NAME


def findings(project: Project, stack: Stack) -> Iterator[Finding]:
    """A warning outside dev where no receiver is set, and where mail has no server."""
    settings = project.settings
    if stack.find(NAME) is None or stack.why_unavailable(NAME):
        return
    mail = mail_server(project)
    if mail is not None and not settings["SMTP_HOST"] and stack.provider("smtp") is None:
        yield Finding(
            level=Level.WARNING,
            message="ALERT_EMAIL_TO is set, and nothing in this project sends mail",
            where=str(settings.origin("ALERT_EMAIL_TO") or ""),
            variable="SMTP_HOST",
            remedy="set SMTP_HOST, SMTP_USER and SMTP_PASS",
            code="mail-missing",
        )
    reached = mail is not None or any(settings.secret(name) is not None for name in RECEIVER_SECRETS)
    if not reached and not project.environment.is_dev:
        yield Finding(
            level=Level.WARNING,
            message="alerts reach nobody: no receiver is set",
            where=NAME,
            variable="ALERT_EMAIL_TO",
            remedy="set ALERT_EMAIL_TO, or one of SLACK_WEBHOOK_URL, ALERT_DISCORD_WEBHOOK, ALERT_PAGERDUTY_KEY",
            code="alerts-unheard",
        )
