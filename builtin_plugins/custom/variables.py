"""What a custom service is told: the fixed set of variables, and what its slot adds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from builtin_plugins.custom import companions

if TYPE_CHECKING:
    from builtin_plugins.custom.faults import Faults
    from builtin_plugins.custom.slots import Slot
    from hookspecs.models.project import Project
    from hookspecs.models.values import Value

#: Variable → capability and attribute. Absent where nobody provides it.
_SHARED = {
    "DATABASE_URL": ("sql", "url"),
    "POSTGRES_HOST": ("sql", "host"),
    "POSTGRES_PORT": ("sql", "port"),
    "POSTGRES_DB": ("sql", "database"),
    "POSTGRES_USER": ("sql", "user"),
    "POSTGRES_PASSWORD": ("sql", "password"),
    "REDIS_URL": ("cache", "url"),
    "REDIS_HOST": ("cache", "host"),
    "REDIS_PORT": ("cache", "port"),
    "REDIS_PASSWORD": ("cache", "password"),
    "S3_ENDPOINT": ("s3", "endpoint"),
    "S3_ACCESS_KEY": ("s3", "access_key"),
    "S3_SECRET_KEY": ("s3", "secret_key"),
    "S3_BUCKET": ("s3", "bucket"),
    "S3_REGION": ("s3", "region"),
    "HASURA_GRAPHQL_ENDPOINT": ("graphql", "url"),
    "HASURA_GRAPHQL_ADMIN_SECRET": ("graphql", "admin_secret"),
    "HASURA_ADMIN_SECRET": ("graphql", "admin_secret"),
    "HASURA_GRAPHQL_JWT_SECRET": ("graphql", "jwt_secret"),
    "AUTH_SERVER_URL": ("auth", "url"),
    "AUTH_JWT_SECRET": ("auth", "jwt_key"),
    "AUTH_JWT_KEY": ("auth", "jwt_key"),
    "AUTH_JWT_TYPE": ("auth", "jwt_type"),
    "JWT_SECRET": ("auth", "jwt_key"),
}

#: Companion → variable it becomes, where it is set.
_HINTS = {
    "TABLE_PREFIX": "TABLE_PREFIX",
    "REDIS_PREFIX": "REDIS_PREFIX",
    "REDIS_DB": "REDIS_DB",
    "DATABASE": "SERVICE_DATABASE",
    "QUEUE_NAME": "QUEUE_NAME",
}


def fixed_variables(project: Project, slot: Slot) -> dict[str, Value]:
    """The same for every custom service, less what this project has not; the slot's own variables are laid over them."""
    from hookspecs.models.values import Get, Ref

    mode = "development" if project.environment.is_dev else "production"
    port = Ref(service=slot.label, port="http", as_="port")
    values: dict[str, Value] = {
        "PROJECT_NAME": project.name,
        "BASE_DOMAIN": project.domain,
        "ENV": project.environment.name,
        "ENVIRONMENT": project.environment.name,
        "APP_ENV": mode,
        "NODE_ENV": mode,
        "LOG_LEVEL": str(project.settings.get("LOG_LEVEL") or "info"),
        "SERVICE_NAME": slot.name,
        "PORT": port,
        "SERVICE_PORT": port,
        "BIND_ADDRESS": "0.0.0.0",  # noqa: S104  inside the container; natively it is loopback
    }
    if project.settings.get("AUTH_CLIENT_URL"):
        values["AUTH_CLIENT_URL"] = str(project.settings.get("AUTH_CLIENT_URL"))
    if slot.route:
        values["SERVICE_ROUTE"] = project.host(slot.route)
    for suffix, name in _HINTS.items():
        given = project.settings.get(slot.variable(suffix))
        if given is not None:
            values[name] = str(given)
    for name, (capability, attribute) in _SHARED.items():
        values[name] = Get(capability=capability, attribute=attribute)
    return values


#: Words in a name that say its value is a secret.
_SECRET_WORDS = ("SECRET", "PASSWORD", "TOKEN", "KEY", "CREDENTIAL", "DSN", "PRIVATE")


def private_names(project: Project, number: int, given: Mapping[str, Value]) -> frozenset[str]:
    """What must stay out of files that git would take: all that an env file gave, and what sounds like a secret."""
    listed = _list(project.settings.get(f"CS_{number}_ENV_FILE"))
    from_files = {name for path in listed for name in _from_file(project.root, path, "", None)}
    sounding = {name for name in given if any(word in name.upper() for word in _SECRET_WORDS)}
    return frozenset(name for name in given if name in from_files | sounding and isinstance(given[name], str))


def given_variables(project: Project, number: int, faults: Faults) -> dict[str, Value]:
    """``ENV_PASSTHROUGH`` < ``ENV_FILE`` < ``ENV``: each beats the one before, and all beat the fixed set."""
    settings = project.settings
    values: dict[str, Value] = {}
    for name in _list(settings.get(f"CS_{number}_ENV_PASSTHROUGH")):
        values |= _passed_through(project, name)
    for path in _list(settings.get(f"CS_{number}_ENV_FILE")):
        values |= _from_file(project.root, path, f"CS_{number}_ENV_FILE", faults)
    own, found = companions.variables(str(settings.get(f"CS_{number}_ENV", "")))
    faults.extend(f"CS_{number}_ENV", found)
    return values | own


def _list(raw: Any) -> list[str]:
    return [str(part) for part in raw] if isinstance(raw, list | tuple) else companions.words(str(raw or ""))


def _passed_through(project: Project, name: str) -> dict[str, Value]:
    """A variable of the project as it stands there; a secret travels by name. One that nobody sets is left out."""
    from hookspecs.models.values import Secret

    entry = project.settings.entries.get(name)
    if entry is None or (entry.value is None and not entry.secret):
        return {}
    return {name: Secret(name=name) if entry.secret else in_env_form(entry.value)}


def in_env_form(value: Any) -> str:
    """A typed value as text of an environment variable."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return ",".join(str(part) for part in value) if isinstance(value, list | tuple) else str(value)


def _from_file(root: Path, path: str, variable: str, faults: Faults | None) -> dict[str, Value]:
    """The variables of an env file of the project. A missing one, or a path out of the project, is a fault."""
    from dotenv import dotenv_values

    home = root.resolve()
    found = (home / path).resolve()
    if not found.is_relative_to(home):
        if faults is not None:
            faults.add(variable, f"{path!r} leads out of the project", "give a file inside it")
        return {}
    try:
        text = found.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        what = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        if faults is not None:
            faults.add(variable, f"{path!r} cannot be read: {what}", "give a file of NAME=value lines")
        return {}
    from io import StringIO

    return {name: value for name, value in dotenv_values(stream=StringIO(text), interpolate=False).items() if value is not None}
