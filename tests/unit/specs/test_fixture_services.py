"""The services of the demo project as specifications: image, loopback port, probe, needs and route, per environment."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from hookspecs import Service, Stack
from nself_core.workspace import Workspace
from tests.conftest import FIXTURE_SECRETS

pytestmark = pytest.mark.shared

#: name: (image repository, {port name: wished host port}, probe, hard needs, hosts of its routes)
WANTED: dict[str, tuple[str, dict[str, int | None], Any, set[str], set[str]]] = {
    "hasura": ("hasura/graphql-engine", {"http": 8080}, "/healthz", {"postgres"}, {"api"}),
    "auth": ("nhost/hasura-auth", {"http": 4000}, "/healthz", {"postgres"}, {"auth"}),
    "nginx": ("nginx", {"http": 80, "https": 443}, "/health", set(), set()),
    "nself-admin": ("nself/nself-admin", {"http": 3021}, "/api/health", {"postgres", "hasura"}, {"admin"}),
    "meilisearch": ("getmeili/meilisearch", {"http": 7700}, "/health", set(), {"search"}),
    "prometheus": ("prom/prometheus", {"http": 9090}, "/-/healthy", set(), {"prometheus"}),
    "grafana": ("grafana/grafana", {"http": 3030}, "/api/health", set(), {"grafana"}),
    "loki": ("grafana/loki", {"http": 3110}, "/ready", set(), set()),
    "promtail": ("grafana/promtail", {"http": None}, "tcp", {"loki"}, set()),
    "tempo": (
        "grafana/tempo", {"http": 3200, "otlp-grpc": 4317, "otlp-http": 4318, "jaeger": 14268}, "/ready", set(), set(),
    ),
    "alertmanager": ("prom/alertmanager", {"http": 9093}, "/-/healthy", set(), {"alertmanager"}),
    "cadvisor": ("gcr.io/cadvisor/cadvisor", {"http": 8082}, "/healthz", set(), set()),
    "node-exporter": ("prom/node-exporter", {"http": 9100}, "/metrics", set(), set()),
    "postgres-exporter": ("prometheuscommunity/postgres-exporter", {"http": 9187}, "/metrics", {"postgres"}, set()),
    "redis-exporter": ("oliver006/redis_exporter", {"http": 9121}, "/health", {"redis"}, set()),
}  # fmt: skip
MONITORING = (
    "prometheus", "grafana", "loki", "promtail", "tempo", "alertmanager", "cadvisor", "node-exporter", "postgres-exporter",
    "redis-exporter",
)  # fmt: skip


def workspace(folder: Path, shared: Path, monkeypatch: pytest.MonkeyPatch, env: str = "dev", **settings: str) -> Workspace:
    """The demo project in one environment, with settings of the process environment laid over it."""
    for file in (shared / "fixtures" / "nself-demo").iterdir():
        shutil.copy(file, folder / file.name)
    for name, value in {**FIXTURE_SECRETS, **settings}.items():
        monkeypatch.setitem(os.environ, name, value)
    return Workspace.open(env=env, start=folder)


@pytest.fixture
def dev(tmp_path: Path, shared: Path, monkeypatch: pytest.MonkeyPatch) -> Stack:
    return workspace(tmp_path, shared, monkeypatch).stack("compose")


def service(stack: Stack, name: str) -> Service:
    found = stack.find(name)
    assert found is not None, f"{name} is not in the stack"
    return found


def test_each_service(dev: Stack) -> None:
    for name, (image, ports, probe, needs, hosts) in WANTED.items():
        found = service(dev, name)
        assert found.image is not None, name
        repository, _, tag = found.image.ref.rpartition(":")
        assert repository == image, name
        assert tag not in {"", "latest"}, name
        assert {p.name: p.host for p in found.ports} == ports, name
        assert all(p.bind == "127.0.0.1" for p in found.ports), name
        assert found.probe is not None, name
        assert (found.probe.path if found.probe.kind == "http" else found.probe.kind) == probe, name
        assert {n.service for n in found.needs if n.required} == needs, name
        assert {r.host.removesuffix(".localhost") for r in dev.routes_of(name)} == hosts, name


def test_no_two_share_a_host_port(dev: Stack) -> None:
    numbers = list(dev.ports.ports.values())
    assert len(numbers) == len(set(numbers))
    assert not {3000, 3001} & set(numbers)  # the frontends'
    assert dev.ports.get("loki", "http") == 3110
    assert dev.ports.get("grafana", "http") == 3030


def test_nginx_starts_without_anybody(dev: Stack) -> None:
    assert service(dev, "nginx").needs == ()


def test_host_mounts_have_reasons_and_only_admin_sees_docker(dev: Stack) -> None:
    for one in dev.services:
        for mount in one.mounts:
            if mount.kind == "bind" and mount.source.startswith("/"):
                assert mount.reason, f"{one.name} {mount.source}"
    sockets = {one.name for one in dev.services for mount in one.mounts if "docker.sock" in mount.source}
    assert sockets == {"nself-admin"}


def test_loosened_hardening_has_reasons(dev: Stack) -> None:
    for name in WANTED:
        security = service(dev, name).security
        assert security.cap_drop == ("ALL",), name
        assert security.no_new_privileges, name
        assert not security.cap_add or "cap_add" in security.reasons, name


def test_both_spellings_of_the_jwt_key_reach_both_services(tmp_path: Path, shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import json

    here = workspace(tmp_path, shared, monkeypatch)
    stack = here.stack("compose")
    resolver = here.resolver(stack)
    key = "demo-jwt-secret-key-minimum-32-characters-long"
    for name in ("hasura", "auth"):
        assert json.loads(resolver.environment(name)["HASURA_GRAPHQL_JWT_SECRET"]) == {"type": "HS256", "key": key}
    environment = resolver.environment("auth")
    assert environment["HASURA_GRAPHQL_GRAPHQL_URL"] == "http://hasura:8080/v1/graphql"
    assert environment["AUTH_SERVER_URL"] == "https://auth.localhost"
    assert environment["AUTH_SMTP_HOST"] == "mailpit"


def test_staging_leaves_frontends_out_with_a_warning(tmp_path: Path, shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = workspace(tmp_path, shared, monkeypatch, "staging")
    stack = here.stack("compose")
    assert not [r for r in stack.routes if r.name.startswith("frontend-")]
    told = [f.message for _, f in here.plugins.pre_deploy(here.project("compose"), "local", stack)]
    assert sum("left out" in message for message in told) == 2
    assert any("Docker socket" in message for message in told)


def test_staging_serves_built_files(tmp_path: Path, shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = workspace(tmp_path, shared, monkeypatch, "staging", FRONTEND_APP_1_DIR="web/dist", FRONTEND_APP_2_IMAGE="mine/app:1.0")
    stack = here.stack("compose")
    targets = {r.name: r.target.kind for r in stack.routes if r.name.startswith("frontend-")}
    assert targets == {"frontend-app1": "files", "frontend-app2": "service"}
    assert "/srv/www/web/dist" in {m.target for m in service(stack, "nginx").mounts}
    assert service(stack, "frontend-app2").image.ref == "mine/app:1.0"


def test_prod_is_stricter(tmp_path: Path, shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = workspace(
        tmp_path,
        shared,
        monkeypatch,
        "prod",
        HASURA_GRAPHQL_ENABLE_CONSOLE="true",
        NSELF_ADMIN_ENABLED="true",
        ADMINER_ENABLED="true",
    )
    stack = here.stack("compose")
    names = {s.name for s in stack.services}
    assert not names & {"nself-admin", "adminer", "mailpit"}
    assert set(MONITORING) <= names
    assert service(stack, "hasura").env["HASURA_GRAPHQL_ENABLE_CONSOLE"] == "false"
    assert {key.partition("/")[0] for key in stack.ports.ports} == {"nginx"}
    assert {p.bind for p in service(stack, "nginx").ports} == {"0.0.0.0"}
    assert {r.target.url for r in stack.routes if r.target.kind == "external"} == {
        "https://www.myapp.com",
        "https://app.myapp.com",
    }
    codes = [f.variable for _, f in here.plugins.pre_deploy(here.project("compose"), "prod", stack) if f.code == "dev-in-prod"]
    assert sorted(codes) == ["ADMINER_ENABLED", "HASURA_GRAPHQL_ENABLE_CONSOLE", "NSELF_ADMIN_ENABLED"]
    assert {r.host for r in stack.routes_of("grafana")} == {"metrics.myapp.com"}
    assert stack.certificates[0].name == "production"


def test_without_a_cache_its_exporter_is_idle(tmp_path: Path, shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from hookspecs import UserError

    here = workspace(tmp_path, shared, monkeypatch, REDIS_ENABLED="false", CS_2="", CS_1="", CS_3="", CS_4="")
    try:
        stack = here.stack("compose")
    except UserError as error:  # pragma: no cover - tells what stood in the way
        pytest.fail("; ".join(f.message for f in error.findings))
    assert "no cache" in str(stack.why_unavailable("redis-exporter"))


def test_monitoring_is_one_switch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("PROJECT_NAME=demo\nGRAFANA_ENABLED=true\n")
    here = Workspace.open(start=tmp_path)
    assert not {s.name for s in here.stack("compose").services} & set(MONITORING)
    assert any("MONITORING_ENABLED" in f.message for f in here.findings)
    monkeypatch.setenv("MONITORING_ENABLED", "true")
    assert set(MONITORING) <= {s.name for s in Workspace.open(start=tmp_path).stack("compose").services}
