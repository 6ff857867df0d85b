"""The table `auth.users`: reading a user with its roles, and making one."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID, uuid4

import asyncpg

from .errors import ApiError
from .settings import Settings

COLUMNS = """u.id, u.created_at, u.disabled, u.display_name, u.avatar_url, u.locale, u.email::text AS email, u.phone_number,
  u.password_hash, u.email_verified, u.phone_number_verified, u.new_email::text AS new_email, u.otp_hash,
  u.otp_hash_expires_at, u.otp_method_last_used, u.default_role, u.is_anonymous, u.totp_secret, u.active_mfa_type,
  u.ticket, u.ticket_expires_at, u.metadata,
  ARRAY(SELECT r.role FROM auth.user_roles r WHERE r.user_id = u.id ORDER BY r.created_at, r.role) AS roles"""


@dataclass(frozen=True, slots=True)
class User:
    """A row of `auth.users` with the roles of `auth.user_roles`."""

    id: UUID
    created_at: datetime
    disabled: bool
    display_name: str
    avatar_url: str
    locale: str
    email: str | None
    phone_number: str | None
    password_hash: str | None
    email_verified: bool
    phone_number_verified: bool
    new_email: str | None
    otp_hash: str | None
    otp_hash_expires_at: datetime
    otp_method_last_used: str | None
    default_role: str
    is_anonymous: bool
    totp_secret: str | None
    active_mfa_type: str | None
    ticket: str | None
    ticket_expires_at: datetime
    metadata: dict[str, Any] | None
    roles: tuple[str, ...]

    def public(self) -> dict[str, Any]:
        """The contract's `User`."""
        shown: dict[str, Any] = {
            "avatarUrl": self.avatar_url,
            "createdAt": self.created_at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
            "defaultRole": self.default_role,
            "displayName": self.display_name,
            "emailVerified": self.email_verified,
            "id": str(self.id),
            "isAnonymous": self.is_anonymous,
            "locale": self.locale,
            "metadata": self.metadata or {},
            "phoneNumberVerified": self.phone_number_verified,
            "roles": list(self.roles),
            "activeMfaType": self.active_mfa_type,
        }
        if self.email:
            shown["email"] = self.email
        if self.phone_number:
            shown["phoneNumber"] = self.phone_number
        return shown


@dataclass(frozen=True, slots=True)
class NewUser:
    """What a sign-up settled on, before there is a row."""

    locale: str
    default_role: str
    roles: tuple[str, ...]
    display_name: str
    metadata: dict[str, Any] | None = None
    avatar_url: str = ""
    email: str | None = None
    email_verified: bool = False
    phone_number: str | None = None
    password_hash: str | None = None
    is_anonymous: bool = False
    disabled: bool = False
    id: UUID | None = None


def from_row(row: asyncpg.Record | None) -> User | None:
    """The user a query with `COLUMNS` found."""
    if row is None:
        return None
    return User(**{name: row[name] for name in User.__slots__ if name != "roles"}, roles=tuple(row["roles"]))


async def by_id(conn: asyncpg.Pool | asyncpg.Connection, user_id: UUID) -> User | None:
    """The user with this id."""
    return from_row(await conn.fetchrow(f"SELECT {COLUMNS} FROM auth.users u WHERE u.id = $1", user_id))  # noqa: S608


async def by_email(conn: asyncpg.Pool | asyncpg.Connection, email: str) -> User | None:
    """The user with this address, letter case aside."""
    query = f"SELECT {COLUMNS} FROM auth.users u WHERE u.email = $1::text::citext"  # noqa: S608
    return from_row(await conn.fetchrow(query, email))


async def by_phone(conn: asyncpg.Pool | asyncpg.Connection, number: str) -> User | None:
    """The user with this phone number."""
    return from_row(await conn.fetchrow(f"SELECT {COLUMNS} FROM auth.users u WHERE u.phone_number = $1", number))  # noqa: S608


