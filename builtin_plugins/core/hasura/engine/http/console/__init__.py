"""The query page: one document put together from the files beside this one, so that it needs nothing from anywhere else."""

from __future__ import annotations

import base64
import hashlib
from functools import lru_cache
from importlib.resources import files

SCRIPTS = ("language.js", "schema.js", "editor.js", "explorer.js", "app.js")
Headers = list[tuple[bytes, bytes]]


@lru_cache(maxsize=1)
def console_page() -> tuple[bytes, Headers]:
    """The document and its headers; its policy admits this very style and script and no others."""
    folder = files(__package__)
    style = folder.joinpath("style.css").read_text(encoding="utf-8")
    scripts = "\n".join(folder.joinpath(name).read_text(encoding="utf-8") for name in SCRIPTS)
    script = f'"use strict";(() => {{\n{scripts}\n}})();'
    page = folder.joinpath("page.html").read_text(encoding="utf-8").replace("/*style*/", style).replace("/*script*/", script)
    policy = (
        f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; img-src data:; "
        "connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    headers = [
        (b"content-type", b"text/html; charset=utf-8"),
        (b"content-security-policy", policy.encode()),
        (b"referrer-policy", b"no-referrer"),
        (b"x-content-type-options", b"nosniff"),
    ]
    return page.encode(), headers


def _hash(text: str) -> str:
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"
