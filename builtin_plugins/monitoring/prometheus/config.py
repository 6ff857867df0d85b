"""``prometheus.yml`` and the alert rules, from what every service of the stack declares.

https://prometheus.io/docs/prometheus/latest/configuration/configuration/
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from hookspecs import File, Project, Service, Stack

from .service import NAME, folder


def files(project: Project, stack: Stack) -> Iterator[File]:
    """The configuration and the rules; JSON is YAML, so that no library writes it."""
    if stack.find(NAME) is None:
        return
    base = folder(project)
    yield File(path=f"{base}/prometheus.yml", content=_text(_configuration(project, stack)))
    yield File(path=f"{base}/rules.yml", content=_text(_rules(stack)))


def _text(data: Any) -> str:
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


def _running(stack: Stack) -> list[Service]:
    return sorted((s for s in stack.services if not stack.why_unavailable(s.name)), key=lambda s: s.name)


def _configuration(project: Project, stack: Stack) -> dict[str, Any]:
    interval = project.settings["PROMETHEUS_SCRAPE_INTERVAL"]
    jobs: dict[str, Any] = {}
    for service in _running(stack):
        for scrape in service.scrapes:
            job = scrape.job or service.name
            number = 2
            while job in jobs:
                job, number = f"{scrape.job or service.name}-{number}", number + 1
            jobs[job] = {"job_name": job, "metrics_path": scrape.path} | _targets(stack, service, scrape.port)
    told: dict[str, Any] = {}
    alertmanagers = [s for s in _running(stack) if "alerting" in s.provides]
    if alertmanagers:
        targets = [str(a) for s in alertmanagers for a in stack.addresses(s.name)]
        told = {"alerting": {"alertmanagers": [{"static_configs": [{"targets": targets}]}]}}
    return {
        "global": {
            "scrape_interval": interval,
            "evaluation_interval": interval,
            "external_labels": {"project": stack.project, "environment": stack.environment},
        },
        "rule_files": ["rules.yml"],
        **told,
        "scrape_configs": list(jobs.values()),
    }


def _targets(stack: Stack, service: Service, port: str) -> dict[str, Any]:
    """The instances: addresses natively; for copies in containers the name, which resolves to each of them."""
    if stack.addressing == "names" and service.replicas > 1:
        number = service.port(port).container
        return {"dns_sd_configs": [{"names": [service.name], "type": "A", "port": number}]}
    return {"static_configs": [{"targets": [str(address) for address in stack.addresses(service.name, port)]}]}


def _rules(stack: Stack) -> dict[str, Any]:
    groups = [
        {
            "name": service.name,
            "rules": [
                {
                    "alert": alert.name,
                    "expr": alert.expr,
                    "for": alert.for_,
                    "labels": {"severity": alert.severity, "service": service.name},
                    "annotations": {"summary": alert.summary or alert.name},
                }
                for alert in service.alerts
            ],
        }
        for service in _running(stack)
        if service.alerts
    ]
    return {"groups": groups}
