"""What an operator does to users: `list`, `create`, `disable`, `delete`, `set-roles`, `reset-password`.

Every function takes a connection (see `connect`) and names a user by id, address or phone number.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from .. import refresh_tokens, users
from ..database import prepare
from ..errors import ApiError
from ..models import DisplayName, Email, Password
from ..passwords import Passwords
from ..users import NewUser, User

_EMAIL = TypeAdapter(Email)
_PASSWORD = TypeAdapter(Password)
_NAME = TypeAdapter(DisplayName)
_ROLE = re.compile(r"[A-Za-z][A-Za-z0-9_:-]{0,62}")


class AdminError(Exception):
    """What was asked cannot be done; the text says why."""


class UserSummary(BaseModel):
    """One line of `list`."""

    model_config = ConfigDict(frozen=True)

    id: UUID
    email: str | None
    phone_number: str | None
    display_name: str
    disabled: bool
    email_verified: bool
    is_anonymous: bool
    default_role: str
    roles: tuple[str, ...]
    mfa: bool
    created_at: datetime
    last_seen: datetime | None

    @property
    def state(self) -> str:
        """Whether it may sign in, in a word."""
        if self.disabled:
            return "disabled"
        if self.is_anonymous:
            return "anonymous"
        return "active" if self.email_verified or not self.email else "unverified"


@asynccontextmanager
async def connect(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection as these functions need it."""
    conn = await asyncpg.connect(database_url)
    try:
        await prepare(conn)
        yield conn
    finally:
        await conn.close()


def checked_email(email: str) -> str:
    """The address, or `AdminError` for one that the column would refuse."""
    try:
        return _EMAIL.validate_python(email)
    except ValidationError:
        raise AdminError(f"{email!r} is no e-mail address") from None


def checked_roles(roles: Iterable[str]) -> tuple[str, ...]:
    """The roles without repetition, or `AdminError` for a name that no permission could be written for."""
    found = tuple(dict.fromkeys(roles))
    for role in found:
        if not _ROLE.fullmatch(role):
            raise AdminError(f"{role!r} is no role: use letters, digits, _, - and :, a letter first")
    return found


def _checked_password(password: str) -> str:
    """The password if sign-in would take it at all: the contract allows 3 to 50 characters."""
    try:
        return _PASSWORD.validate_python(password)
    except ValidationError:
        raise AdminError("a password has 3 to 50 characters") from None


def _checked_name(name: str) -> str:
    """The name if a sign-up could have it."""
    try:
        return _NAME.validate_python(name)
    except ValidationError:
        raise AdminError("a name has at most 32 characters: letters, digits, symbols, spaces and , . ' -") from None


async def known_roles(conn: asyncpg.Connection) -> tuple[str, ...]:
    """Roles that some user has had, or that a sign-up may ask for."""
    return tuple(row["role"] for row in await conn.fetch("SELECT role FROM auth.roles ORDER BY role"))


async def find(conn: asyncpg.Connection, who: str) -> User:
    """The user with this id, address or phone number."""
    try:
        user = await users.by_id(conn, UUID(who))
    except ValueError:
        user = await (users.by_email(conn, who) if "@" in who else users.by_phone(conn, who))
    if user is None:
        raise AdminError(f"there is no user {who}")
    return user


async def list_users(
    conn: asyncpg.Connection, *, search: str = "", role: str = "", limit: int = 100, offset: int = 0
) -> list[UserSummary]:
    """Users, newest first; `search` is looked for in address, name and phone number, as it stands."""
    rows = await conn.fetch(
        """SELECT u.id, u.email::text AS email, u.phone_number, u.display_name, u.disabled, u.email_verified, u.is_anonymous,
             u.default_role, u.active_mfa_type IS NOT NULL AS mfa, u.created_at, u.last_seen,
             ARRAY(SELECT r.role FROM auth.user_roles r WHERE r.user_id = u.id ORDER BY r.role) AS roles
           FROM auth.users u
           WHERE ($1 = '' OR strpos(lower(concat_ws(' ', u.email::text, u.display_name, u.phone_number)), lower($1)) > 0)
             AND ($2 = '' OR EXISTS (SELECT 1 FROM auth.user_roles r WHERE r.user_id = u.id AND r.role = $2))
           ORDER BY u.created_at DESC, u.id LIMIT $3 OFFSET $4""",
        search,
        role,
        limit,
        offset,
    )
    return [UserSummary.model_validate({**row, "roles": tuple(row["roles"])}) for row in rows]


async def create(
    conn: asyncpg.Connection,
    email: str,
    *,
    password: str | None = None,
    roles: Sequence[str] = ("user", "me"),
    default_role: str = "user",
    display_name: str = "",
    locale: str = "en",
    verified: bool = True,
    metadata: dict[str, Any] | None = None,
    hasher: Passwords | None = None,
) -> User:
    """Make a user. Without a password only links, codes and providers sign it in."""
    granted = checked_roles([*roles, default_role])
    own = hasher or Passwords()
    try:
        password_hash = await own.hash(_checked_password(password)) if password else None
    finally:
        if hasher is None:
            own.close()
    new = NewUser(
        locale=locale,
        default_role=default_role,
        roles=granted,
        display_name=_checked_name(display_name) if display_name else email,
        metadata=metadata,
        email=checked_email(email),
        email_verified=verified,
        password_hash=password_hash,
    )
    try:
        async with conn.transaction():
            await users.ensure_roles(conn, granted)
            return await users.insert(conn, new)
    except ApiError as error:
        raise AdminError(f"{email}: {error.message}") from None


async def set_disabled(conn: asyncpg.Connection, who: str, *, disabled: bool = True) -> User:
    """Disable a user, which ends its sessions and tokens, or enable it again."""
    user = await find(conn, who)
    async with conn.transaction():
        await conn.execute("UPDATE auth.users SET disabled = $2 WHERE id = $1", user.id, disabled)
        if disabled:
            await refresh_tokens.revoke_all(conn, user.id, keep_pats=False)
    return await find(conn, str(user.id))


async def delete(conn: asyncpg.Connection, who: str) -> User:
    """Delete a user with everything of it in the schema `auth`; what it was."""
    user = await find(conn, who)
    await conn.execute("DELETE FROM auth.users WHERE id = $1", user.id)
    return user


async def set_roles(conn: asyncpg.Connection, who: str, roles: Sequence[str], *, default_role: str | None = None) -> User:
    """Give a user these roles and no others. New roles take effect with the next access token."""
    user = await find(conn, who)
    default = default_role or (user.default_role if user.default_role in roles else roles[0] if roles else user.default_role)
    granted = checked_roles([*roles, default])
    async with conn.transaction():
        await users.ensure_roles(conn, granted)
        await users.set_roles(conn, user.id, granted)
        await conn.execute("UPDATE auth.users SET default_role = $2 WHERE id = $1", user.id, default)
    return await find(conn, str(user.id))


async def reset_password(conn: asyncpg.Connection, who: str, password: str, *, hasher: Passwords | None = None) -> User:
    """Set a password. Every session of the user ends; personal access tokens stay."""
    user = await find(conn, who)
    own = hasher or Passwords()
    try:
        password_hash = await own.hash(_checked_password(password))
    finally:
        if hasher is None:
            own.close()
    async with conn.transaction():
        await conn.execute(
            "UPDATE auth.users SET password_hash = $2, ticket = NULL, otp_hash = NULL WHERE id = $1", user.id, password_hash
        )
        await refresh_tokens.revoke_all(conn, user.id)
    return await find(conn, str(user.id))
