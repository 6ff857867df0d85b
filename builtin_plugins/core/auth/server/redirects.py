"""Which URLs a user may be sent to."""

from __future__ import annotations

import re
from urllib.parse import SplitResult, parse_qsl, unquote, urlencode, urlsplit

_FORBIDDEN = re.compile(r"[\x00-\x20\x7f\\]")  # browsers strip or turn these into something else than we compared
_PORTS = {"http": 80, "https": 443}


def _split(url: str) -> SplitResult | None:
    """The URL's parts, or nothing for one that browsers and we could read differently."""
    if _FORBIDDEN.search(url):
        return None
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises for a port that is no number
    except ValueError:
        return None
    if not parts.scheme or parts.username is not None or "@" in parts.netloc:
        return None
    return None if parts.scheme in _PORTS and not parts.hostname else parts


def _glob(pattern: str, text: str, separators: str) -> bool:
    """`*` matches inside one part (host label, path segment), `**` across parts, all else literally."""
    pieces = re.split(r"(\*\*|\*)", pattern)
    expression = "".join(
        ".*" if piece == "**" else f"[^{re.escape(separators)}]+" if piece == "*" else re.escape(piece) for piece in pieces
    )
    return re.fullmatch(expression, text) is not None


def _path_matches(allowed: str, path: str) -> bool:
    """An allowed path covers itself and all below it, on segment boundaries."""
    path = unquote(path) or "/"
    if ".." in path.split("/"):
        return False
    base = allowed.rstrip("/")
    return base == "" or any(
        _glob(base, candidate, "/") for candidate in (path, *(path[: m.start()] for m in re.finditer("/", path)))
    )


def _matches(allowed: str, target: SplitResult) -> bool:
    rule = urlsplit(allowed.replace("*", "_star_"))
    scheme, host, path = (part.replace("_star_", "*") for part in (rule.scheme, rule.hostname or "", rule.path))
    if target.scheme.lower() != scheme.lower() or not _glob(host, (target.hostname or "").lower(), "./:@"):
        return False
    default = _PORTS.get(target.scheme)
    return (rule.port or default) == (target.port or default) and _path_matches(path, target.path)


def allowed(url: str, client_url: str, patterns: tuple[str, ...]) -> bool:
    """Whether `url` lies at or below the client's URL or one of the allowed ones."""
    target = _split(url)
    return target is not None and any(_matches(rule, target) for rule in (client_url, *patterns))


def with_query(url: str, values: dict[str, str]) -> str:
    """`url` with these query values set, keeping its other ones and its fragment."""
    head, hash_sign, fragment = url.partition("#")  # by hand: the standard library drops the slashes of `app://`
    base, _, query = head.partition("?")
    kept = [(name, value) for name, value in parse_qsl(query, keep_blank_values=True) if name not in values]
    return f"{base}?{urlencode([*kept, *values.items()])}{hash_sign}{fragment}"
