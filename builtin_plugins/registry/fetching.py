"""Fetch a registry's root metadata, to be taken only when it has the fingerprint that its operator told."""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path

from hookspecs.errors import UserError

#: No root metadata is larger.
MAX_BYTES = 512_000


def fetch_root(url: str, fingerprint: str) -> bytes:
    """``root.json`` of the registry; ``UserError`` where it is not reached, or is another than the fingerprint says."""
    data = _get(url)
    found = hashlib.sha256(data).hexdigest()
    if not hmac.compare_digest(found, fingerprint.strip().lower().removeprefix("sha256:")):
        raise UserError(
            f"the registry's root.json has the fingerprint {found}, another one than you gave", where=url,
            remedy="ask its operator again, by another way than the registry", code="registry-root",
        )  # fmt: skip
    return data


def _get(url: str) -> bytes:
    import httpx

    if "://" not in url:
        return (Path(url) / "root.json").read_bytes()
    place = f"{url.rstrip('/')}/root.json"
    data = b""
    try:
        with httpx.stream("GET", place, timeout=15, follow_redirects=True) as answer:
            answer.raise_for_status()
            for chunk in answer.iter_bytes():
                data += chunk
                if len(data) > MAX_BYTES:
                    raise UserError("its root.json has no end", where=place, code="registry-length")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise UserError(f"the registry is not reached: {error}", where=place, code="registry-unreachable") from None
    return data
