"""Dashboards as data: a title, and panels of one or two expressions, in Grafana's JSON model (schema version 39)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from hookspecs import Dashboard

_WIDTH, _HEIGHT = 12, 8  # of a grid 24 wide


class Panel(NamedTuple):
    """One panel: ``queries`` are (expression, legend); ``unit`` is Grafana's name of a unit (``percent``, ``bytes``, ``s``)."""

    title: str
    queries: Sequence[tuple[str, str]]
    unit: str = "short"
    kind: str = "timeseries"
    source: str = "prometheus"


def dashboard(uid: str, title: str, panels: Sequence[Panel]) -> Dashboard:
    """A dashboard with its panels two in a row."""
    content = {
        "uid": uid,
        "title": title,
        "tags": ["nself"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "panels": [_panel(number, panel) for number, panel in enumerate(panels)],
    }
    return Dashboard(title=title, content=content)


def _panel(number: int, panel: Panel) -> dict[str, Any]:
    source = {"type": panel.source, "uid": panel.source}
    return {
        "id": number + 1,
        "title": panel.title,
        "type": panel.kind,
        "datasource": source,
        "gridPos": {"x": number % 2 * _WIDTH, "y": number // 2 * _HEIGHT, "w": _WIDTH, "h": _HEIGHT},
        "fieldConfig": {"defaults": {"unit": panel.unit}, "overrides": []},
        "targets": [
            {"refId": chr(ord("A") + i), "expr": expression, "legendFormat": legend, "datasource": source}
            for i, (expression, legend) in enumerate(panel.queries)
        ],
    }
