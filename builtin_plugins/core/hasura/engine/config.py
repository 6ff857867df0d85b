"""Configuration by the image's own environment variables (HASURA_GRAPHQL_*)."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

PREFIX = "HASURA_GRAPHQL_"
DEFAULT_LOG_TYPES = ("startup", "http-log", "webhook-log", "websocket-log", "jwk-refresh-log")


class ConfigError(Exception):
    """A variable whose value cannot be used; the message names it."""


def _flag(env: Mapping[str, str], name: str, default: bool = False) -> bool:
    raw = env.get(PREFIX + name)
    if raw is None or raw == "":
        return default
    lowered = raw.strip().lower()
    if lowered in {"true", "t", "yes", "y", "1", "on"}:
        return True
    if lowered in {"false", "f", "no", "n", "0", "off"}:
        return False
    raise ConfigError(f"{PREFIX}{name}: expected true or false, found {raw!r}")


def _number(env: Mapping[str, str], name: str, default: int, minimum: int = 0) -> int:
    raw = env.get(PREFIX + name)
    if raw is None or raw == "":
        return default
    try:
        value = int(raw)
    except ValueError:
        raise ConfigError(f"{PREFIX}{name}: expected a number, found {raw!r}") from None
    if value < minimum:
        raise ConfigError(f"{PREFIX}{name}: must be at least {minimum}")
    return value


def _words(env: Mapping[str, str], name: str, default: tuple[str, ...]) -> tuple[str, ...]:
    raw = env.get(PREFIX + name)
    return tuple(word.strip() for word in raw.split(",") if word.strip()) if raw else default


@dataclass(frozen=True)
class Config:
    """Everything the engine is told from outside."""

    database_url: str
    metadata_database_url: str
    host: str = "127.0.0.1"
    port: int = 8080
    admin_secrets: tuple[str, ...] = ()
    jwt_secrets: tuple[dict[str, Any], ...] = ()
    auth_hook: str = ""
    auth_hook_mode: str = "GET"
    unauthorized_role: str = ""
    dev_mode: bool = False
    admin_internal_errors: bool = True
    stringify_numeric: bool = False
    remote_schema_permissions: bool = False
    infer_function_permissions: bool = True
    enable_console: bool = False
    enable_allowlist: bool = False
    enabled_apis: tuple[str, ...] = ("metadata", "graphql", "config")
    log_types: tuple[str, ...] = DEFAULT_LOG_TYPES
    log_level: str = "info"
    cors_domain: str = "*"
    disable_cors: bool = False
    ws_read_cookie: bool = False
    pool_size: int = 20
    connection_timeout: int = 10
    live_refetch_ms: int = 1000
    live_batch: int = 100
    stream_refetch_ms: int = 1000
    stream_batch: int = 100
    events_fetch_ms: int = 1000
    events_pool: int = 100
    events_batch: int = 100
    async_actions_fetch_ms: int = 1000
    schema_poll_ms: int = 1000
    metrics_secret: str = ""
    max_body: int = 100 * 1024 * 1024
    metadata_dir: str = ""
    experimental: tuple[str, ...] = ()
    environ: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)

    @property
    def secured(self) -> bool:
        """True when a request without credentials is not the admin's."""
        return bool(self.admin_secrets)


