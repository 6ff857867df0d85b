"""What the commands do to the users of a running project, each over a connection of its own."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal, Self, TypeVar

from hookspecs import UserError

from .programs import server

if TYPE_CHECKING:
    import asyncpg

    from hookspecs import CommandContext

    from .server.admin.users import UserSummary
    from .server.settings import Settings
    from .server.users import User

T = TypeVar("T")
_INSTALL = "pip install 'nself[native]'"


def require_server() -> None:
    """``UserError`` where the server's libraries are not installed."""
    if server() is None:
        raise UserError("the auth server's libraries are not installed", remedy=_INSTALL, code="not-installed")


@dataclass(frozen=True)
class Operator:
    """The auth tables of one environment, and the settings under which passwords are hashed and users made."""

    settings: Settings

    @classmethod
    def of(cls, context: CommandContext, env: str | None) -> Self:
        """That of the project around the working folder; ``UserError`` where it has no auth service."""
        require_server()
        from .server.settings import SettingsError, from_environment

        try:
            settings = from_environment(context.environment("auth", env))
        except SettingsError as error:
            raise UserError(f"the auth service cannot be configured: {error}", code="auth-settings") from None
        return cls(settings.model_copy(update={"database_url": context.reach(settings.database_url, env)}))

    def list(self, *, search: str, role: str, limit: int, offset: int) -> list[UserSummary]:
        """Users, newest first."""
        from .server.admin import users

        return self._do(lambda conn: users.list_users(conn, search=search, role=role, limit=limit, offset=offset))

    def roles(self) -> tuple[str, ...]:
        """Roles that are known by now."""
        from .server.admin import users

        return self._do(users.known_roles)

    def find(self, who: str) -> User:
        """The user of that id, address or phone number."""
        from .server.admin import users

        return self._do(lambda conn: users.find(conn, who))

    def create(
        self, email: str, *, password: str | None, roles: Sequence[str], default_role: str | None, name: str, verified: bool
    ) -> User:
        """Make a user; without roles it has those of a sign-up."""
        from .server.admin import users

        own = self.settings
        granted = tuple(roles) or own.allowed_roles
        default = default_role or (granted[0] if roles and own.default_role not in roles else own.default_role)
        with self._hasher() as hasher:
            return self._do(
                lambda conn: users.create(
                    conn, email, password=password, roles=granted, default_role=default, display_name=name,
                    locale=own.locale_default, verified=verified, hasher=hasher,
                )
            )  # fmt: skip

    def disable(self, who: str, *, disabled: bool) -> User:
        """Disable or enable a user."""
        from .server.admin import users

        return self._do(lambda conn: users.set_disabled(conn, who, disabled=disabled))

    def delete(self, who: str) -> User:
        """Delete a user."""
        from .server.admin import users

        return self._do(lambda conn: users.delete(conn, who))

    def set_roles(self, who: str, roles: Sequence[str], *, default_role: str | None) -> User:
        """Give a user these roles and no others."""
        from .server.admin import users

        return self._do(lambda conn: users.set_roles(conn, who, roles, default_role=default_role))

    def reset_password(self, who: str, password: str) -> User:
        """Set a password."""
        from .server.admin import users

        with self._hasher() as hasher:
            return self._do(lambda conn: users.reset_password(conn, who, password, hasher=hasher))

    def export(self, target: str, *, secrets: bool) -> int:
        """Write every user as a line to a file, 0600, or for ``-`` to standard output; how many there were."""
        from .server.admin import transfer

        async def write(conn: asyncpg.Connection, out: IO[str]) -> int:
            count = 0
            async for line in transfer.export_users(conn, secrets=secrets):
                out.write(line + "\n")
                count += 1
            return count

        if target == "-":
            return self._do(lambda conn: write(conn, sys.stdout))
        part = Path(f"{target}.part")
        if Path(target).exists():
            raise UserError("it is there already", where=target, remedy="remove it, or name another file", code="export")
        try:
            with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as out:
                count = self._do(lambda conn: write(conn, out))
                out.flush()
                os.fsync(out.fileno())
            part.replace(target)
        except FileExistsError:
            raise UserError("it is there already", where=str(part), remedy="remove it", code="export") from None
        except OSError as error:
            if error.filename != str(part):
                raise
            raise UserError(f"it cannot be written: {(error.strerror or '').lower()}", where=target, code="export") from None
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        return count

    def import_(self, lines: Iterable[str], *, existing: Literal["fail", "skip"]) -> tuple[int, int]:
        """Store users, all or none; how many were stored and how many were there already."""
        from .server.admin import transfer

        return self._do(lambda conn: transfer.import_users(conn, lines, existing=existing))

    def _hasher(self) -> Any:
        from contextlib import closing

        from .server.passwords import Passwords

        return closing(Passwords(self.settings.password_hash, self.settings.password_bcrypt_cost))

    def _do(self, work: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
        import asyncpg

        from .server.admin.users import AdminError, connect

        async def run() -> T:
            async with connect(self.settings.database_url) as conn:
                return await work(conn)

        try:
            return asyncio.run(run())
        except AdminError as error:
            raise UserError(str(error), code="auth-users") from None
        except asyncpg.UndefinedTableError:
            raise UserError("the auth tables are not there yet", remedy="nself start", code="auth-tables") from None
        except asyncpg.ForeignKeyViolationError as error:
            raise UserError(f"other rows still refer to it: {error}", where=error.table_name or "", code="auth-users") from None
        except asyncpg.InvalidAuthorizationSpecificationError as error:
            raise UserError(
                f"the database refuses the login: {error}",
                where="POSTGRES_PASSWORD",
                remedy="it keeps the password it was made with: put that one back, or nself secrets rotate POSTGRES_PASSWORD",
                code="database-login",
            ) from None
        except (OSError, asyncpg.PostgresConnectionError, asyncpg.CannotConnectNowError) as error:
            if isinstance(error, OSError) and error.filename:
                raise
            raise UserError(f"the database does not answer: {error}", remedy="nself start", code="not-started") from None


def shown(user: Any) -> dict[str, Any]:
    """A user as commands print it: nothing it signs in with."""
    names = ("id", "email", "phone_number", "display_name", "disabled", "email_verified", "default_role", "roles")
    return {name: getattr(user, name) for name in names}
