"""What MLflow's settings come to in both runtimes, without its packages; its commands before a server that speaks its API."""

from __future__ import annotations

import base64
import configparser
import http.server
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest
import yaml

from hookspecs import Stack
from hookspecs.quoting import env_line
from hookspecs.trial import PluginStack
from nself_core.plugins.shared import abi, own_environment
from nself_core.workspace import Workspace

PACKAGE = Path(__file__).parent.parent / "nself_plugin_mlflow"
#: What ``configparser`` and shells give a meaning.
PASSWORD = "50% of %(it) $HOME ${x} 'quoted' \\n; #end"
LINE = env_line(f"MLFLOW_TRACKING_PASSWORD={PASSWORD}")

Make = Callable[..., PluginStack]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """A project with the plugin linked and an environment of its own that holds nothing, not started."""

    def made(lines: str = "", *, built: bool = True, environment: bool = True, **settings: str) -> PluginStack:
        stack = PluginStack(tmp_path / "project", tmp_path / "home", "mlflow")
        stack.root.mkdir()
        given = {"PROJECT_NAME": "spec", "HASURA_ENABLED": "false", "AUTH_ENABLED": "false", **settings}
        (stack.root / ".env").write_text("".join(f"{name}={value}\n" for name, value in given.items()) + lines)
        home = tmp_path / "home"
        (home / "plugins").mkdir(parents=True)
        (home / "plugins" / "mlflow").symlink_to(PACKAGE)
        if environment:
            place = home / "plugins" / "_own" / "mlflow" / abi() / "current"
            (place / "bin").mkdir(parents=True)
            (place / "bin" / "python").symlink_to(sys.executable)
            assert own_environment(home, "mlflow") == place
        stack.cli("plugin", "enable", "mlflow")
        if built:
            stack.cli("build")
        return stack

    return made


def service(stack: PluginStack) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((stack.root / "docker-compose.yml").read_text())["services"]
    return found.get("mlflow", {})


def secrets(stack: PluginStack) -> str:
    """Variables that hold one."""
    return (stack.root / ".nself" / "compose" / "env" / "mlflow.env").read_text()


def login(text: str) -> Mapping[str, str]:
    """As MLflow reads it."""
    parser = configparser.ConfigParser()
    parser.read_string(text)
    return dict(parser["mlflow"])


def native_login(stack: PluginStack) -> Mapping[str, str]:
    (place,) = stack.root.glob(".nself/native/conf/**/login.ini")
    assert place.stat().st_mode & 0o077 == 0, "it holds a password"
    return login(place.read_text())


def test_in_a_container_it_has_a_database_of_its_own_a_volume_and_a_login(make: Make) -> None:
    stack = make()
    found = service(stack)
    assert found["build"]["context"] == "./mlflow"
    assert "FROM ghcr.io/mlflow/mlflow:v3.18.0\n" in (stack.root / "mlflow" / "Dockerfile").read_text()
    assert [one["target"] for one in found["volumes"]] == ["/mlflow/artifacts"]
    assert found["depends_on"].keys() == {"postgres"}
    told = secrets(stack)
    assert "postgresql+psycopg2://np_mlflow:" in told
    assert "/np_mlflow'" in told
    assert "--app-name basic-auth" in " ".join(found["command"])
    assert found["environment"]["MLFLOW_DISABLE_TELEMETRY"] == "true"
    password = next(line for line in _secrets(stack) if line.startswith("MLFLOW_TRACKING_PASSWORD="))
    assert len(password.partition("=")[2].strip("'\"")) == 24, "made, as nobody gave one"
    assert password.partition("=")[2] not in (stack.root / "docker-compose.yml").read_text()
    assert [(one.migration.id, one.migration.database) for one in spec(stack).migrations if one.plugin == "mlflow"] == [
        ("001_database", "np_mlflow")
    ]


def spec(stack: PluginStack, runtime: str = "native") -> Stack:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NSELF_HOME", str(stack.root.parent / "home"))
        return Workspace.open(start=stack.root).stack(runtime)


