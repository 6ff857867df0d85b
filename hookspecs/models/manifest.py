"""``plugin.json``: what a plugin is and declares, as data that can be read without importing its code."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from hookspecs.models.base import Model

SettingType = Literal[
    "string", "bool", "int", "float", "port", "size", "duration", "url", "domain", "route", "list", "json", "path",
    "image", "email", "rate",
]  # fmt: skip

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*\Z")


def _plugin_name(value: str) -> str:
    if not _NAME.match(value) or len(value) > 60:
        raise ValueError(f"{value!r} is no plugin name: lower-case words joined by hyphens, at most 60 characters")
    return value


PluginName = Annotated[str, AfterValidator(_plugin_name)]


class Alias(Model):
    """Another spelling of a setting.

    ``json_fields`` is for a variable that holds JSON of several settings: field → setting it sets. ``values`` translates a value
    of the other spelling (``{"meilisearch": "true"}``); a value not named there does not set the setting.
    """

    name: str
    json_fields: Mapping[str, str] = {}
    values: Mapping[str, str] = {}
    preferred: bool = False
    """No note is given for this spelling."""


class Setting(Model):
    """One settings variable, declared once, by its owner.

    ``name`` may hold braces: ``CS_{N}_PORT`` (a number from 1), ``AUTH_PROVIDER_{NAME}_CLIENT_ID``. ``default`` is in
    ``.env`` form; ``defaults`` differ by environment class. For a secret, ``generate`` (characters) says it is shared by
    services alone and is made when missing; without it an outside party holds it, and outside dev it must be given.
    ``strength`` is the least length outside dev.
    """

    name: str
    type: SettingType = "string"
    default: str | None = None
    defaults: Mapping[Literal["dev", "staging", "prod"], str] = {}
    help: str
    secret: bool = False
    generate: int | None = None
    strength: int | None = None
    required: bool = False
    choices: tuple[str, ...] = ()
    pattern: str | None = None
    minimum: float | None = None
    maximum: float | None = None
    when: str | None = None
    """Name of the switch without which this setting is read by nobody: ``REDIS_PASSWORD`` when ``REDIS_ENABLED``."""
    aliases: tuple[Alias, ...] = ()
    unused: str = ""
    """Known, but read by nothing here: what would use it (a plugin, a later version)."""
    refused: str = ""
    """Known and refused: the reason and what to write instead."""
    forwards: bool = False
    """A ``list`` of names of variables to hand on: they count as known, and stand in ``Settings`` as text or secrets."""
    example: str | None = None


class Command(Model):
    """A command the plugin registers, so that help can name it without importing the plugin."""

    name: str
    help: str
    section: str = "Plugins"


class Permissions(Model):
    """What the plugin's code may reach."""

    database: tuple[str, ...] = ()
    network: tuple[str, ...] = ()
    filesystem: tuple[str, ...] = ()


class Manifest(Model):
    """A plugin as data. ``module`` hooks are found by import only once the plugin's state allows it."""

    name: PluginName
    version: str = Field(pattern=r"^\d+\.\d+\.\d+([.-][0-9A-Za-z.-]+)?$")
    summary: str = Field(min_length=1, max_length=200)
    publisher: str = ""
    tier: Literal["core", "free", "pro"] = "free"
    category: str = "other"
    bundles: tuple[str, ...] = ()
    hooks: tuple[str, ...] = ()
    commands: tuple[Command, ...] = ()
    settings: tuple[Setting, ...] = ()
    uses: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()
    depends_on: tuple[str, ...] = ()
    permissions: Permissions = Permissions()
    webhooks: tuple[Mapping[str, Any], ...] = ()
    services: tuple[Mapping[str, Any], ...] = ()
    """For a manifest-only plugin: ``Service`` objects as JSON."""
    offers: Mapping[str, str] = {}
    """Capability → how to switch it on (``{"cache": "REDIS_ENABLED=true"}``), for the error of an unmet need."""
    reads: tuple[str, ...] = ()
    """Paths of the project, as globs, that the hooks read; a change there makes the next build run."""
    min_nself: str = ""
    homepage: str = ""
    license: str = ""
