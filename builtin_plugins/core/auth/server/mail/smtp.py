"""One mail over SMTP."""

from __future__ import annotations

from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import formatdate, make_msgid, parseaddr

import aiosmtplib

from ..settings import Smtp

_TIMEOUT = 20


class DeliveryError(Exception):
    """The mail was not taken; `permanent` when the server will never take it."""

    def __init__(self, text: str, *, permanent: bool = False) -> None:
        super().__init__(text)
        self.permanent = permanent


def compose(sender: str, recipient: str, subject: str, html: str, plain: str, template: str) -> EmailMessage:
    """The message. Addresses go through the standard library's parser, which refuses line breaks in any header."""
    name, address = parseaddr(sender)
    message = EmailMessage(policy=SMTP_POLICY)
    message["From"] = Address(display_name=name, addr_spec=address)
    message["To"] = Address(addr_spec=recipient)
    message["Subject"] = subject
    message["Date"] = formatdate()
    message["Message-ID"] = make_msgid(domain=address.rpartition("@")[2] or "localhost")
    message["X-Email-Template"] = template
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: holiday notes are not sent back
    message.set_content(plain)
    message.add_alternative(html, subtype="html")
    return message


class Delivery:
    """Sends by the settings of AUTH_SMTP_*."""

    def __init__(self, settings: Smtp) -> None:
        self._settings = settings

    async def send(self, recipient: str, subject: str, html: str, plain: str, template: str) -> None:
        """Deliver one mail or raise `DeliveryError`."""
        smtp = self._settings
        try:
            message = compose(smtp.sender, recipient, subject, html, plain, template)
        except (ValueError, MessageError, IndexError) as error:
            raise DeliveryError(f"the mail cannot be written: {error}", permanent=True) from error
        try:
            await aiosmtplib.send(
                message,
                hostname=smtp.host,
                port=smtp.port,
                username=smtp.user or None,
                password=smtp.password or None,
                use_tls=smtp.secure,
                timeout=_TIMEOUT,
            )
        except aiosmtplib.SMTPRecipientsRefused as error:
            codes = [refused.code for refused in error.recipients]
            raise DeliveryError("the recipient was refused", permanent=all(code >= 500 for code in codes)) from error
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:  # the last for a host that is no name
            raise DeliveryError(f"{type(error).__name__}: {error}") from error
