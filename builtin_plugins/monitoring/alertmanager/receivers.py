"""Who gets alerts, from the settings."""

from __future__ import annotations

from typing import NamedTuple

from hookspecs import Get, Project, Value

#: Secret settings that are addresses or keys of receivers.
RECEIVER_SECRETS = ("ALERTMANAGER_WEBHOOK_URL", "ALERT_DISCORD_WEBHOOK", "ALERT_PAGERDUTY_KEY", "SLACK_WEBHOOK_URL")


class MailServer(NamedTuple):
    """Where alert mails go out."""

    host: Value
    port: Value
    user: Value | None
    password: Value | None


def mail_server(project: Project) -> MailServer | None:
    """The server of ``SMTP_HOST``, else whoever provides mail; ``None`` where nobody is to get mail."""
    settings = project.settings
    if not settings["ALERT_EMAIL_TO"]:
        return None
    if settings["SMTP_HOST"]:
        return MailServer(settings["SMTP_HOST"], str(settings["SMTP_PORT"]), settings["SMTP_USER"], settings.secret("SMTP_PASS"))
    host, port, user, password = (Get(capability="smtp", attribute=name) for name in ("host", "port", "user", "password"))
    return MailServer(host, port, user, password)


def sender(project: Project) -> str:
    """The address alert mails come from."""
    return str(project.settings["ALERT_EMAIL_FROM"] or f"alerts@{project.domain}")
