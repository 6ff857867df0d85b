"""Who calls a plugin's route: what the Host found out, for plugins' own code. Needs the ``host`` extra.

The Host answers 401 before a plugin is asked, unless the request bears a valid token of the project's users or the internal
secret, or its path is among the manifest's ``permissions.public``. A route says by a FastAPI dependency whom it wants::

    from hookspecs.web import Caller, admin, caller, user

    @app.get("/mine")
    async def mine(me: Annotated[Caller, Depends(user)]): ...      # a signed-in user, else 401

    @app.delete("/all", dependencies=[Depends(admin)])             # the role admin or a service, else 403
    async def clear(): ...

    @app.get("/page")
    async def page(who: Annotated[Caller, Depends(caller)]): ...   # anybody, on a public path
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated

from fastapi import Depends, HTTPException
from starlette.requests import HTTPConnection

from hookspecs.models.base import Model

#: Where the Host puts the ``Caller`` into the ASGI scope.
SCOPE = "nself.caller"
#: The account of rows where the caller names none.
PRIMARY = "primary"
#: How a caller names an account; the second is an older spelling.
ACCOUNT_HEADERS = ("x-source-account-id", "x-app-name")
_ACCOUNT_CLAIM = "x-hasura-source-account-id"
_ACCOUNT = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}\Z")


class Caller(Model):
    """Who calls. ``user_id`` is the token's user; ``role`` the one in force, of ``roles`` the token allows."""

    user_id: str | None = None
    role: str = "anonymous"
    roles: tuple[str, ...] = ()
    session: Mapping[str, str] = {}
    """The token's session variables, in lower case: ``x-hasura-user-id`` …"""
    is_service: bool = False
    """It bore the internal secret: a service of the project, which has every right."""

    @property
    def is_admin(self) -> bool:
        """Whether it may do everything."""
        return self.is_service or self.role == "admin"

    @property
    def is_known(self) -> bool:
        """Whether it proved who it is."""
        return self.is_service or self.user_id is not None or bool(self.roles)


def caller(request: HTTPConnection) -> Caller:
    """Who calls; somebody unknown on a public path."""
    found = request.scope.get(SCOPE)
    return found if isinstance(found, Caller) else Caller()


def known(who: Annotated[Caller, Depends(caller)]) -> Caller:
    """Whoever proved who they are, user or service; 401 for others."""
    if not who.is_known:
        raise HTTPException(401, "a token is needed", {"WWW-Authenticate": "Bearer"})
    return who


def user(who: Annotated[Caller, Depends(known)]) -> Caller:
    """A signed-in user, whose ``user_id`` is set; 401 for others, services among them."""
    if who.user_id is None:
        raise HTTPException(401, "a user's token is needed", {"WWW-Authenticate": "Bearer"})
    return who


def admin(who: Annotated[Caller, Depends(known)]) -> Caller:
    """A service, or a user in the role ``admin``; 403 for others."""
    if not who.is_admin:
        raise HTTPException(403, "this is for administrators")
    return who


def account(request: HTTPConnection, who: Annotated[Caller, Depends(caller)]) -> str:
    """The account whose rows are meant, ``source_account_id``: several applications may share a plugin, each with its own rows.

    A token with the claim ``x-hasura-source-account-id`` is bound to that account (another one: 403). Else the header
    ``X-Source-Account-Id`` names it; without one it is ``primary``. A name is lower-case letters, digits, ``-`` and ``_``
    (else 400).
    """
    named = next((value for name in ACCOUNT_HEADERS if (value := request.headers.get(name))), None)
    bound = who.session.get(_ACCOUNT_CLAIM)
    wanted = (named or bound or PRIMARY).strip().lower()
    if not _ACCOUNT.match(wanted):
        raise HTTPException(400, "the account is named by lower-case letters, digits, hyphens and underscores")
    if bound and wanted != bound and not who.is_admin:
        raise HTTPException(403, "the token is bound to another account")
    return wanted