def _secrets(stack: PluginStack) -> list[str]:
    return (stack.root / ".environments" / "dev" / ".env.secrets").read_text().splitlines()


def test_the_login_holds_any_password_and_address_as_they_were_written(make: Make) -> None:
    uri = "postgresql+psycopg2://ml:p%40ss%2Fword@db.example:5432/ml"
    stack = make(f"{LINE}\n", MLFLOW_BACKEND_STORE_URI=uri, MLFLOW_TRACKING_USERNAME="100%")
    found = native_login(stack)
    assert found["admin_password"] == PASSWORD
    assert found["admin_username"] == "100%"
    assert found["database_uri"] == uri
    assert found["default_permission"] == "READ"


def test_without_a_login(make: Make) -> None:
    stack = make(MLFLOW_AUTH_ENABLED="false")
    assert service(stack)["command"][0] == "mlflow"
    assert "basic-auth" not in " ".join(service(stack)["command"])
    assert "LOGIN" not in secrets(stack)
    assert not list(stack.root.glob(".nself/native/conf/**/login.ini"))


def test_another_store_is_used_as_it_is_and_no_database_is_made(make: Make) -> None:
    stack = make(MLFLOW_BACKEND_STORE_URI="sqlite:////tmp/ml.db")
    told = secrets(stack)
    assert "MLFLOW_BACKEND_STORE_URI='sqlite:////tmp/ml.db'" in told
    assert "np_mlflow" not in told
    assert not [one for one in spec(stack).migrations if one.plugin == "mlflow"]


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        ({}, "/mlflow/artifacts"),
        ({"MINIO_ENABLED": "true", "MINIO_DEFAULT_BUCKETS": "mlflow-artifacts"}, "s3://mlflow-artifacts"),
        ({"MINIO_ENABLED": "true", "MINIO_DEFAULT_BUCKETS": "others"}, "/mlflow/artifacts"),
        ({"MLFLOW_DEFAULT_ARTIFACT_ROOT": "s3://far/away"}, "s3://far/away"),
    ],
)
def test_where_artifacts_lie(make: Make, settings: dict[str, str], wanted: str) -> None:
    stack = make(**settings)
    told = service(stack)["environment"]
    assert told["MLFLOW_ARTIFACTS_DESTINATION"] == wanted
    in_stack = wanted == "s3://mlflow-artifacts"
    assert told.get("MLFLOW_S3_ENDPOINT_URL") == ("http://minio:9000" if in_stack else None)


def test_an_image_of_ones_own_is_not_built(make: Make) -> None:
    stack = make(MLFLOW_IMAGE="registry.example/ml:3")
    assert service(stack)["image"] == "registry.example/ml:3"
    assert "build" not in service(stack)
    assert not (stack.root / "mlflow").exists()


def test_turned_off_nothing_of_it_is_there(make: Make) -> None:
    stack = make(MLFLOW_ENABLED="false")
    assert service(stack) == {}
    assert not (stack.root / "mlflow").exists()


def test_without_its_packages_it_is_shown_as_what_cannot_run_natively(make: Make) -> None:
    stack = make(environment=False)
    assert service(stack), "in a container it can"
    assert "nself plugin install mlflow" in spec(stack).why_unavailable("mlflow")
    assert not spec(stack, "compose").why_unavailable("mlflow")


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("MLFLOW_VERSION", "latest", "MLFLOW_VERSION"),
        ("MLFLOW_WORKERS", "0", "MLFLOW_WORKERS"),
        ("MLFLOW_WORKERS", "many", "MLFLOW_WORKERS"),
        ("MLFLOW_PORT", "70000", "MLFLOW_PORT"),
        ("MLFLOW_AUTH_ENABLED", "perhaps", "MLFLOW_AUTH_ENABLED"),
        ("MLFLOW_IMAGE", "two words", "MLFLOW_IMAGE"),
    ],
)
def test_a_wrong_setting_is_refused_and_nothing_is_written(make: Make, name: str, value: str, told: str) -> None:
    stack = make(built=False, **{name: value})
    done = stack.cli("build", check=False)
    assert done.returncode == 1
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert not (stack.root / "docker-compose.yml").exists()


