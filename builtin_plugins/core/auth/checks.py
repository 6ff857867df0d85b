"""What keeps people from signing in: faults of settings, told by a build, and what may be missing, told before a start."""

from __future__ import annotations

from collections.abc import Iterator

from hookspecs import Finding, Level, Project, Stack, UserError, mail

#: Providers whose id and secret have other names.
_IDENTITY = {"TWITTER": ("CONSUMER_KEY", "CONSUMER_SECRET"), "APPLE": ("CLIENT_ID", "TEAM_ID", "KEY_ID", "PRIVATE_KEY")}
#: What each sender of text messages cannot do without.
_SENDERS = {
    "twilio": ("AUTH_SMS_TWILIO_ACCOUNT_SID", "AUTH_SMS_TWILIO_AUTH_TOKEN", "AUTH_SMS_TWILIO_MESSAGING_SERVICE_ID"),
    "webhook": ("AUTH_SMS_WEBHOOK_URL", "AUTH_SMS_WEBHOOK_SECRET"),
}


def require_whole(project: Project) -> None:
    """``UserError`` with each setting that another one lacks: a mail server, a provider's secret, a private key, a sender's."""
    found = [*_mail(project), *_providers(project), *_keys(project), *_sender(project)]
    if found:
        word = "fault" if len(found) == 1 else "faults"
        raise UserError(f"{len(found)} {word} in the settings of sign-in", findings=found, code=found[0].code)


def findings(project: Project, stack: Stack) -> Iterator[Finding]:
    """Warnings: what does without mail, templates or messages works."""
    if not project.settings["AUTH_ENABLED"]:
        return
    yield from _no_mail(project, stack)
    yield from _templates(project)
    yield from _messages(project)


def _no_mail(project: Project, stack: Stack) -> Iterator[Finding]:
    chosen = mail.provider(project)
    if project.settings["AUTH_SMTP_HOST"] or not (chosen == "none" or (chosen == "mailpit" and stack.provider("smtp") is None)):
        return
    yield Finding(
        level=Level.WARNING,
        message="the auth service can send no mail: sign-up with verification, resets and magic links do not arrive",
        where="auth",
        variable="EMAIL_PROVIDER",
        remedy="set MAILPIT_ENABLED=true in development, or EMAIL_PROVIDER with its credentials",
        code="mail-missing",
    )


def _mail(project: Project) -> Iterator[Finding]:
    if project.settings["AUTH_SMTP_HOST"]:
        return
    chosen = mail.provider(project)
    if chosen == "smtp" and not project.settings["SMTP_HOST"]:
        yield Finding(
            level=Level.ERROR,
            message="EMAIL_PROVIDER=smtp names no server",
            where=str(project.settings.origin("EMAIL_PROVIDER") or ""),
            variable="SMTP_HOST",
            remedy="set SMTP_HOST, SMTP_USER and SMTP_PASS",
            code="mail-missing",
        )
    elif chosen in mail.PROVIDERS and project.settings.secret(mail.PROVIDERS[chosen].password) is None:
        name = mail.PROVIDERS[chosen].password
        yield Finding(
            level=Level.ERROR,
            message=f"EMAIL_PROVIDER={chosen} has no password",
            where=str(project.settings.origin("EMAIL_PROVIDER") or ""),
            variable=name,
            remedy=f"nself config set {name}",
            code="mail-missing",
        )


def _providers(project: Project) -> Iterator[Finding]:
    settings = project.settings
    for (name,), entry in settings.matching("AUTH_PROVIDER_{P}_ENABLED"):
        if entry.value is not True:
            continue
        wanted = (f"AUTH_PROVIDER_{name}_{part}" for part in _IDENTITY.get(name, ("CLIENT_ID", "CLIENT_SECRET")))
        missing = [variable for variable in wanted if settings.origin(variable) is None]
        if missing:
            yield Finding(
                level=Level.ERROR,
                message=f"sign-in by {name.lower()} is on and lacks {', '.join(missing)}",
                where=str(entry.origin),
                variable=missing[0],
                remedy=f"nself config set {missing[0]}, or {entry.name}=false",
                code="provider-incomplete",
            )


def _templates(project: Project) -> Iterator[Finding]:
    folder = project.settings["AUTH_TEMPLATES_PATH"]
    if folder and not (project.root / folder).is_dir():
        yield Finding(
            level=Level.WARNING,
            message=f"there is no folder {folder}, so mails have the usual texts",
            where=str(project.settings.origin("AUTH_TEMPLATES_PATH") or ""),
            variable="AUTH_TEMPLATES_PATH",
            remedy="make it, with <locale>/<name>/subject.txt and body.html",
            code="templates-missing",
        )


def _messages(project: Project) -> Iterator[Finding]:
    settings = project.settings
    if settings["AUTH_SMS_PASSWORDLESS_ENABLED"] and not settings["AUTH_SMS_PROVIDER"]:
        yield Finding(
            level=Level.WARNING,
            message="sign-in by SMS is on and nobody sends the messages: only test numbers get codes",
            where=str(settings.origin("AUTH_SMS_PASSWORDLESS_ENABLED") or ""),
            variable="AUTH_SMS_PROVIDER",
            remedy="nself config set AUTH_SMS_PROVIDER twilio, webhook or dev",
            code="sms-missing",
        )


def _sender(project: Project) -> Iterator[Finding]:
    settings = project.settings
    chosen = settings["AUTH_SMS_PROVIDER"]
    missing = [variable for variable in _SENDERS.get(chosen, ()) if settings.origin(variable) is None]
    if missing:
        yield Finding(
            level=Level.ERROR,
            message=f"AUTH_SMS_PROVIDER={chosen} lacks {', '.join(missing)}",
            where=str(settings.origin("AUTH_SMS_PROVIDER") or ""),
            variable=missing[0],
            remedy=f"nself config set {missing[0]}",
            code="sms-incomplete",
        )


def _keys(project: Project) -> Iterator[Finding]:
    settings = project.settings
    kind = settings["HASURA_JWT_TYPE"]
    if not kind.startswith("HS") and settings.secret("HASURA_JWT_SIGNING_KEY") is None:
        yield Finding(
            level=Level.ERROR,
            message=f"HASURA_JWT_TYPE={kind} needs the private key too, or nobody can sign in",
            where=str(settings.origin("HASURA_JWT_TYPE") or ""),
            variable="HASURA_JWT_SIGNING_KEY",
            remedy="nself config set HASURA_JWT_SIGNING_KEY < key.pem, the private key in PEM form",
            code="jwt-key-missing",
        )
