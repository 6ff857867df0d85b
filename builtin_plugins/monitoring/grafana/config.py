"""Data sources and dashboards that are there from the first start.

https://grafana.com/docs/grafana/latest/administration/provisioning/
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from hookspecs import File, Get, Project, Stack
from hookspecs.resolve import plain

from .service import FOLDER, NAME

#: Capability → kind of data source; the kind is the uid that dashboards name.
_SOURCES = {"metrics": "prometheus", "logs": "loki", "traces": "tempo", "alerting": "alertmanager"}


def files(project: Project, stack: Stack) -> Iterator[File]:
    """The provisioning tree and one file per dashboard; nothing where it cannot run."""
    if stack.find(NAME) is None or stack.why_unavailable(NAME):
        return
    yield File(
        path=f"{FOLDER}/provisioning/datasources/nself.yml", content=_text({"apiVersion": 1, "datasources": _sources(stack)})
    )
    provider = {"name": "nself", "type": "file", "allowUiUpdates": True, "options": {"path": "/etc/grafana/dashboards"}}
    yield File(path=f"{FOLDER}/provisioning/dashboards/nself.yml", content=_text({"apiVersion": 1, "providers": [provider]}))
    for service in sorted(stack.services, key=lambda s: s.name):
        if stack.why_unavailable(service.name):
            continue
        for dashboard in service.dashboards:
            slug = re.sub(r"[^a-z0-9]+", "-", dashboard.title.lower()).strip("-")
            path = f"{FOLDER}/dashboards/{service.name}-{slug}.json"
            yield File(path=path, content=_text(dict(dashboard.content)), header="")


def _text(data: Any) -> str:
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


def _sources(stack: Stack) -> list[dict[str, Any]]:
    found = []
    for capability, kind in _SOURCES.items():
        url = plain(stack, NAME, Get(capability=capability, attribute="url"))
        if isinstance(url, str):
            source: dict[str, Any] = {"name": kind.title(), "uid": kind, "type": kind, "access": "proxy", "url": url}
            if kind == "prometheus":
                source["isDefault"] = True
            if kind == "alertmanager":
                source["jsonData"] = {"implementation": "prometheus"}
            found.append(source)
    return found
