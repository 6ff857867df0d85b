"""Which mail server the auth service uses: its own variables, else the project's."""

from __future__ import annotations

from hookspecs import Project, Value, mail


def sender(project: Project) -> str:
    """The address mails come from."""
    return str(project.settings["AUTH_SMTP_SENDER"] or mail.sender(project))


def variables(project: Project) -> dict[str, Value | None]:
    """``AUTH_SMTP_*`` of the auth service."""
    server = _server(project)
    env: dict[str, Value | None] = {"AUTH_SMTP_SENDER": sender(project)}
    if server is not None:
        env |= {
            "AUTH_SMTP_HOST": server.host,
            "AUTH_SMTP_PORT": server.port,
            "AUTH_SMTP_USER": server.user,
            "AUTH_SMTP_PASS": server.password,
            "AUTH_SMTP_SECURE": server.secure,
        }
    return env


def _server(project: Project) -> mail.MailServer | None:
    settings = project.settings
    if not settings["AUTH_SMTP_HOST"]:
        return mail.mail_server(project)
    return mail.given_server(
        settings["AUTH_SMTP_HOST"],
        settings["AUTH_SMTP_PORT"] or 587,
        settings["AUTH_SMTP_USER"],
        settings.secret("AUTH_SMTP_PASS"),
        settings["AUTH_SMTP_SECURE"],
    )