async def by_ticket(conn: asyncpg.Pool | asyncpg.Connection, ticket: str, *, consume: bool) -> User | None:
    """The user who holds an unexpired ticket; `consume` makes it count only once."""
    if consume:
        query = f"""WITH taken AS (
            UPDATE auth.users SET ticket = NULL, ticket_expires_at = now()
            WHERE ticket = $1 AND ticket_expires_at > now() RETURNING id)
          SELECT {COLUMNS} FROM taken JOIN auth.users u ON u.id = taken.id"""  # noqa: S608
    else:
        query = f"SELECT {COLUMNS} FROM auth.users u WHERE u.ticket = $1 AND u.ticket_expires_at > now()"  # noqa: S608
    return from_row(await conn.fetchrow(query, ticket))


async def insert(conn: asyncpg.Connection, new: NewUser) -> User:
    """Store a user with its roles in the caller's transaction; `email-already-in-use` if the address is taken."""
    user_id = new.id or uuid4()
    try:
        await conn.execute(
            """INSERT INTO auth.users (id, disabled, display_name, avatar_url, locale, email, email_verified, phone_number,
                 password_hash, default_role, is_anonymous, metadata)
               VALUES ($1, $2, $3, $4, $5, $6::text::auth.email, $7, $8, $9, $10, $11, $12)""",
            user_id,
            new.disabled,
            new.display_name,
            new.avatar_url,
            new.locale,
            new.email,
            new.email_verified,
            new.phone_number,
            new.password_hash,
            new.default_role,
            new.is_anonymous,
            new.metadata,
        )
    except asyncpg.UniqueViolationError as error:
        raise ApiError("email-already-in-use" if error.constraint_name == "users_email_key" else "invalid-request") from None
    await set_roles(conn, user_id, new.roles)
    user = await by_id(conn, user_id)
    if user is None:
        raise ApiError("internal-server-error")
    return user


async def find_or_insert(conn: asyncpg.Connection, new: NewUser) -> User:
    """The user with the new one's address or phone number, who is stored if need be, even if two ask for it at once."""
    try:
        async with conn.transaction():
            return await insert(conn, new)
    except ApiError:
        found = await by_email(conn, new.email) if new.email else await by_phone(conn, new.phone_number or "")
        if found is None:
            raise
        return found


async def take_over(conn: asyncpg.Connection, user_id: UUID) -> None:
    """The mailbox of an address nobody had proven is proven now, by somebody who need not be who signed up with it.

    What that one could come back by ends: password, keys, linked providers, second factor, sessions and tokens.
    """
    await conn.execute("DELETE FROM auth.refresh_tokens WHERE user_id = $1", user_id)
    await conn.execute("DELETE FROM auth.user_security_keys WHERE user_id = $1", user_id)
    await conn.execute("DELETE FROM auth.user_providers WHERE user_id = $1", user_id)
    await conn.execute(
        """UPDATE auth.users SET email_verified = true, password_hash = NULL, ticket = NULL, totp_secret = NULL,
             active_mfa_type = NULL WHERE id = $1""",
        user_id,
    )


async def set_roles(conn: asyncpg.Connection, user_id: UUID, roles: tuple[str, ...]) -> None:
    """Make these the user's roles and no others."""
    await conn.execute("DELETE FROM auth.user_roles WHERE user_id = $1 AND role <> ALL($2)", user_id, list(roles))
    await conn.execute(
        "INSERT INTO auth.user_roles (user_id, role) SELECT $1, unnest($2::text[]) ON CONFLICT DO NOTHING", user_id, list(roles)
    )


async def ensure_roles(conn: asyncpg.Pool | asyncpg.Connection, roles: tuple[str, ...]) -> None:
    """Roles that may be given to users exist in `auth.roles`."""
    await conn.execute("INSERT INTO auth.roles (role) SELECT unnest($1::text[]) ON CONFLICT DO NOTHING", list(roles))


def gravatar(settings: Settings, email: str | None) -> str:
    """The address of a user's Gravatar picture, or nothing. Gravatar's key is the MD5 of the lower-case address."""
    if not settings.gravatar_enabled or not email:
        return ""
    digest = hashlib.md5(email.strip().lower().encode(), usedforsecurity=False).hexdigest()
    query = urlencode({"r": settings.gravatar_rating, "default": settings.gravatar_default})
    return f"https://www.gravatar.com/avatar/{digest}?{query}"
