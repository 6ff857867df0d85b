"""A new password for the database's owner, brought into a database that runs."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from builtin_plugins.core.postgres.roles import verifier
from builtin_plugins.core.postgres.sql_text import identifier, literal
from hookspecs import UserError

if TYPE_CHECKING:
    from hookspecs import Rekeying


def rekey(change: Rekeying) -> None:
    """Give the role the new password and prove that it logs in with it. Connections that are open stay open."""
    user = str(change.project.settings["POSTGRES_USER"])
    statement = f"SET standard_conforming_strings = on; ALTER ROLE {identifier(user)} PASSWORD {literal(verifier(change.new))};"
    try:
        change.access.sql.run(statement, user=user, password=change.old)
    except UserError as refused:
        try:  # a rotation that was cut off may have come this far
            change.access.sql.run(statement, user=user, password=change.new)
        except UserError:
            raise refused from None
    address = change.stack.address(change.service, "tcp")
    # over the network, where no runtime trusts without a password; on standard input, so that no argument holds it
    url = f"postgresql://{quote(user, safe='')}:{quote(change.new, safe='')}@{address.host}:{address.port}/postgres"
    answer = change.access.sql.run(f"\\connect {url}\nSELECT 'proven';\n", user=user, password=change.new)
    if "proven" not in answer:
        raise UserError("the database does not take its new password", where=change.service, code="rekey")
