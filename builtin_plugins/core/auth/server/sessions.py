"""Sessions: an access token, a refresh token and the user, as the contract's `Session`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from . import refresh_tokens
from .claims import Claims
from .keys import KeyRing
from .settings import Settings
from .users import User


class Sessions:
    """Opens and renews sessions."""

    def __init__(self, settings: Settings, keys: KeyRing, claims: Claims, rotation: refresh_tokens.Rotation) -> None:
        self._settings, self._keys, self._claims, self._rotation = settings, keys, claims, rotation

    async def open(self, conn: Any, user: User, *, elevated: bool = False) -> dict[str, Any]:
        """A new session with a refresh token of its own."""
        token_id, token = await self.refresh_token(conn, user)
        return await self.payload(user, token_id, token, elevated=elevated)

    async def refresh_token(self, conn: Any, user: User) -> tuple[UUID, str]:
        """Only the refresh token of a new session: what a redirect carries."""
        expires = datetime.now(UTC) + timedelta(seconds=self._settings.refresh_token_expires_in)
        return await refresh_tokens.issue(conn, user.id, expires)

    async def renew(self, token: str) -> dict[str, Any]:
        """The session after its refresh token was exchanged."""
        user, token_id, replacement = await self._rotation.rotate(token)
        return await self.payload(user, token_id, replacement)

    async def payload(self, user: User, token_id: UUID, token: str, *, elevated: bool = False) -> dict[str, Any]:
        """The contract's `Session`."""
        lifetime = self._settings.access_token_expires_in
        claims = await self._claims.of(user, elevated=elevated)
        return {
            "accessToken": self._keys.sign(str(user.id), claims, lifetime, session=str(token_id)),
            "accessTokenExpiresIn": lifetime,
            "refreshTokenId": str(token_id),
            "refreshToken": token,
            "user": user.public(),
        }
