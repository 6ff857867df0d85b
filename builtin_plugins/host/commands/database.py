"""The Host's tables, as the commands reach them: under the Host's own role, for one question."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import quote

from hookspecs import UserError

from ..document import password_variable
from ..schema import NAME, ROLE

if TYPE_CHECKING:
    import asyncpg

    from hookspecs import CommandContext

T = TypeVar("T")


def ask(context: CommandContext, env: str | None, question: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
    """What the question is answered. ``UserError`` where there is no Host, or its database does not answer."""
    if find_spec("asyncpg") is None:
        raise UserError("the plugin host's libraries are not installed", remedy="pip install 'nself[host]'", code="not-installed")
    values = context.environment("host", env)
    secret = quote(values[password_variable(NAME)], safe="")
    where = f"{values['NSELF_SQL_HOST']}:{values['NSELF_SQL_PORT']}/{values['NSELF_SQL_DATABASE']}"
    return asyncio.run(_ask(context.reach(f"postgresql://{ROLE}:{secret}@{where}", env), question))


async def _ask(url: str, question: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
    import asyncpg

    try:
        connection = await asyncpg.connect(url, timeout=10)
    except (OSError, TimeoutError, asyncpg.PostgresError) as error:
        told = str(error) or type(error).__name__
        raise UserError(f"the database does not answer: {told}", remedy="nself start", code="database") from None
    try:
        return await question(connection)
    except asyncpg.UndefinedTableError:
        raise UserError("the plugin host has no tables yet", remedy="nself start", code="host-tables") from None
    finally:
        await connection.close(timeout=5)
