"""The endpoints besides GraphQL and metadata: health, version, config, metrics and the query page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import EngineError
from .console import console_page
from .reply import JSON, dump

if TYPE_CHECKING:
    from ..process import Process

VERSION = "v2.48.0-nself"
TEXT = [(b"content-type", b"text/plain; charset=utf-8")]


async def page(app: Process, path: str, method: str, headers: dict[str, str]) -> tuple[int, bytes, list[tuple[bytes, bytes]]]:
    """Answer one of these paths, or 404."""
    if path in ("/healthz", "/hasura/healthz") and method in ("GET", "HEAD"):
        return await health(app)
    if path == "/v1/version" and method == "GET":
        return 200, dump({"server_type": "ce", "version": VERSION}), [JSON]
    if path == "/v1alpha1/config" or (path == "/v1/config" and method == "GET"):
        return await config(app, headers)
    if path in ("/metrics", "/v1/metrics"):
        return await metrics(app, headers)
    if path in ("/", "/console", "/console/") and method == "GET":
        body, page_headers = console_page()
        return 200, body, page_headers
    raise EngineError("not-found", "resource does not exist", "$", 404)


async def health(app: Process) -> tuple[int, bytes, list[tuple[bytes, bytes]]]:
    """`OK`, or `WARN` when some metadata is inconsistent, or 503 when the database does not answer."""
    try:
        async with app.engine.pool.lease() as lease:
            await lease.value("SELECT 1", [])
    except Exception:
        return 503, b"ERROR: the database does not answer", TEXT
    if not app.engine.ready:
        return 503, b"ERROR: the schema is not loaded yet", TEXT
    if app.engine.schema.inconsistent:
        return 200, b"WARN: inconsistent objects in schema", TEXT
    return 200, b"OK", TEXT


async def config(app: Process, headers: dict[str, str]) -> tuple[int, bytes, list[tuple[bytes, bytes]]]:
    """How the server is set up; for the admin alone."""
    session = await app.auth.session(headers)
    if session.role != "admin":
        raise EngineError("access-denied", "restricted access : admin only", "$", 400)
    settings = app.config
    shown: dict[str, Any] = {
        "version": VERSION,
        "is_function_permissions_inferred": settings.infer_function_permissions,
        "is_remote_schema_permissions_enabled": settings.remote_schema_permissions,
        "is_admin_secret_set": settings.secured,
        "is_auth_hook_set": bool(settings.auth_hook),
        "is_jwt_set": bool(settings.jwt_secrets),
        "jwt": [
            {"claims_namespace": s.get("claims_namespace"), "claims_format": s.get("claims_format", "json")}
            for s in settings.jwt_secrets
        ],
        "is_allow_list_enabled": settings.enable_allowlist,
        "live_queries": {"batch_size": settings.live_batch, "refetch_delay": settings.live_refetch_ms / 1000},
        "streaming_queries": {"batch_size": settings.stream_batch, "refetch_delay": settings.stream_refetch_ms / 1000},
        "console_assets_dir": None,
        "experimental_features": list(settings.experimental),
        "is_prometheus_metrics_enabled": True,
    }
    return 200, dump(shown), [JSON]


async def metrics(app: Process, headers: dict[str, str]) -> tuple[int, bytes, list[tuple[bytes, bytes]]]:
    """Prometheus text; guarded by HASURA_GRAPHQL_METRICS_SECRET when that is set."""
    secret = app.config.metrics_secret
    if secret:
        import hmac

        given = headers.get("authorization", "").removeprefix("Bearer ")
        if not hmac.compare_digest(given.encode(), secret.encode()):
            raise EngineError("access-denied", "a metrics secret is needed", "$", 401)
    executor = app.engine.executor
    sockets = app.sockets
    values = {
        "hasura_graphql_requests_total": ("counter", app.requests),
        "hasura_http_failures_total": ("counter", app.failures),
        "hasura_cache_hits_total": ("counter", executor.hits),
        "hasura_cache_misses_total": ("counter", executor.misses),
        "hasura_postgres_connections": ("gauge", app.engine.pool.opened),
        "hasura_websocket_connections": ("gauge", len(sockets.connections) if sockets else 0),
        "hasura_active_subscriptions": ("gauge", sockets.count() if sockets else 0),
        "hasura_metadata_resource_version": ("gauge", app.engine.resource_version),
    }
    lines = [f"# TYPE {name} {kind}\n{name} {value}" for name, (kind, value) in values.items()]
    return 200, ("\n".join(lines) + "\n").encode(), TEXT
