"""What every site shares: types, limits, headers, TLS and proxy defaults."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hookspecs import Project

#: Zone → how many requests above the rate are let through at once. A page of an application asks for dozens of files
#: at a time, a sign-in for a handful.
BURSTS: Mapping[str, int] = {
    "general": 50, "graphql": 50, "auth": 20, "upload": 10, "static": 200, "webhook": 30, "functions": 50, "user": 200,
}  # fmt: skip
#: Requests above the rate that a zone of a route's own lets through.
OWN_BURST = 20

TYPES = """default_type application/octet-stream;
types {
    text/html html htm;
    text/css css;
    text/plain txt;
    text/xml xml;
    text/markdown md;
    application/javascript js mjs;
    application/json json map;
    application/manifest+json webmanifest;
    application/wasm wasm;
    application/pdf pdf;
    application/zip zip;
    font/woff woff;
    font/woff2 woff2;
    font/ttf ttf;
    image/svg+xml svg;
    image/png png;
    image/jpeg jpg jpeg;
    image/gif gif;
    image/webp webp;
    image/avif avif;
    image/x-icon ico;
    audio/mpeg mp3;
    video/mp4 mp4;
    video/webm webm;
}
"""

#: What a service says itself wins: an empty value adds no header.
HEADERS = """map $http_upgrade $connection_upgrade {
    default upgrade;
    "" close;
}
map $upstream_http_x_content_type_options $add_content_type_options {
    "" nosniff;
}
map $upstream_http_x_frame_options $add_frame_options {
    "" SAMEORIGIN;
}
map $upstream_http_referrer_policy $add_referrer_policy {
    "" strict-origin-when-cross-origin;
}
map $upstream_http_content_security_policy $add_content_security_policy {
    "" "frame-ancestors 'self'";
}
map $upstream_http_permissions_policy $add_permissions_policy {
    "" "camera=(self), geolocation=(self), microphone=(self)";
}
"""

#: A browser's preflight is no request of the page's own, and a page cannot see why one was refused: it is not counted.
COUNTED = """map $request_method $counted_address {
    default $binary_remote_addr;
    OPTIONS "";
}
"""

#: What the proxy itself answers instead of a service, as JSON: codes, error, message. A page of another origin may read it: a
#: browser would call it a fault of CORS otherwise, and nobody would see that a service is down.
_OWN_ERRORS = (
    ("429", "invalid-request", "Too many requests: try again in a moment"),
    ("413", "invalid-request", "The body is larger than is taken here"),
    ("502", "service-unavailable", "The service behind this address does not answer"),
    ("504", "service-unavailable", "The service behind this address took too long"),
)


#: A service that is down says nothing to a browser's question whether it may ask: yes, so that the page sees the error.
_PREFLIGHT = [
    "    add_header Access-Control-Allow-Methods $http_access_control_request_method always;",
    "    add_header Access-Control-Allow-Headers $http_access_control_request_headers always;",
    "    if ($request_method = OPTIONS) {",
    "        return 204;",
    "    }",
]


def own_errors() -> str:
    """An ``error_page`` for each of them."""
    found = []
    for status, error, message in _OWN_ERRORS:
        retry = ["    add_header Retry-After 1 always;"] if status == "429" else []
        preflight = _PREFLIGHT if status in {"502", "504"} else []
        found += [
            f"error_page {status} = @error_{status};",
            f"location @error_{status} {{",
            "    include includes/answers.conf;",
            "    add_header Access-Control-Allow-Origin * always;",
            *retry,
            *preflight,
            "    default_type application/json;",
            f'    return {status} \'{{"status":{status},"error":"{error}","message":"{message}"}}\';',
            "}",
        ]
    return "\n".join(found) + "\n"


ANSWERS = """add_header X-Content-Type-Options $add_content_type_options always;
add_header X-Frame-Options $add_frame_options always;
add_header Referrer-Policy $add_referrer_policy always;
add_header Content-Security-Policy $add_content_security_policy always;
add_header Permissions-Policy $add_permissions_policy always;
"""

#: A year; not in dev, where a browser that learned it could never again reach the name without TLS.
STRICT_TRANSPORT = 'add_header Strict-Transport-Security "max-age=31536000; includeSubDomains" always;\n'

PROXY = """proxy_http_version 1.1;
proxy_set_header Host $http_host;
proxy_set_header X-Real-IP $remote_addr;
proxy_set_header X-Forwarded-For $remote_addr;
proxy_set_header X-Forwarded-Host $http_host;
proxy_set_header X-Forwarded-Proto $scheme;
proxy_redirect off;
"""

PRIVATE = """# Loopback and private networks (RFC 1918, RFC 4193) alone.
allow 127.0.0.0/8;
allow 10.0.0.0/8;
allow 172.16.0.0/12;
allow 192.168.0.0/16;
allow ::1;
allow fc00::/7;
deny all;
"""

_TLS = """# Mozilla's intermediate configuration, version 5.7 (https://ssl-config.mozilla.org); its DHE suites are left out,
# as they need parameters of their own and every client that knows them knows ECDHE.
ssl_certificate "{folder}{fullchain}";
ssl_certificate_key "{folder}{privkey}";
ssl_protocols TLSv1.2 TLSv1.3;
ssl_ciphers {ciphers};
ssl_prefer_server_ciphers off;
ssl_ecdh_curve X25519:prime256v1:secp384r1;
ssl_session_timeout 1d;
ssl_session_cache shared:nself:10m;
ssl_session_tickets off;
"""
_CIPHERS = (
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
)


def tls(folder: str, fullchain: str = "fullchain.pem", privkey: str = "privkey.pem") -> str:
    """The TLS settings with the certificate in ``folder`` (which ends in a slash, or is empty)."""
    return _TLS.format(folder=folder, fullchain=fullchain, privkey=privkey, ciphers=_CIPHERS)


def limits(project: Project, own: Mapping[str, str]) -> str:
    """The zones: those of the settings, counted by address (``user``: by token), and ``own`` ones of routes, name → rate."""
    lines = [*COUNTED.splitlines(), "limit_req_status 429;", "limit_req_log_level warn;"]
    for zone in BURSTS:
        rate = project.settings[f"RATE_LIMIT_{zone.upper()}_RATE"]
        key = "$http_authorization" if zone == "user" else "$counted_address"
        lines.append(f"limit_req_zone {key} zone={zone}:10m rate={rate};")
    lines += [f"limit_req_zone $counted_address zone={zone}:1m rate={rate};" for zone, rate in sorted(own.items())]
    return "\n".join(lines) + "\n"


def upstreams(groups: Mapping[str, Sequence[str]]) -> str:
    """Upstreams by name, each with its servers: those whose addresses are known when nginx starts."""
    blocks = [
        f"upstream {name} {{\n" + "".join(f"    server {server};\n" for server in servers) + "    keepalive 16;\n}\n"
        for name, servers in sorted(groups.items())
    ]
    return "\n".join(blocks) or "# none\n"
