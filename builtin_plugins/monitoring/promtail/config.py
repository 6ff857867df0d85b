"""The shipper's configuration: every container's log file, its lines taken out of Docker's JSON.

https://grafana.com/docs/loki/latest/send-data/promtail/configuration/ ·
https://grafana.com/docs/alloy/latest/reference/components/loki/
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from hookspecs import File, Get, Project, Stack
from hookspecs.resolve import plain

from .service import FOLDER, LOGS, NAME, alloy_wanted


def files(project: Project, stack: Stack) -> Iterator[File]:
    """The configuration of the shipper in force; nothing where it cannot run."""
    url = plain(stack, NAME, Get(capability="logs", attribute="url"))
    if stack.find(NAME) is None or stack.why_unavailable(NAME) or not isinstance(url, str):
        return
    push = f"{url}/loki/api/v1/push"
    labels = {"job": "containers", "project": stack.project, "environment": stack.environment}
    if alloy_wanted(project):
        yield File(path=f"{FOLDER}/config.alloy", content=_alloy(push, labels), header="//")
    else:
        yield File(path=f"{FOLDER}/config.yml", content=_promtail(push, labels))


def _promtail(push: str, labels: dict[str, str]) -> str:
    content = {
        "server": {"http_listen_port": 9080, "grpc_listen_port": 0, "log_level": "warn"},
        "positions": {"filename": "/tmp/positions.yaml"},  # noqa: S108  in its container
        "clients": [{"url": push}],
        "scrape_configs": [
            {
                "job_name": "containers",
                "static_configs": [{"targets": ["localhost"], "labels": labels | {"__path__": f"{LOGS}/*/*-json.log"}}],
                "pipeline_stages": [{"docker": {}}],
            }
        ],
    }
    return json.dumps(content, indent=2) + "\n"


def _alloy(push: str, labels: dict[str, str]) -> str:
    named = "\n".join(f"      {name} = {json.dumps(value)}," for name, value in labels.items())
    return f"""local.file_match "containers" {{
  path_targets = [
    {{
      __path__ = "{LOGS}/*/*-json.log",
{named}
    }},
  ]
}}

loki.source.file "containers" {{
  targets    = local.file_match.containers.targets
  forward_to = [loki.process.containers.receiver]
}}

loki.process "containers" {{
  forward_to = [loki.write.store.receiver]
  stage.docker {{ }}
}}

loki.write "store" {{
  endpoint {{
    url = {json.dumps(push)}
  }}
}}
"""