def read(env: Mapping[str, str] | None = None) -> Config:
    """Read the environment; raises ConfigError naming the variable that is wrong."""
    source = dict(os.environ if env is None else env)
    get = lambda name, default="": source.get(PREFIX + name) or default  # noqa: E731
    database = get("DATABASE_URL") or source.get("DATABASE_URL", "")
    metadata = get("METADATA_DATABASE_URL") or database
    if not metadata:
        raise ConfigError(f"{PREFIX}DATABASE_URL: a PostgreSQL connection URL is needed")
    hook_mode = get("AUTH_HOOK_MODE", "GET").upper()
    if hook_mode not in {"GET", "POST"}:
        raise ConfigError(f"{PREFIX}AUTH_HOOK_MODE: expected GET or POST, found {hook_mode!r}")
    admin_secrets = _secrets(get("ADMIN_SECRET") or get("ACCESS_KEY"), get("ADMIN_SECRETS"))
    jwt_secrets = _jwt_secrets(get("JWT_SECRET"), get("JWT_SECRETS"))
    if jwt_secrets and get("AUTH_HOOK"):
        raise ConfigError(f"{PREFIX}JWT_SECRET and {PREFIX}AUTH_HOOK: only one of them may be set")
    if (jwt_secrets or get("AUTH_HOOK")) and not admin_secrets:
        raise ConfigError(f"{PREFIX}ADMIN_SECRET: needed where {PREFIX}JWT_SECRET or {PREFIX}AUTH_HOOK is set")
    return Config(
        database_url=database or metadata,
        metadata_database_url=metadata,
        host=get("SERVER_HOST", "127.0.0.1"),
        port=_number(source, "SERVER_PORT", 8080, 1),
        admin_secrets=admin_secrets,
        jwt_secrets=jwt_secrets,
        auth_hook=get("AUTH_HOOK"),
        auth_hook_mode=hook_mode,
        unauthorized_role=get("UNAUTHORIZED_ROLE"),
        dev_mode=_flag(source, "DEV_MODE"),
        admin_internal_errors=_flag(source, "ADMIN_INTERNAL_ERRORS", True),
        stringify_numeric=_flag(source, "STRINGIFY_NUMERIC_TYPES"),
        remote_schema_permissions=_flag(source, "ENABLE_REMOTE_SCHEMA_PERMISSIONS"),
        infer_function_permissions=_flag(source, "INFER_FUNCTION_PERMISSIONS", True),
        enable_console=_flag(source, "ENABLE_CONSOLE"),
        enable_allowlist=_flag(source, "ENABLE_ALLOWLIST"),
        enabled_apis=_words(source, "ENABLED_APIS", ("metadata", "graphql", "config", "metrics")),
        log_types=_words(source, "ENABLED_LOG_TYPES", DEFAULT_LOG_TYPES),
        log_level=get("LOG_LEVEL", "info").lower(),
        cors_domain=get("CORS_DOMAIN", "*"),
        disable_cors=_flag(source, "DISABLE_CORS"),
        ws_read_cookie=_flag(source, "WS_READ_COOKIE"),
        pool_size=_number(source, "PG_CONNECTIONS", 20, 1),
        connection_timeout=_number(source, "PG_CONN_TIMEOUT", 10, 1),
        live_refetch_ms=_number(source, "LIVE_QUERIES_MULTIPLEXED_REFETCH_INTERVAL", 1000, 1),
        live_batch=_number(source, "LIVE_QUERIES_MULTIPLEXED_BATCH_SIZE", 100, 1),
        stream_refetch_ms=_number(source, "STREAMING_QUERIES_MULTIPLEXED_REFETCH_INTERVAL", 1000, 1),
        stream_batch=_number(source, "STREAMING_QUERIES_MULTIPLEXED_BATCH_SIZE", 100, 1),
        events_fetch_ms=_number(source, "EVENTS_FETCH_INTERVAL", 1000, 10),
        events_pool=_number(source, "EVENTS_HTTP_POOL_SIZE", 100, 1),
        events_batch=_number(source, "EVENTS_FETCH_BATCH_SIZE", 100, 1),
        async_actions_fetch_ms=_number(source, "ASYNC_ACTIONS_FETCH_INTERVAL", 1000, 10),
        schema_poll_ms=_number(source, "SCHEMA_SYNC_POLL_INTERVAL", 1000, 10),
        metrics_secret=get("METRICS_SECRET"),
        max_body=_number(source, "MAX_BODY_BYTES", 100 * 1024 * 1024, 1024),
        metadata_dir=get("METADATA_DIR"),
        experimental=_words(source, "EXPERIMENTAL_FEATURES", ()),
        environ=source,
    )


def _secrets(one: str, many: str) -> tuple[str, ...]:
    found = [one] if one else []
    if many:
        try:
            parsed = json.loads(many)
        except ValueError:
            raise ConfigError(f"{PREFIX}ADMIN_SECRETS: expected a JSON list of strings") from None
        if not isinstance(parsed, list) or not all(isinstance(item, str) for item in parsed):
            raise ConfigError(f"{PREFIX}ADMIN_SECRETS: expected a JSON list of strings")
        found += parsed
    return tuple(dict.fromkeys(found))


def _jwt_secrets(one: str, many: str) -> tuple[dict[str, Any], ...]:
    found: list[dict[str, Any]] = []
    for name, raw, plural in (("JWT_SECRET", one, False), ("JWT_SECRETS", many, True)):
        if not raw:
            continue
        try:
            parsed = json.loads(raw)
        except ValueError as error:
            raise ConfigError(f"{PREFIX}{name}: not valid JSON ({error})") from None
        items = parsed if plural else [parsed]
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            raise ConfigError(f"{PREFIX}{name}: expected a JSON object with type and key, or jwk_url")
        found += items
    return tuple(found)
