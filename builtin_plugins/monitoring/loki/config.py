"""``local-config.yaml`` of Loki 3: one process, files on its volume, old logs deleted.

https://grafana.com/docs/loki/latest/configure/
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
    store = {
        "from": "2024-04-01",
        "store": "tsdb",
        "object_store": "filesystem",
        "schema": "v13",
        "index": {"prefix": "index_", "period": "24h"},
    }
    content = {
        "auth_enabled": False,
        "server": {"http_listen_port": 3100, "log_level": "warn"},
        "common": {
            "path_prefix": "/loki",
            "replication_factor": 1,
            "ring": {"kvstore": {"store": "inmemory"}, "instance_addr": "127.0.0.1"},
            "storage": {"filesystem": {"chunks_directory": "/loki/chunks", "rules_directory": "/loki/rules"}},
        },
        "schema_config": {"configs": [store]},
        "limits_config": {"retention_period": project.settings["LOKI_RETENTION"], "volume_enabled": True},
        "compactor": {
            "working_directory": "/loki/compactor",
            "retention_enabled": True,
            "delete_request_store": "filesystem",
        },
        "analytics": {"reporting_enabled": False},
    }
    yield File(path=f"{FOLDER}/local-config.yaml", content=json.dumps(content, indent=2) + "\n")
