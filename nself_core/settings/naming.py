"""The name of a project: what containers, DNS and databases all take."""

from __future__ import annotations

import re

_LONGEST = 63


def project_name_from(text: str) -> str:
    """The nearest name of a project to a text such as a folder's name: ``My App!`` is ``my-app``."""
    clean = re.sub(r"[^a-z0-9_-]+", "-", text.strip().lower())
    clean = re.sub(r"-{2,}", "-", clean).strip("-_")[:_LONGEST].rstrip("-_")
    if clean and not clean[0].isalpha():
        clean = f"app-{clean}"[:_LONGEST].rstrip("-_")
    return clean or "myproject"
