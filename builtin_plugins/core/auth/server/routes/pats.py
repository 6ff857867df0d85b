"""Personal access tokens."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from starlette.responses import Response
from starlette.routing import BaseRoute

from .. import refresh_tokens, users
from ..errors import ApiError
from ..http import Call, operation, reply
from ..models import CreatePat, SignInPat

_LONGEST = timedelta(days=3660)
_SHORTEST = timedelta(days=1)


def _expiry(text: str) -> datetime:
    """The time as asked. It lies between a day and ten years ahead, so that a token made by mistake ends, too."""
    try:
        moment = datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ApiError("invalid-request", message="expiresAt is no date-time") from None
    if not moment - datetime.now(UTC) + timedelta(minutes=1) >= _SHORTEST or moment - datetime.now(UTC) > _LONGEST:
        raise ApiError("invalid-request", message="expiresAt must lie at least one day and at most ten years ahead")
    return moment


async def create(call: Call) -> Response:
    """A token for programs."""
    service = call.service
    expires = _expiry(call.body.expires_at)
    user = await users.by_id(service.pool, call.user_id)
    if user is None or user.disabled:
        raise ApiError("disabled-user")
    if user.is_anonymous:
        raise ApiError("forbidden-anonymous")
    token_id, token = await refresh_tokens.issue(service.pool, user.id, expires, kind="pat", metadata=call.body.metadata)
    return reply({"id": str(token_id), "personalAccessToken": token})


async def sign_in(call: Call) -> Response:
    """A session for a token."""
    service = call.service
    user = await refresh_tokens.by_pat(service.pool, call.body.personal_access_token)
    if user is None:
        raise ApiError("invalid-pat")
    if user.disabled:
        raise ApiError("disabled-user")
    return reply({"session": await service.sessions.open(service.pool, user)})


def routes() -> list[BaseRoute]:
    """This module's operations."""
    return [
        operation("POST", "/pat", create, body=CreatePat, auth="elevated"),
        operation("POST", "/signin/pat", sign_in, body=SignInPat, limits=("brute-force",)),
    ]
