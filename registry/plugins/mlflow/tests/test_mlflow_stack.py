"""MLflow's real server on the native stack: login, tracking, artifacts, what outlives a restart, and the image's files."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import httpx
import pytest

from hookspecs.testing import PluginStack

pytestmark = [pytest.mark.slow, pytest.mark.network, pytest.mark.timeout(2400)]
PASSWORD = "the-password-of-this-test-alone-0123456789"


@pytest.fixture(scope="module")
def nself_settings() -> dict[str, str]:
    asked = [sys.executable, "-m", "pip", "install", "--dry-run", "--no-deps", "--ignore-installed", "-q", "mlflow>=3.5,<4"]
    if subprocess.run(asked, capture_output=True, check=False).returncode:
        pytest.skip("mlflow cannot be had: the package index does not answer")
    # its first start makes some fifty tables, which takes minutes where the machine has other work
    return {"MLFLOW_TRACKING_PASSWORD": PASSWORD, "NSELF_HEALTH_CHECK_TIMEOUT": "600"}


@pytest.fixture(scope="module")
def server(nself_stack: PluginStack) -> httpx.Client:
    address = nself_stack.cli("mlflow", "url").stdout.strip()
    return httpx.Client(base_url=f"{address}/api/2.0/", auth=("admin", PASSWORD), timeout=60)


def post(server: httpx.Client, path: str, **body: Any) -> dict[str, Any]:
    answer = server.post(f"mlflow/{path}", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_nobody_comes_in_without_the_password(server: httpx.Client) -> None:
    for login in (None, ("admin", "password1234"), ("nobody", PASSWORD)):
        answer = httpx.post(f"{server.base_url}mlflow/experiments/search", json={"max_results": 1}, auth=login, timeout=60)
        assert answer.status_code == 401, login


def test_runs_metrics_and_artifacts_outlive_a_restart(nself_stack: PluginStack, server: httpx.Client) -> None:
    experiment = post(server, "experiments/create", name="churn")["experiment_id"]
    run = post(server, "runs/create", experiment_id=experiment, start_time=1_700_000_000_000)["run"]["info"]
    post(server, "runs/log-metric", run_id=run["run_id"], key="auc", value=0.75, timestamp=1_700_000_000_000)
    kept = f"mlflow-artifacts/artifacts/{experiment}/{run['run_id']}/artifacts/model.bin"
    assert run["artifact_uri"].startswith("mlflow-artifacts:/")
    assert server.put(kept, content=b"weights").status_code == 200
    nself_stack.cli("restart", "mlflow")
    nself_stack.until(lambda: _health(nself_stack) == "healthy", 120)
    found = post(server, "runs/search", experiment_ids=[experiment])["runs"]
    assert found[0]["data"]["metrics"][0]["value"] == 0.75
    assert server.get(kept).content == b"weights"
    databases = {row[0] for row in nself_stack.sql("SELECT datname::text FROM pg_database")}
    assert "np_mlflow" in databases


def test_commands(nself_stack: PluginStack, server: httpx.Client) -> None:
    post(server, "experiments/create", name="from-the-shell")
    assert "from-the-shell" in {one["name"] for one in nself_stack.json("mlflow", "experiments")}
    assert nself_stack.cli("mlflow", "runs", "from-the-shell").returncode == 0
    missing = nself_stack.cli("mlflow", "runs", "no-such", check=False)
    assert missing.returncode == 1
    assert "there is no experiment 'no-such'" in missing.stderr


def test_the_container_is_built_from_what_the_build_writes(nself_stack: PluginStack) -> None:
    dockerfile = (nself_stack.root / "mlflow" / "Dockerfile").read_text()
    assert "FROM ghcr.io/mlflow/mlflow:v3.18.0" in dockerfile
    assert "psycopg2-binary" in dockerfile
    everything = [path for path in nself_stack.root.rglob("*") if path.is_file() and path.stat().st_mode & 0o077]
    shown = [str(path) for path in everything if PASSWORD.encode() in path.read_bytes() and path.name != ".env.dev"]
    assert shown == [], "the password stands in no file that others may read"


def _health(stack: PluginStack) -> str:
    return str({one["name"]: one["health"] for one in stack.json("status")["services"]}["mlflow"])
