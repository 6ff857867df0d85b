"""``plugin.json``: what a plugin is and declares, as data that can be read without importing its code."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from hookspecs.models import manifest_rules as rules
from hookspecs.models.base import Model

SettingType = Literal[
    "string", "bool", "int", "float", "port", "size", "duration", "url", "domain", "route", "list", "json", "path",
    "image", "email", "rate",
]  # fmt: skip

_TABLE = re.compile(r"[a-z][a-z0-9_]{0,62}\Z")
_FOREIGN_TABLE = re.compile(r"([a-z_][a-z0-9_]*\.)?[a-z_][a-z0-9_]*(:write)?\Z")

PluginName = Annotated[str, AfterValidator(rules.plugin_name)]


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
    rotate_with: str = ""
    """The command that replaces this secret, where a new random value would not do: ``nself auth keys rotate``."""
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

    name: str = Field(pattern=r"^[a-z][a-z0-9-]*$")
    help: str
    section: str = "Plugins"


class Permissions(Model):
    """What the plugin's code may reach. A user is shown them at install, and asked again when an update widens them."""

    database: tuple[str, ...] = ()
    """Tables of others that it reads, as ``<table>`` or ``<schema>.<table>`` or, where it must write, ``<table>:write``. Its own
    need no word."""
    public: tuple[Annotated[str, AfterValidator(rules.path)], ...] = ()
    """Paths below ``/plugins/<name>`` that anybody may call without a token, as globs: ``/track``, ``/pages/*``."""
    network: tuple[Annotated[str, AfterValidator(rules.host)], ...] = ()
    """Hosts: ``api.stripe.com``, ``*.example.com``, ``*`` (any public address), ``stack`` (services of the project),
    ``setting:NAME`` (the address in that setting, which may be a private one as the user wrote it)."""
    filesystem: tuple[Annotated[str, AfterValidator(rules.folder)], ...] = ()
    """Folders beside its own data folder, as ``project:<path>`` or ``project:<path>:write``; none that is hidden."""
    ports: tuple[Annotated[int, Field(strict=True), AfterValidator(rules.port)], ...] = ()
    """Ports it listens on by itself, beside its routes in the Host."""

    @field_validator("database")
    @classmethod
    def _tables(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for entry in value:
            found = _FOREIGN_TABLE.match(entry)
            if found is None or found[1] in {"pg_catalog.", "information_schema.", "nself."}:
                raise ValueError(
                    f"{entry!r} is no table that could be asked for: <table>, <schema>.<table>, with :write to write"
                )
        return value


WebhookScheme = Literal["standard", "stripe", "github", "shopify", "slack", "twilio", "paypal", "hmac-sha256"]


class Webhook(Model):
    """Webhooks that the Host takes for the plugin at ``/webhooks/<plugin>`` (one source) or ``/webhooks/<plugin>/<source>``.

    ``secret`` names the setting that holds the secret; several, separated by white space or commas, all count (rotation).
    ``hmac-sha256`` reads the hexadecimal or Base64 signature of the raw body from ``header``, after ``prefix``. ``id`` and
    ``type`` say where the event's id and type stand, for schemes that do not: ``header:X-Name`` or ``body:path.to.field``; where
    there is no id, the hash of the body is it.
    """

    source: str = Field(pattern=r"^[a-z][a-z0-9-]*$")
    events: tuple[str, ...] = ()
    """Types that are taken, ``*`` at the end of one stands for any rest; others are acknowledged and dropped. Empty: all."""
    scheme: WebhookScheme
    secret: str
    header: str = ""
    prefix: str = ""
    id: str = ""
    type: str = ""
    tolerance: int = Field(default=300, ge=1)
    """Seconds a signed time may lie in the past or future, where the scheme signs one."""


class Manifest(Model):
    """A plugin as data, complete without its code."""

    format: Literal[1] = 1
    """Version of this form; a later, incompatible one is refused by name."""
    name: PluginName
    version: str = Field(pattern=r"^\d+\.\d+\.\d+([.-][0-9A-Za-z.-]+)?$")
    summary: str = Field(min_length=1, max_length=200)
    publisher: Annotated[str, AfterValidator(rules.publisher)] = ""
    """Who signs it. Its full name is ``publisher/name``."""
    tier: Literal["core", "free", "pro"] = "free"
    kind: Literal["service", "integration", "engine", "infra"] = "service"
    category: str = "other"
    bundles: tuple[str, ...] = ()
    hooks: tuple[Annotated[str, AfterValidator(rules.hook)], ...] = ()
    commands: tuple[Command, ...] = ()
    settings: tuple[Setting, ...] = ()
    uses: tuple[str, ...] = ()
    """Settings of others that it reads; a secret of another's is never given to what the Host runs."""
    tables: tuple[str, ...] = ()
    """Every table, view and sequence of its own the plugin has: a list, never a pattern. Each is named ``np_<name>_…``, with
    underscores for the hyphens of the plugin's name."""
    depends_on: tuple[Annotated[str, AfterValidator(rules.dependency)], ...] = ()
    """Other plugins, with a version range where one is needed (PEP 440): ``jobs``, ``notify>=1.2,<2``."""
    requires: tuple[Annotated[str, AfterValidator(rules.requirement)], ...] = ()
    """Python packages its part in the Host needs beside nself's own, as PEP 508 requirements."""
    own_environment: bool = False
    """Its ``requires`` go into an environment of its own (an engine such as MLflow), not into the one that plugins share."""
    permissions: Permissions = Permissions()
    webhooks: tuple[Webhook, ...] = ()
    services: tuple[Mapping[str, Any], ...] = ()
    """For a manifest-only plugin: ``Service`` objects as JSON."""
    offers: Mapping[str, str] = {}
    """Capability → how to switch it on (``{"cache": "REDIS_ENABLED=true"}``), for the error of an unmet need."""
    reads: tuple[str, ...] = ()
    """Paths of the project, as globs, that the hooks read; a change there makes the next build run."""
    min_nself: Annotated[str, AfterValidator(rules.nself_version)] = ""
    max_nself: Annotated[str, AfterValidator(rules.nself_version)] = ""
    """The first release it does not work with (exclusive), where that is known."""
    homepage: Annotated[str, AfterValidator(rules.homepage)] = ""
    license: str = ""

    @model_validator(mode="after")
    def _everything_once(self) -> Manifest:
        rules.once("the command", (one.name for one in self.commands))
        rules.once("the setting", (one.name for one in self.settings))
        rules.once("the webhook source", (one.source for one in self.webhooks))
        rules.once("the table", self.tables)
        rules.once("depends_on:", self.depends_on)
        return self

    @field_validator("services")
    @classmethod
    def _are_services(cls, value: tuple[Mapping[str, Any], ...]) -> tuple[Mapping[str, Any], ...]:
        import json

        from hookspecs.models.service import Service

        for service in value:
            Service.model_validate_json(json.dumps(service))
        return value

    @model_validator(mode="after")
    def _tables_bear_its_name(self) -> Manifest:
        prefix = f"np_{self.name.replace('-', '_')}_"
        for table in self.tables if self.tier != "core" else ():
            if not table.startswith(prefix) or not _TABLE.match(table):
                raise ValueError(f"table {table!r} must be named {prefix}…: lower-case letters, digits, underscores, at most 63")
        return self
