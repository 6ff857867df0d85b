"""The table of identity providers (`providers.json`) joined with what AUTH_PROVIDER_* says of each."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from ..settings import SettingsError, is_web_url

TABLE = Path(__file__).with_name("providers.json")
_BOOL = TypeAdapter(bool)
_ENABLED = re.compile("AUTH_PROVIDER_([A-Z0-9_]+)_ENABLED")


class EmailList(BaseModel):
    """Where a provider lists a user's addresses, when its profile does not carry them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str
    list: str
    address: str
    primary: str
    verified: str


class Provider(BaseModel):
    """One provider: its endpoints, and the credentials if it is enabled.

    `fields` gives dotted paths into its profile, tried in order: `verified` is a boolean there, `verified_when` a value
    that is only present for a confirmed address. Without either an address counts as unverified.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    enabled: bool = False
    client_id: str = ""
    client_secret: str = Field("", repr=False)
    authorize: str = ""
    token: str = ""
    userinfo: str = ""
    discovery: str = ""
    jwks: str = ""
    request_token: str = ""
    issuers: tuple[str, ...] = ()
    scope: str = ""
    fields: dict[str, list[str]] = Field(default_factory=dict)
    emails: EmailList | None = None
    profile: str = "userinfo"
    pkce: bool = True
    oauth1: bool = False
    form_post: bool = False
    client_id_header: str = ""
    secret: str = "given"  # noqa: S105 - how the secret is come by, not one
    extra: dict[str, str] = Field(default_factory=dict)
    variables: dict[str, str] = Field(default_factory=dict, repr=False)


# Endpoints an operator may move, as hasura-auth names them for some providers; here for all.
_OVERRIDES = {
    "AUTHORIZATION_URL": "authorize",
    "TOKEN_URL": "token",
    "USER_PROFILE_URL": "userinfo",
    "JWKS_URL": "jwks",
    "REQUEST_TOKEN_URL": "request_token",
}


def load_providers(env: Mapping[str, str]) -> dict[str, Provider]:
    """Every provider by name. A provider that is enabled without its credentials is an error that names them."""
    table: dict[str, dict[str, Any]] = json.loads(TABLE.read_text("utf-8"))
    unknown = sorted({match[1] for name in env if (match := _ENABLED.fullmatch(name))} - set(variable_names(table)))
    if unknown:
        raise SettingsError(f"AUTH_PROVIDER_{unknown[0]}_ENABLED: no such provider; known are {', '.join(table)}")
    return {name: _provider(name, dict(entry), env) for name, entry in table.items()}


def variable_names(table: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Of each provider, as its variables have it."""
    return [entry.get("variable", name.upper()) for name, entry in table.items()]


def _switch(variable: str, value: str) -> bool:
    """A variable that is on or off, in any of the words that the other settings know."""
    try:
        return _BOOL.validate_python(value)
    except ValidationError:
        raise SettingsError(f"{variable}: use true or false, not {value!r}") from None


def _provider(name: str, entry: dict[str, Any], env: Mapping[str, str]) -> Provider:
    prefix = f"AUTH_PROVIDER_{entry.pop('variable', name.upper())}_"
    own = {key.removeprefix(prefix): value for key, value in env.items() if key.startswith(prefix)}
    places = {
        "tenant": own.get("TENANT") or entry.pop("tenant", ""),
        "base": (own.get("BASE_URL") or own.get("HOST") or entry.pop("base", "")).rstrip("/"),
    }
    entry.pop("tenant", None)
    entry.pop("base", None)
    for key in ("authorize", "token", "userinfo", "discovery"):
        if key in entry:
            entry[key] = entry[key].format(**places)
    for variable, key in _OVERRIDES.items():
        if own.get(variable):
            if not is_web_url(own[variable]):
                raise SettingsError(f"{prefix}{variable}: use a web address such as https://id.example.com/token")
            entry[key] = own[variable]
    if own.get("ISSUER"):
        entry["issuers"] = [own["ISSUER"]]
    if own.get("SCOPE"):
        entry["scope"] = " ".join(own["SCOPE"].replace(",", " ").split())
    if own.get("PKCE"):
        entry["pkce"] = _switch(prefix + "PKCE", own["PKCE"])
    enabled = _switch(prefix + "ENABLED", own.get("ENABLED", "false"))
    client_id = own.get("CLIENT_ID") or own.get("CONSUMER_KEY", "")
    secret = own.get("CLIENT_SECRET") or own.get("CONSUMER_SECRET", "")
    needed = {"CLIENT_ID": client_id}
    if entry.get("secret") == "apple":
        needed |= {key: own.get(key, "") for key in ("TEAM_ID", "KEY_ID", "PRIVATE_KEY")}
    else:
        needed["CLIENT_SECRET"] = secret
    if "discovery" in entry:
        needed["HOST"] = places["base"]
    missing = [prefix + key for key, value in needed.items() if not value]
    if enabled and missing:
        raise SettingsError(f"{name} is enabled without {', '.join(missing)}")
    return Provider(name=name, enabled=enabled, client_id=client_id, client_secret=secret, variables=own, **entry)
