"""The e-mail channel: one message over the project's mail server."""

from __future__ import annotations

from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

from nself_plugin_notify.outcome import PermanentError, TemporaryError
from nself_plugin_notify.unsubscribe import link

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hookspecs import HostContext

#: Seconds for the whole talk with the mail server.
TIMEOUT = 30


def check_address(address: str) -> str:
    """The address as it is written into a header; ``ValueError`` for one that is none (or that smuggles a header)."""
    if any(ord(sign) < 33 for sign in address):
        raise ValueError(f"{address!r} is no e-mail address")
    try:
        parsed = Address(addr_spec=address)
    except Exception:  # the parser of the standard library raises several kinds
        raise ValueError(f"{address!r} is no e-mail address") from None
    if not parsed.username or "." not in parsed.domain.strip("."):
        raise ValueError(f"{address!r} is no e-mail address")
    return parsed.addr_spec


def message(host: HostContext, row: Mapping[str, Any]) -> EmailMessage:
    """The message of a notification. Its id is stable, so that a repeated delivery is known as the same message."""
    mail = EmailMessage()
    sender = host.capability("smtp", "sender") or str(host.settings["EMAIL_FROM"])
    mail["From"] = Address(display_name=str(host.settings["SMTP_FROM_NAME"] or ""), addr_spec=check_address(sender))
    mail["To"] = check_address(row["recipient"])
    mail["Subject"] = row["subject"]
    mail["Date"] = format_datetime(row["created_at"])
    mail["Message-ID"] = f"<{row['id']}@{sender.rpartition('@')[2]}>"
    if row["user_id"] and row["category"] != "transactional":
        # RFC 8058: one click, without a page between
        mail["List-Unsubscribe"] = f"<{link(host, row['source_account_id'], row['user_id'], row['category'])}>"
        mail["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    mail.set_content(row["text"] or " ")
    if row["html"]:
        mail.add_alternative(row["html"], subtype="html")
    return mail


async def send(host: HostContext, row: Mapping[str, Any]) -> str:
    """Hand the mail to the mail server and return what it said."""
    import aiosmtplib

    server = host.capability("smtp", "host")
    if not server:
        raise TemporaryError("there is no mail server: set EMAIL_PROVIDER, or MAILPIT_ENABLED=true in dev")
    user = host.capability("smtp", "user") or None
    try:
        mail = message(host, row)
    except ValueError as error:
        raise PermanentError(str(error)) from None
    secure = host.capability("smtp", "secure") == "true"
    try:
        _, answer = await aiosmtplib.send(
            mail,
            hostname=server,
            port=int(host.capability("smtp", "port") or 587),
            username=user,
            password=(host.capability("smtp", "password") or None) if user else None,
            use_tls=secure,
            start_tls=None if not secure else False,
            timeout=TIMEOUT,
        )
    except aiosmtplib.SMTPRecipientsRefused as error:
        refused = error.recipients[0]
        raise _failure(refused.code, f"{refused.code} {refused.message}") from None
    except aiosmtplib.SMTPResponseException as error:
        raise _failure(error.code, f"{error.code} {error.message}") from None
    except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
        raise TemporaryError(f"the mail server does not answer: {error}") from None
    return answer[:200]


def _failure(code: int, detail: str) -> Exception:
    """RFC 5321: 5xx is final, but for a refused login, which the operator will mend."""
    return PermanentError(detail) if 500 <= code < 600 and code not in {530, 534, 535, 538} else TemporaryError(detail)
