"""Short messages with codes, through Twilio or whoever takes them at an address of the operator's own.

The second is how a provider is added (AUTH_SMS_PROVIDER=webhook). Each message is a POST to AUTH_SMS_WEBHOOK_URL after
Standard Webhooks 1.0 (https://www.standardwebhooks.com), signed with AUTH_SMS_WEBHOOK_SECRET (`whsec_` and Base64):

    {"type": "sms.send", "timestamp": "2026-01-31T12:00:00Z", "data": {"phoneNumber": "+4912345678", "text": "…"}}

An answer of 2xx within 10 s means that the message was taken; with any other the user is told `cannot-send-sms`.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import logging
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from uuid import uuid4

import httpx

from .settings import Settings, SettingsError

log = logging.getLogger("nself.auth")
Sender = Callable[[Settings, httpx.AsyncClient, str, str], Awaitable[None]]
_SHORTEST_SECRET = 24  # bytes; Standard Webhooks asks for 24 to 64


class SmsError(Exception):
    """The provider did not take the message."""


async def twilio(settings: Settings, http: httpx.AsyncClient, number: str, text: str) -> None:
    """Twilio's Messages resource (https://www.twilio.com/docs/messaging/api/message-resource)."""
    account = settings.sms_twilio_account_sid
    await _taken(
        http.post(
            f"https://api.twilio.com/2010-04-01/Accounts/{account}/Messages.json",
            data={"To": number, "Body": text, "MessagingServiceSid": settings.sms_twilio_messaging_service_id},
            auth=(account, settings.sms_twilio_auth_token),
        )
    )


async def webhook(settings: Settings, http: httpx.AsyncClient, number: str, text: str) -> None:
    """The operator's own address."""
    moment, ident = int(time.time()), f"msg_{uuid4().hex}"
    stamp = datetime.fromtimestamp(moment, UTC).isoformat().replace("+00:00", "Z")
    body = json.dumps({"type": "sms.send", "timestamp": stamp, "data": {"phoneNumber": number, "text": text}}).encode()
    mac = hmac.digest(_secret(settings), f"{ident}.{moment}.".encode() + body, "sha256")
    headers = {
        "content-type": "application/json",
        "webhook-id": ident,
        "webhook-timestamp": str(moment),
        "webhook-signature": "v1," + base64.b64encode(mac).decode(),
    }
    await _taken(http.post(settings.sms_webhook_url, content=body, headers=headers))


async def log_only(_settings: Settings, _http: httpx.AsyncClient, number: str, text: str) -> None:
    """Write the message to the log: for development (`dev`) and for test numbers."""
    log.info("SMS to %s: %s", number, text)


async def _taken(asked: Awaitable[httpx.Response]) -> None:
    try:
        (await asked).raise_for_status()
    except httpx.HTTPError as error:
        raise SmsError(type(error).__name__) from error


def _secret(settings: Settings) -> bytes:
    try:
        secret = base64.b64decode(settings.sms_webhook_secret.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        secret = b""
    if len(secret) < _SHORTEST_SECRET:
        raise SettingsError(f"AUTH_SMS_WEBHOOK_SECRET: use whsec_ and the Base64 of at least {_SHORTEST_SECRET} random bytes")
    return secret


_PROVIDERS: dict[str, Sender] = {"twilio": twilio, "webhook": webhook, "dev": log_only}


def sender(settings: Settings) -> Sender | None:
    """The provider in force, or nothing where none is named. `SettingsError` where it lacks something."""
    name = settings.sms_provider
    if not name:
        return None
    if name not in _PROVIDERS:
        raise SettingsError(f"AUTH_SMS_PROVIDER: {name!r} is none of {', '.join(_PROVIDERS)}")
    if name == "twilio":
        wanted = {
            "AUTH_SMS_TWILIO_ACCOUNT_SID": settings.sms_twilio_account_sid,
            "AUTH_SMS_TWILIO_AUTH_TOKEN": settings.sms_twilio_auth_token,
            "AUTH_SMS_TWILIO_MESSAGING_SERVICE_ID": settings.sms_twilio_messaging_service_id,
        }
        if missing := [variable for variable, value in wanted.items() if not value]:
            raise SettingsError(f"AUTH_SMS_PROVIDER=twilio needs {', '.join(missing)}")
    if name == "webhook":
        if not settings.sms_webhook_url:
            raise SettingsError("AUTH_SMS_WEBHOOK_URL: give the address that takes the messages")
        _secret(settings)
    return _PROVIDERS[name]


async def send(settings: Settings, http: httpx.AsyncClient, number: str, text: str) -> None:
    """Send through the provider in force; test numbers are only logged."""
    chosen = log_only if number in settings.sms_test_phone_numbers else sender(settings)
    if chosen is None:
        raise SmsError("no AUTH_SMS_PROVIDER")
    await chosen(settings, http, number, text)
