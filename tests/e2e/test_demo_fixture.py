"""The original's own demo project builds unchanged, in each of its environments."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.conftest import FIXTURE_SECRETS, Nself

pytestmark = [pytest.mark.shared, pytest.mark.slow]

SERVICES = {
    "postgres", "hasura", "auth", "nginx",
    "nself-admin", "minio", "redis", "functions", "mailpit", "meilisearch",
    "prometheus", "grafana", "loki", "promtail", "tempo", "alertmanager", "cadvisor", "node-exporter", "postgres-exporter",
    "redis-exporter",
    "express-api", "bullmq-worker", "go-grpc", "python-api",
}  # fmt: skip

ONE_SHOT = "nself.one-shot"


def compose(folder: Path) -> dict:
    return yaml.safe_load((folder / "docker-compose.yml").read_text())


def published(document: dict) -> dict[str, list[str]]:
    return {name: [str(p) for p in s["ports"]] for name, s in document["services"].items() if s.get("ports")}


def secrets_for(env: str) -> dict[str, str]:
    return {k: v for k, v in FIXTURE_SECRETS.items() if k.startswith(env.upper())}


@pytest.fixture(params=["dev", "staging", "prod"])
def built(request: pytest.FixtureRequest, fixture_project: Nself) -> tuple[str, Nself]:
    env = request.param
    if env != "dev":
        fixture_project.environ |= secrets_for(env)
    fixture_project("build", "--env", env)
    return env, fixture_project


def test_dev_has_the_24_services_and_two_frontends(fixture_project: Nself) -> None:
    done = fixture_project("build")
    services = compose(fixture_project.folder)["services"]
    lasting = {name for name, s in services.items() if ONE_SHOT not in s.get("labels", {})}
    assert lasting == SERVICES
    assert "nself plugin install mlflow" in done.stderr
    urls = json.loads(fixture_project("urls", "--json").stdout)
    text = json.dumps(urls)
    assert "app1.localhost" in text
    assert "app2.localhost" in text


def test_every_image_is_pinned_and_every_port_on_loopback(built: tuple[str, Nself]) -> None:
    env, nself = built
    document = compose(nself.folder)
    for name, service in document["services"].items():
        image = service.get("image", "")
        assert service.get("build") or (":" in image and not image.endswith(":latest")), (name, image)
    for name, ports in published(document).items():
        for port in ports:
            assert port.startswith("127.0.0.1:") or (env != "dev" and name == "nginx"), (name, port)


def test_outside_dev_only_the_proxy_publishes_a_port(built: tuple[str, Nself]) -> None:
    env, nself = built
    if env != "dev":
        assert set(published(compose(nself.folder))) == {"nginx"}


def test_prod_is_stricter(fixture_project: Nself) -> None:
    fixture_project.environ |= secrets_for("prod")
    fixture_project("build", "--env", "prod")
    document = compose(fixture_project.folder)
    assert not {"nself-admin", "adminer", "mailpit"} & set(document["services"])
    sites = "\n".join(p.read_text() for p in (fixture_project.folder / "nginx" / "sites").glob("*.conf"))
    assert "www.myapp.com" not in sites
    assert "api.v1.myapp.com" in sites
    environment = document["services"]["hasura"]["environment"]
    assert environment["HASURA_GRAPHQL_ENABLE_CONSOLE"] == "false"
    assert environment["HASURA_GRAPHQL_DEV_MODE"] == "false"


@pytest.mark.parametrize("env", ["staging", "prod"])
def test_missing_secrets_are_all_listed_and_nothing_is_written(fixture_project: Nself, env: str) -> None:
    before = sorted(p.name for p in fixture_project.folder.iterdir())
    done = fixture_project("build", "--env", env, check=False)
    assert done.returncode == 1
    missing = secrets_for(env)
    assert all(name in done.stderr for name in missing), done.stderr
    assert "Traceback" not in done.stderr
    assert sorted(p.name for p in fixture_project.folder.iterdir()) in (before, sorted([*before, ".nself"]))


def test_a_real_compose_accepts_the_file(built: tuple[str, Nself]) -> None:
    _, nself = built
    program = shutil.which("docker-compose")
    if program is None:
        pytest.skip("needs a docker-compose program")
    done = subprocess.run(
        [program, "-f", "docker-compose.yml", "config", "-q"], cwd=nself.folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_no_secret_stands_in_a_file_git_would_take(built: tuple[str, Nself]) -> None:
    env, nself = built
    given = {k: v for k, v in secrets_for(env).items() if not k.endswith("_USER")}  # a user's name is no secret
    values = given.values() if env != "dev" else ["demo-admin-secret", "demo-redis-password", "demo-jwt-secret-key"]
    own = {".env", ".env.dev", ".env.staging", ".env.prod"}
    for path in nself.folder.rglob("*"):
        if path.is_file() and path.relative_to(nself.folder).parts[0] not in {".nself", ".environments"} and path.name not in own:
            text = path.read_text(errors="replace")
            assert not [v for v in values if v in text], path


def test_a_second_build_has_nothing_to_do_and_check_agrees(built: tuple[str, Nself]) -> None:
    env, nself = built
    assert "Up to date" in nself("build", "--env", env).stdout
    nself("build", "--env", env, "--check")
    with (nself.folder / f".env.{env}").open("a") as file:
        file.write("\nNGINX_CLIENT_MAX_BODY_SIZE=7M\n")
    assert nself("build", "--env", env, "--check", check=False).returncode == 1


def test_the_same_inputs_give_the_same_bytes(built: tuple[str, Nself], tmp_path: Path) -> None:
    env, nself = built
    first = {p: (nself.folder / p).read_bytes() for p in ("docker-compose.yml",)}
    first |= {str(p.relative_to(nself.folder)): p.read_bytes() for p in (nself.folder / "nginx").rglob("*.conf")}
    for path in first:
        (nself.folder / path).unlink()
    nself("build", "--env", env, "--force")
    assert first == {path: (nself.folder / path).read_bytes() for path in first}
