"""``tempo.yml``: one process, traces taken over OTLP and Jaeger's HTTP, kept on its volume.

https://grafana.com/docs/tempo/latest/configuration/
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from hookspecs import File, Project, Stack

from .service import FOLDER, NAME


def files(project: Project, stack: Stack) -> Iterator[File]:
    """The configuration; nothing where it cannot run."""
    if stack.find(NAME) is None or stack.why_unavailable(NAME):
        return
    content = {
        "server": {"http_listen_port": 3200, "log_level": "warn"},
        "distributor": {
            "receivers": {
                "otlp": {"protocols": {"grpc": {"endpoint": "0.0.0.0:4317"}, "http": {"endpoint": "0.0.0.0:4318"}}},
                "jaeger": {"protocols": {"thrift_http": {"endpoint": "0.0.0.0:14268"}}},
            }
        },
        "compactor": {"compaction": {"block_retention": project.settings["TEMPO_RETENTION"]}},
        "storage": {
            "trace": {"backend": "local", "wal": {"path": "/var/tempo/wal"}, "local": {"path": "/var/tempo/blocks"}},
        },
        "usage_report": {"reporting_enabled": False},
    }
    yield File(path=f"{FOLDER}/tempo.yml", content=json.dumps(content, indent=2) + "\n")
