"""Which mail server the auth service uses: its own variables, the chosen provider, or the project's mail catcher."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from hookspecs import Get, Project, Secret, Value


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
    return str(project.settings["AUTH_SMTP_SENDER"] or project.settings["EMAIL_FROM"] or f"noreply@{project.domain}")


def variables(project: Project) -> dict[str, Value | None]:
    """``AUTH_SMTP_*`` of the auth service."""
    settings = project.settings
    env: dict[str, Value | None] = {"AUTH_SMTP_SENDER": sender(project)}
    if settings["AUTH_SMTP_HOST"]:
        return env | _server(
            settings["AUTH_SMTP_HOST"],
            settings["AUTH_SMTP_PORT"] or 587,
            settings["AUTH_SMTP_USER"],
            settings.secret("AUTH_SMTP_PASS"),
            settings["AUTH_SMTP_SECURE"],
        )
    chosen = provider(project)
    if chosen == "none":
        return env
    if chosen == "mailpit":
        return env | {
            f"AUTH_SMTP_{name}": Get(capability="smtp", attribute=attribute)
            for name, attribute in (
                ("HOST", "host"), ("PORT", "port"), ("USER", "user"), ("PASS", "password"), ("SECURE", "secure"),
            )
        }  # fmt: skip
    if chosen == "smtp":
        host, user, password, port = settings["SMTP_HOST"] or "", None, "SMTP_PASS", settings["SMTP_PORT"]
    else:
        host, user, password, port = PROVIDERS[chosen]
    user = user or _default_user(project, chosen)
    host = host.format(region=settings["AWS_REGION"])
    return env | _server(host, port, user, settings.secret(password), settings["SMTP_SECURE"])


def _default_user(project: Project, chosen: str) -> str | None:
    settings = project.settings
    if settings["SMTP_USER"]:
        return str(settings["SMTP_USER"])
    if chosen == "mailgun" and settings["MAILGUN_DOMAIN"]:
        return f"postmaster@{settings['MAILGUN_DOMAIN']}"
    return settings["ELASTIC_EMAIL_ACCOUNT_EMAIL"] if chosen == "elasticemail" else None


def _server(
    host: str, port: int, user: str | Secret | None, password: Secret | None, secure: bool | None
) -> dict[str, Value | None]:
    return {
        "AUTH_SMTP_HOST": host,
        "AUTH_SMTP_PORT": str(port),
        "AUTH_SMTP_USER": user,
        "AUTH_SMTP_PASS": password,
        "AUTH_SMTP_SECURE": str(port == 465 if secure is None else secure).lower(),
    }
