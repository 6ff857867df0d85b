"""Users as lines of JSON, out of one database and into another: `export` and `import`.

A line holds the columns of `auth.users` under their names with `roles`, `providers` and `security_keys`; sessions,
tickets and codes stay behind. Password hashes are bcrypt or argon2id and go along unless they are left out.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import AsyncIterator, Iterable
from typing import Annotated, Any, Literal, Self
from uuid import UUID

import asyncpg
import pyotp
from argon2 import extract_parameters
from argon2.exceptions import InvalidHashError
from pydantic import AwareDatetime, BaseModel, ConfigDict, StringConstraints, ValidationError, field_validator, model_validator

from .. import users
from ..models import PhoneNumber
from .users import AdminError, checked_email, checked_roles

_COLUMNS = (
    "id", "created_at", "disabled", "display_name", "avatar_url", "locale", "email", "phone_number", "password_hash",
    "email_verified", "phone_number_verified", "default_role", "is_anonymous", "totp_secret", "active_mfa_type", "metadata",
)  # fmt: skip
_BCRYPT = re.compile(r"\$2[aby]\$\d\d\$[./A-Za-z0-9]{53}")
_MOST_MEMORY = 1 << 20  # KiB that checking one password may take
_SECRETS = ("password_hash", "totp_secret", "active_mfa_type")


class ExportedProvider(BaseModel):
    """One linked identity. Its tokens stay behind: the provider gives new ones at the next sign-in."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    provider_id: str
    provider_user_id: str


class ExportedKey(BaseModel):
    """One security key; the public key as base64."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    credential_id: str
    credential_public_key: str
    counter: int = 0
    transports: str = ""
    nickname: str | None = None


class ExportedUser(BaseModel):
    """One line."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: UUID
    created_at: AwareDatetime
    disabled: bool = False
    display_name: str = ""
    avatar_url: str = ""
    locale: Annotated[str, StringConstraints(min_length=2, max_length=3)] = "en"  # three in later versions of hasura-auth
    email: str | None = None
    phone_number: PhoneNumber | None = None
    password_hash: str | None = None
    email_verified: bool = False
    phone_number_verified: bool = False
    default_role: str = "user"
    is_anonymous: bool = False
    totp_secret: str | None = None
    active_mfa_type: Literal["totp", "sms"] | None = None
    metadata: dict[str, Any] | None = None
    roles: tuple[str, ...] = ()
    providers: tuple[ExportedProvider, ...] = ()
    security_keys: tuple[ExportedKey, ...] = ()

    @field_validator("password_hash")
    @classmethod
    def _hashed(cls, value: str | None) -> str | None:
        if value is None or _BCRYPT.fullmatch(value):
            return value
        try:
            cost = extract_parameters(value)
        except InvalidHashError:
            raise ValueError("neither a bcrypt nor an argon2id hash") from None
        if cost.memory_cost > _MOST_MEMORY:
            raise ValueError(f"an argon2id hash that asks for more than {_MOST_MEMORY} KiB")
        return value

    @field_validator("totp_secret")
    @classmethod
    def _base32(cls, value: str | None) -> str | None:
        try:
            if value is not None:
                pyotp.TOTP(value).at(0)
        except ValueError:
            raise ValueError("no base32") from None
        return value

    @model_validator(mode="after")
    def _has_secret(self) -> Self:
        if self.active_mfa_type == "totp" and not self.totp_secret:
            raise ValueError("active_mfa_type: totp without totp_secret: the user could never sign in")
        return self


def _first(error: ValidationError) -> str:
    """The first thing that is wrong, without its value: it may be a secret."""
    first = error.errors(include_input=False)[0]
    where = ".".join(map(str, first["loc"]))
    return f"{where + ': ' if where else ''}{first['msg']}"


