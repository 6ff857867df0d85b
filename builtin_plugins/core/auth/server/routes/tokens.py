"""Refresh, check and end of sessions."""

from __future__ import annotations

from starlette.responses import Response
from starlette.routing import BaseRoute

from .. import refresh_tokens
from ..errors import ApiError, unauthenticated
from ..http import Call, authenticate, bearer, ok, operation, reply
from ..models import Refresh, SignOut, VerifyToken


async def refresh(call: Call) -> Response:
    """Exchange a refresh token for a session."""
    return reply(await call.service.sessions.renew(call.body.refresh_token))


async def verify(call: Call) -> Response:
    """Whether an access token holds: the body's, else the header's."""
    token = call.body.token if call.body and call.body.token else bearer(call.request)
    if token is None:
        raise unauthenticated()
    authenticate(call.service, token)
    return ok()


async def sign_out(call: Call) -> Response:
    """End this session, or with `all` every session of the caller."""
    service, body = call.service, call.body
    if body.all:
        if call.caller is None:
            raise unauthenticated()
        await refresh_tokens.revoke_all(service.pool, call.caller.id)
    elif body.refresh_token:
        await refresh_tokens.revoke(service.pool, body.refresh_token)
    else:
        raise ApiError("invalid-request", message="refreshToken or all is needed")
    return ok()


def routes() -> list[BaseRoute]:
    """This module's operations."""
    return [
        operation("POST", "/token", refresh, body=Refresh),
        operation("POST", "/token/verify", verify, body=VerifyToken, body_required=False),
        operation("POST", "/signout", sign_out, body=SignOut, auth="optional"),
    ]
