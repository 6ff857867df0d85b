"""What the monitoring bundle renders follows from what the services of the stack declare."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from hookspecs import File, Join, Secret
from nself_core.workspace import Workspace

BASE = "PROJECT_NAME=demo\nBASE_DOMAIN=example.test\nMONITORING_ENABLED=true\nREDIS_ENABLED=true\n"


def rendered(folder: Path, settings: str = "", runtime: str = "compose") -> dict[str, File]:
    (folder / ".env").write_text(BASE + settings)
    here = Workspace.open(start=folder)
    return {file.path: file for _, file in here.plugins.render_config(here.project(runtime), here.stack(runtime))}


def text(file: File) -> str:
    if isinstance(file.content, str):
        return file.content
    return "".join(part if isinstance(part, str) else f"<{part.name}>" for part in file.content.parts)


def test_every_scrape_is_a_job_and_every_alert_a_rule(tmp_path: Path) -> None:
    files = rendered(tmp_path)
    here = Workspace.open(start=tmp_path)
    running = [s for s in here.stack("compose").services if not here.stack("compose").why_unavailable(s.name)]
    jobs = yaml.safe_load(text(files["monitoring/prometheus/prometheus.yml"]))["scrape_configs"]
    assert {j["job_name"] for j in jobs} == {s.name for s in running if s.scrapes}
    assert {"prometheus", "node-exporter", "postgres-exporter", "redis-exporter", "cadvisor"} <= {j["job_name"] for j in jobs}
    groups = yaml.safe_load(text(files["monitoring/prometheus/rules.yml"]))["groups"]
    names = {rule["alert"] for group in groups for rule in group["rules"]}
    assert names == {a.name for s in running for a in s.alerts}
    assert {"ServiceDown", "PostgreSQLDown", "RedisDown", "LowDiskSpace", "HighCPUUsage"} <= names


def test_alerts_name_only_metrics_of_what_is_scraped(tmp_path: Path) -> None:
    known = ("up", "node_", "container_", "pg_", "redis_", "ALERTS", "scrape_")
    rendered(tmp_path)
    for service in Workspace.open(start=tmp_path).stack("compose").services:
        for alert in service.alerts:
            assert any(prefix in alert.expr for prefix in known), f"{service.name}: {alert.expr}"


def test_thresholds_reach_the_rules(tmp_path: Path) -> None:
    files = rendered(tmp_path, "DISK_ALERT_THRESHOLD=77\nSERVICE_DOWN_THRESHOLD=42\n")
    rules = text(files["monitoring/prometheus/rules.yml"])
    assert "> 77" in rules
    assert '"42s"' in rules


def test_data_sources_are_what_dashboards_name(tmp_path: Path) -> None:
    files = rendered(tmp_path)
    sources = yaml.safe_load(text(files["monitoring/grafana/provisioning/datasources/nself.yml"]))["datasources"]
    by_uid = {source["uid"]: source["url"] for source in sources}
    assert by_uid["prometheus"] == "http://prometheus:9090"
    assert by_uid["loki"] == "http://loki:3100"
    dashboards = [json.loads(text(f)) for path, f in files.items() if path.startswith("monitoring/grafana/dashboards/")]
    assert {d["title"] for d in dashboards} >= {"Container overview", "Service health", "PostgreSQL", "Redis", "Logs explorer"}
    assert len({d["uid"] for d in dashboards}) == len(dashboards)
    assert {p["datasource"]["uid"] for d in dashboards for p in d["panels"]} <= set(by_uid)


@pytest.mark.parametrize(("shipper", "path"), [("promtail", "config.yml"), ("alloy", "config.alloy")])
def test_either_shipper_sends_to_the_log_store(tmp_path: Path, shipper: str, path: str) -> None:
    files = rendered(tmp_path, f"LOG_SHIPPER={shipper}\n")
    assert "http://loki:3100/loki/api/v1/push" in text(files[f"monitoring/promtail/{path}"])
    service = Workspace.open(start=tmp_path).stack("compose").find("promtail")
    assert service is not None
    assert service.image is not None
    assert service.image.ref.startswith(f"grafana/{shipper}:")


SECRET = "https://hooks.slack.test/services/T000/B000/very-secret-part"


def test_receivers_keep_secrets_out_of_the_project(tmp_path: Path) -> None:
    settings = f"SLACK_WEBHOOK_URL={SECRET}\nALERT_EMAIL_TO=a@example.test,b@example.test\nMAILPIT_ENABLED=true\n"
    file = rendered(tmp_path, settings)["monitoring/alertmanager/alertmanager.yml"]
    assert isinstance(file.content, str)
    receiver = yaml.safe_load(file.content)["receivers"][0]
    assert receiver["slack_configs"] == [{"api_url_file": "/run/receivers/SLACK_WEBHOOK_URL", "send_resolved": True}]
    assert receiver["email_configs"][0]["to"] == "a@example.test, b@example.test"
    assert receiver["email_configs"][0]["smarthost"] == "mailpit:1025"
    assert SECRET not in file.content


def test_native_receivers_are_private(tmp_path: Path) -> None:
    file = rendered(tmp_path, f"SLACK_WEBHOOK_URL={SECRET}\n", "native").get("alertmanager/alertmanager.yml")
    assert file is not None
    assert isinstance(file.content, Join)
    assert file.mode == 0o600
    assert [part for part in file.content.parts if isinstance(part, Secret)] == [Secret(name="SLACK_WEBHOOK_URL", quote="json")]


def test_retention_follows_the_environment(tmp_path: Path) -> None:
    rendered(tmp_path, "ENV=dev\n")
    command = Workspace.open(start=tmp_path).stack("compose").find("prometheus").command
    assert "--storage.tsdb.retention.time=7d" in command