async def export_users(conn: asyncpg.Connection, *, secrets: bool = True) -> AsyncIterator[str]:
    """Every user as a line, by age, from one snapshot."""
    async with conn.transaction(isolation="repeatable_read", readonly=True):
        columns = ", ".join(f"u.{name}::text AS email" if name == "email" else f"u.{name}" for name in _COLUMNS)
        query = f"""SELECT {columns},
              ARRAY(SELECT r.role FROM auth.user_roles r WHERE r.user_id = u.id ORDER BY r.role) AS roles,
              (SELECT coalesce(jsonb_agg(jsonb_build_object('provider_id', p.provider_id,
                 'provider_user_id', p.provider_user_id)), '[]') FROM auth.user_providers p WHERE p.user_id = u.id) AS providers,
              (SELECT coalesce(jsonb_agg(jsonb_build_object('credential_id', k.credential_id, 'credential_public_key',
                 encode(k.credential_public_key, 'base64'), 'counter', k.counter, 'transports', k.transports,
                 'nickname', k.nickname)), '[]') FROM auth.user_security_keys k WHERE k.user_id = u.id) AS security_keys
            FROM auth.users u ORDER BY u.created_at, u.id"""  # noqa: S608
        async for row in conn.cursor(query):
            given = {name: row[name] for name in _COLUMNS if secrets or name not in _SECRETS}
            extra = {name: row[name] for name in ("roles", "providers", "security_keys")}
            try:
                user = ExportedUser.model_validate({**given, **extra})
            except ValidationError as error:  # a row of another server's, or one that somebody wrote by hand
                raise AdminError(f"user {row['id']}: {_first(error)}") from None
            yield user.model_dump_json(exclude_none=True)


async def import_users(
    conn: asyncpg.Connection, lines: Iterable[str], *, existing: Literal["fail", "skip"] = "fail"
) -> tuple[int, int]:
    """Store every line's user, all or none; how many were stored and how many were there already."""
    stored = skipped = 0
    async with conn.transaction():
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                user = ExportedUser.model_validate_json(line)
            except ValidationError as error:
                raise AdminError(f"line {number}: {_first(error)}") from None
            try:
                made = await _store(conn, user, skip=existing == "skip")
            except AdminError as error:
                raise AdminError(f"line {number}: {error}") from None
            except asyncpg.ForeignKeyViolationError as error:
                raise AdminError(f"line {number}: {error.detail}") from None
            except (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError) as error:
                raise AdminError(f"line {number}: the database does not take it: {error}") from None
            stored, skipped = stored + made, skipped + (not made)
    return stored, skipped


async def _store(conn: asyncpg.Connection, user: ExportedUser, *, skip: bool) -> bool:
    if user.email is not None:
        checked_email(user.email)
    taken = await conn.fetchval(
        """SELECT EXISTS (SELECT 1 FROM auth.users WHERE id = $1 OR email = $2::text::citext OR phone_number = $3)""",
        user.id,
        user.email,
        user.phone_number,
    )
    if taken and skip:
        return False
    if taken:
        raise AdminError(f"the user {user.email or user.id} is there already")
    await users.ensure_roles(conn, checked_roles([*user.roles, user.default_role]))
    values: dict[str, Any] = {name: getattr(user, name) for name in _COLUMNS}
    places = ", ".join(f"${n}::text::auth.email" if name == "email" else f"${n}" for n, name in enumerate(_COLUMNS, 1))
    await conn.execute(f"INSERT INTO auth.users ({', '.join(_COLUMNS)}) VALUES ({places})", *values.values())  # noqa: S608
    await users.set_roles(conn, user.id, user.roles)
    for provider in user.providers:
        await conn.execute(
            "INSERT INTO auth.user_providers (user_id, provider_id, provider_user_id, access_token) VALUES ($1, $2, $3, '')",
            user.id,
            provider.provider_id,
            provider.provider_user_id,
        )
    for key in user.security_keys:
        await _store_key(conn, user.id, key)
    return True


async def _store_key(conn: asyncpg.Connection, user_id: UUID, key: ExportedKey) -> None:
    try:
        public = base64.b64decode(key.credential_public_key, validate=False)
    except (binascii.Error, ValueError):
        raise AdminError("credential_public_key is no base64") from None
    await conn.execute(
        """INSERT INTO auth.user_security_keys (user_id, credential_id, credential_public_key, counter, transports, nickname)
           VALUES ($1, $2, $3, $4, $5, $6)""",
        user_id,
        key.credential_id,
        public,
        key.counter,
        key.transports,
        key.nickname,
    )
