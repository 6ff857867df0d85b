"""Which mail server the project sends by: the chosen provider, a server of its own, or the mail catcher in development."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from hookspecs.models.project import Project
from hookspecs.models.values import Get, Secret, Value


class MailServer(NamedTuple):
    """Where mail goes out. ``secure`` (``true`` or ``false``): TLS from the first byte; else STARTTLS where it is offered."""

    host: Value
    port: Value
    user: Value | None
    password: Value | None
    secure: Value


class Provider(NamedTuple):
    """A mail provider's SMTP door: host, user and which secret is the password.

    Hosts as each provider's own documentation gives them; all take STARTTLS on port 587.
    """

    host: str
    user: str | Secret | None = None
    password: str = "SMTP_PASS"  # noqa: S105  the setting's name
    port: int = 587


_TOKEN = Secret(name="POSTMARK_SERVER_TOKEN")
PROVIDERS: Mapping[str, Provider] = {
    "sendgrid": Provider("smtp.sendgrid.net", "apikey", "SENDGRID_API_KEY"),
    "postmark": Provider("smtp.postmarkapp.com", _TOKEN, "POSTMARK_SERVER_TOKEN"),
    "mailgun": Provider("smtp.mailgun.org"),
    "ses": Provider("email-smtp.{region}.amazonaws.com"),
    "elasticemail": Provider("smtp.elasticemail.com", None, "ELASTIC_EMAIL_API_KEY", 2525),
    "gmail": Provider("smtp.gmail.com"),
    "office365": Provider("smtp.office365.com"),
    "brevo": Provider("smtp-relay.brevo.com"),
    "resend": Provider("smtp.resend.com", "resend"),
    "sparkpost": Provider("smtp.sparkpostmail.com", "SMTP_Injection"),
    "mandrill": Provider("smtp.mandrillapp.com"),
    "mailchimp": Provider("smtp.mandrillapp.com"),
    "smtp2go": Provider("mail.smtp2go.com"),
    "mailersend": Provider("smtp.mailersend.net"),
}
_SPELLINGS = {"sendgrid-api": "sendgrid", "mailgun-api": "mailgun", "elastic": "elasticemail"}


def provider(project: Project) -> str:
    """The provider in force by its usual name; ``smtp`` where only a server is named."""
    settings = project.settings
    chosen: str = _SPELLINGS.get(settings["EMAIL_PROVIDER"], settings["EMAIL_PROVIDER"])
    if chosen == "mailpit" and settings["SMTP_HOST"] and not settings.is_provided("EMAIL_PROVIDER"):
        return "smtp"
    return chosen


def sender(project: Project) -> str:
    """The address mails come from."""
    return str(project.settings["EMAIL_FROM"] or f"noreply@{project.domain}")


def mail_server(project: Project) -> MailServer | None:
    """The server in force; ``None`` where the project sends no mail (``EMAIL_PROVIDER=none``)."""
    settings = project.settings
    chosen = provider(project)
    if chosen == "none":
        return None
    if chosen == "mailpit":
        return MailServer(*(Get(capability="smtp", attribute=name) for name in ("host", "port", "user", "password", "secure")))
    known = Provider(settings["SMTP_HOST"] or "", port=settings["SMTP_PORT"]) if chosen == "smtp" else PROVIDERS[chosen]
    return given_server(
        known.host.format(region=settings["AWS_REGION"]),
        known.port,
        known.user or _default_user(project, chosen),
        settings.secret(known.password),
        settings["SMTP_SECURE"],
    )


def given_server(host: str, port: int, user: Value | None, password: Value | None, secure: bool | None = None) -> MailServer:
    """A server as settings name it; port 465 alone speaks TLS from the first byte where ``secure`` does not say."""
    return MailServer(host, str(port), user, password, str(port == 465 if secure is None else secure).lower())


def _default_user(project: Project, chosen: str) -> str | None:
    settings = project.settings
    if settings["SMTP_USER"]:
        return str(settings["SMTP_USER"])
    if chosen == "mailgun" and settings["MAILGUN_DOMAIN"]:
        return f"postmaster@{settings['MAILGUN_DOMAIN']}"
    return settings["ELASTIC_EMAIL_ACCOUNT_EMAIL"] if chosen == "elasticemail" else None
