"""The database role of a plugin: its name, its password, its URL, as values that a runtime resolves.

A plugin's own container or process is given ``database_url("notify")`` as its ``DATABASE_URL``; in the Host ``host.pool`` is all
that is needed.
"""

from __future__ import annotations

from hookspecs.models.values import Get, Join, Secret

#: Roles of plugins and their tables begin so.
PREFIX = "np_"
#: The secret that the roles' passwords are derived from.
MASTER = "NSELF_MASTER_SECRET"


def role_of(plugin: str) -> str:
    """The role's name. Hyphens become underscores, of which a plugin's name has none, so no two plugins share a role."""
    return PREFIX + plugin.replace("-", "_")


def password_of(plugin: str) -> Secret:
    """The role's password: 64 hexadecimal digits, derived from the project's master secret."""
    return Secret(name=MASTER, derive=f"database role {role_of(plugin)}")


def database_url(plugin: str, database: str | None = None) -> Join:
    """The project's database, or another of that server, as the plugin's role reaches it."""
    host, port = Get(capability="sql", attribute="host"), Get(capability="sql", attribute="port")
    name = database or Get(capability="sql", attribute="database")
    return Join.of(f"postgresql://{role_of(plugin)}:", password_of(plugin), "@", host, ":", port, "/", name)