def test_a_setting_of_the_original_that_has_no_use_is_told(make: Make) -> None:
    stack = make(built=False, MLFLOW_DB_NAME="experiments")
    assert "np_mlflow" in stack.cli("build").stderr + stack.cli("config", "validate", check=False).stdout


class Server(http.server.BaseHTTPRequestHandler):
    """MLflow's REST API as far as the commands use it, with its login."""

    experiments: ClassVar[list[dict[str, Any]]] = [
        {"experiment_id": "0", "name": "Default", "lifecycle_stage": "active", "creation_time": 1_700_000_000_000},
        {"experiment_id": "7", "name": "churn", "lifecycle_stage": "active"},
    ]
    runs: ClassVar[list[dict[str, Any]]] = [
        {
            "info": {"run_id": "f" * 32, "run_name": "calm-owl", "status": "FINISHED", "start_time": 1_700_000_000_000},
            "data": {"metrics": [{"key": "auc", "value": 0.75}]},
        },
        {"info": {"run_id": "e" * 32, "status": "RUNNING"}, "data": {}},
    ]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if self.headers["authorization"] != "Basic " + base64.b64encode(f"admin:{PASSWORD}".encode()).decode():
            self.answer(401, {"error": "who are you?"})
        elif self.path == "/api/2.0/mlflow/experiments/search":
            self.answer(200, {"experiments": self.experiments[: body["max_results"]]})
        elif self.path == "/api/2.0/mlflow/runs/search" and body["experiment_ids"] == ["7"]:
            self.answer(200, {"runs": self.runs})
        else:
            self.answer(500, {"error": "it is broken"})

    def answer(self, status: int, body: object) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@pytest.fixture
def server() -> Iterator[int]:
    serving = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=serving.serve_forever, daemon=True).start()
    yield serving.server_port
    serving.shutdown()
    serving.server_close()


def test_the_commands_ask_the_server_as_its_administrator(make: Make, server: int) -> None:
    stack = make(f"{LINE}\n", MLFLOW_PORT=str(server))
    assert stack.cli("mlflow", "url").stdout == f"http://127.0.0.1:{server}\n"
    assert "mlflow." in stack.cli("mlflow", "url", "--public").stdout
    assert [one["name"] for one in stack.json("mlflow", "experiments")] == ["Default", "churn"]
    assert len(stack.json("mlflow", "experiments", "--limit", "1")) == 1
    shown = stack.cli("mlflow", "runs", "churn").stdout
    assert "calm-owl" in shown
    assert "auc=0.75" in shown
    assert "2023-11-14" in shown
    assert stack.json("mlflow", "runs", "7")[1]["info"]["status"] == "RUNNING"


def refused(stack: PluginStack, *arguments: str) -> str:
    done: subprocess.CompletedProcess[str] = stack.cli(*arguments, check=False)
    assert done.returncode == 1, done.stdout
    assert "Traceback" not in done.stderr
    return done.stderr


def test_what_the_commands_refuse(make: Make, server: int) -> None:
    stack = make(f"{LINE}\n", MLFLOW_PORT=str(server))
    assert "there is no experiment 'no-such'" in refused(stack, "mlflow", "runs", "no-such")
    assert "MLflow answered 500" in refused(stack, "mlflow", "runs", "Default")
    with (stack.root / ".env").open("a") as file:
        file.write("MLFLOW_TRACKING_USERNAME=somebody\n")
    assert "MLFLOW_TRACKING_PASSWORD" in refused(stack, "mlflow", "experiments")
    with (stack.root / ".env").open("a") as file:
        file.write("MLFLOW_PORT=1\n")
    assert "MLflow does not answer" in refused(stack, "mlflow", "experiments")
