"""Short messages with codes, through a provider that can be added.

A provider is an async function `(settings, http, number, text) -> None` that raises `SmsError` when the message was
not taken. AUTH_SMS_PROVIDER names one of ours or `module:function` of a package that is installed.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Awaitable, Callable

import httpx

from .settings import Settings, SettingsError

log = logging.getLogger("nself.auth")
Sender = Callable[[Settings, httpx.AsyncClient, str, str], Awaitable[None]]


class SmsError(Exception):
    """The provider did not take the message."""


async def twilio(settings: Settings, http: httpx.AsyncClient, number: str, text: str) -> None:
    """Twilio's Messages resource (https://www.twilio.com/docs/messaging/api/message-resource)."""
    account = settings.sms_twilio_account_sid
    try:
        answer = await http.post(
            f"https://api.twilio.com/2010-04-01/Accounts/{account}/Messages.json",
            data={"To": number, "Body": text, "MessagingServiceSid": settings.sms_twilio_messaging_service_id},
            auth=(account, settings.sms_twilio_auth_token),
        )
        answer.raise_for_status()
    except httpx.HTTPError as error:
        raise SmsError(type(error).__name__) from error


async def log_only(_settings: Settings, _http: httpx.AsyncClient, number: str, text: str) -> None:
    """Write the message to the log: for development (`dev`) and for test numbers."""
    log.info("SMS to %s: %s", number, text)


_BUILTIN: dict[str, Sender] = {"twilio": twilio, "dev": log_only}


def sender(settings: Settings) -> Sender | None:
    """The provider in force, or nothing where none is named."""
    name = settings.sms_provider
    if not name or name in _BUILTIN:
        return _BUILTIN.get(name)
    module, _, function = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError, ValueError):
        raise SettingsError(f"AUTH_SMS_PROVIDER: {name!r} is neither {' nor '.join(_BUILTIN)} nor module:function") from None
    return found  # type: ignore[no-any-return]


async def send(settings: Settings, http: httpx.AsyncClient, number: str, text: str) -> None:
    """Send through the provider in force; test numbers are only logged."""
    chosen = log_only if number in settings.sms_test_phone_numbers else sender(settings)
    if chosen is None:
        raise SmsError("no AUTH_SMS_PROVIDER")
    await chosen(settings, http, number, text)
