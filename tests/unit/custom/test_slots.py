"""From settings to services: companions, faults, variables, routes and folders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from builtin_plugins.custom import contribute_services, pre_deploy, render_config
from builtin_plugins.custom.catalogue import ALIASES, TEMPLATES, find
from hookspecs import ExecProbe, Get, HttpProbe, Port, Route, Secret, Service, SettingValue, Stack, UserError
from tests.template_runner import project_with


def made(root: Path, **values: Any) -> tuple[dict[str, Service], dict[str, Route]]:
    return split(project_with(root, **values))


def split(project: Any) -> tuple[dict[str, Service], dict[str, Route]]:
    found = list(contribute_services(project))
    services = {s.name: s for s in found if isinstance(s, Service)}
    return services, {r.name: r for r in found if isinstance(r, Route)}


def messages(root: Path, **values: Any) -> list[str]:
    with pytest.raises(UserError) as caught:
        made(root, **values)
    assert all(f.where.startswith(".env.dev:") and f.remedy for f in caught.value.findings)
    return [f.message for f in caught.value.findings]


def test_a_service_and_its_defaults(tmp_path: Path) -> None:
    services, routes = made(tmp_path, CS_3="my_api:fastapi")
    service = services["my-api"]
    assert service.aliases == ("my_api",)
    assert service.ports == (Port(container=8003, host=8003, variable="CS_3"),)
    assert service.build and service.build.context == "services/my_api" and service.build.target == "dev"
    assert isinstance(service.probe, HttpProbe) and service.probe.path == "/health"
    assert [m.target for m in service.mounts] == ["/app", "/app/.venv", "/app/__pycache__"]
    assert [(n.capability, n.required) for n in service.needs] == [("sql", False), ("cache", False), ("graphql", False)]
    assert routes == {}


def test_gaps_and_high_numbers(tmp_path: Path) -> None:
    services, _ = made(tmp_path, CS_2="b:gin", CS_120="z:flask")
    assert {s.name: s.ports[0].container for s in services.values()} == {"b": 8002, "z": 8120}


def test_companions_reach_the_service(tmp_path: Path) -> None:
    services, routes = made(
        tmp_path, CS_1="api:express-js:8001:api", CS_1_PORT=9001, CS_1_REPLICAS=3, CS_1_MEMORY=1 << 30, CS_1_CPU=0.5,
        CS_1_ENV=r"A=1,B=x\,y", CS_1_HEALTHCHECK="CMD node check.js", CS_1_COMMAND="node 'my app.js'",
        CS_1_DEPENDS_ON=["other_one:started"], CS_1_VOLUMES=["uploads:/data", "./seed:/seed:ro"], CS_1_TABLE_PREFIX="a_",
        CS_1_WEBSOCKET=True, CS_1_RATE_LIMIT=60, CS_1_QUEUE_NAME="q", CS_1_RESTART_POLICY="always",
    )  # fmt: skip
    api = services["api"]
    assert (api.ports[0].container, api.ports[0].explicit, api.ports[0].variable) == (9001, True, "CS_1_PORT")
    assert (api.replicas, api.limits.memory, api.limits.cpus, api.restart) == (3, 1 << 30, 0.5, "unless-stopped")
    assert api.env["A"] == "1" and api.env["B"] == "x,y" and api.env["TABLE_PREFIX"] == "a_" and api.env["QUEUE_NAME"] == "q"
    assert isinstance(api.probe, ExecProbe) and api.probe.command == ("node", "check.js")
    assert api.command == ("node", "my app.js")
    assert ("other-one", "started") in {(n.service, n.condition) for n in api.needs}
    assert {("volume", "uploads", False), ("bind", "seed", True)} <= {(m.kind, m.source, m.read_only) for m in api.mounts}
    assert (routes["custom-api"].host, routes["custom-api"].websocket, routes["custom-api"].rate_limit) == (
        "api.localhost",
        True,
        60,
    )
    assert str(api.provenance["replicas"]).startswith("CS_1_REPLICAS (.env.dev:")


def test_variables_come_through_capabilities(tmp_path: Path) -> None:
    env = made(tmp_path, CS_1="api:gin")[0]["api"].env
    assert env["DATABASE_URL"] == Get(capability="sql", attribute="url")
    assert env["REDIS_URL"] == Get(capability="cache", attribute="url")
    assert env["S3_ENDPOINT"] == Get(capability="s3", attribute="endpoint")
    assert env["HASURA_GRAPHQL_ENDPOINT"] == Get(capability="graphql", attribute="url")
    assert env["SERVICE_NAME"] == "api" and env["ENV"] == "dev" and env["PROJECT_NAME"] == "demo"


def test_env_beats_env_file_beats_passthrough_beats_the_fixed_set(tmp_path: Path) -> None:
    (tmp_path / "extra.env").write_text("\ufeffLOG_LEVEL=file\nA=file\nB=file\n", encoding="utf-8")
    project = project_with(
        tmp_path, CS_1="api:gin", CS_1_ENV="A=env", CS_1_ENV_FILE=["extra.env"],
        CS_1_ENV_PASSTHROUGH=["B", "C", "KEY", "ABSENT"], B="project", C=True,
    )  # fmt: skip
    entries = {**project.settings.entries, "KEY": SettingValue(name="KEY", value=None, origin={"source": ".env"}, secret=True)}  # type: ignore[arg-type]
    project = project.model_copy(update={"settings": project.settings.model_copy(update={"entries": entries})})
    api = split(project)[0]["api"]
    assert {name: api.env[name] for name in ("A", "B", "C", "LOG_LEVEL")} == {
        "A": "env",
        "B": "file",
        "C": "true",
        "LOG_LEVEL": "file",
    }
    assert api.env["KEY"] == Secret(name="KEY") and "ABSENT" not in api.env
    assert {"B", "LOG_LEVEL"} <= api.private, "what a file of the user's holds stays out of the Compose file"


@pytest.mark.parametrize(
    ("environment", "values", "host"),
    [
        ("dev", {"CS_1_ROUTE": "b"}, "b.localhost"),
        ("dev", {}, "a.localhost"),
        ("dev", {"CS_1_PUBLIC": False}, None),
        ("dev", {"CS_1_ROUTE": "api.v1"}, "api.v1.localhost"),
        ("dev", {"CS_1_ROUTE": "shop.example.com"}, "shop.example.com"),
        ("prod", {"CS_1_ROUTE": "b", "CS_1_PROD_ROUTE": "c"}, "c.localhost"),
        ("prod", {"CS_1_PRODUCTION_ROUTE": "c"}, "c.localhost"),
        ("dev", {"CS_1_PROD_ROUTE": "c"}, "a.localhost"),
        ("pre-prod", {"CS_1_PRE_PROD_ROUTE": "c"}, "c.localhost"),
    ],
)
def test_the_route_in_force(tmp_path: Path, environment: str, values: dict[str, Any], host: str | None) -> None:
    _, routes = made(tmp_path, environment=environment, CS_1="my_svc:gin:8001:a", **values)
    assert (routes["custom-my-svc"].host if routes else None) == host


def test_public_without_a_route_takes_the_name(tmp_path: Path) -> None:
    assert made(tmp_path, CS_1="my_svc:gin", CS_1_PUBLIC=True)[1]["custom-my-svc"].host == "my-svc.localhost"


def test_every_fault_is_told_at_once_with_its_line(tmp_path: Path) -> None:
    said = messages(
        tmp_path, CS_1="Api:fastapi", CS_2="b:fastpi", CS_3="c:gin:1:2:3", CS_4="d:gin:8001", CS_5="e:gin:8001", CS_6="d:flask",
        CS_7="redis:gin", CS_8="h", CS_9="i:gin:none", CS_9_VOLUMES=["/var/run/docker.sock:/s", "/:/x"],
        CS_9_HEALTHCHECK="often", CS_9_ENV="novalue", CS_9_ENV_FILE=["missing.env"], CS_9_PATH="../elsewhere",
    )  # fmt: skip
    for words in (
        "CS_1: 'Api' is no name", "did you mean 'fastapi'", "5 fields", "CS_5: port 8001 is taken by CS_4",
        "CS_6: the name 'd' is taken",
        "CS_7: 'redis' is the name of a built-in", "CS_8: 'h' names no template",
        "CS_9: 'none' is no port", "socket", "whole machine",
        "CS_9_HEALTHCHECK", "CS_9_ENV: 'novalue'", "'missing.env' cannot be read", "leads out of the project",
    ):  # fmt: skip
        assert any(words in message for message in said), (words, said)


def test_two_spellings_of_one_host_name_are_one_name(tmp_path: Path) -> None:
    assert any("one host name" in message for message in messages(tmp_path, CS_1="a_b:gin", CS_2="a-b:gin"))


def test_aliases() -> None:
    for alias, name in ALIASES.items():
        assert find(alias) is TEMPLATES.get(name), alias
    assert find("./apps/api") is TEMPLATES["custom"]


def test_an_alias_of_a_template_that_is_not_here_says_what_it_means(tmp_path: Path) -> None:
    assert any("'nest' means 'nest-js'" in message for message in messages(tmp_path, CS_1="a:nest"))


def test_a_link_does_not_lead_a_build_out_of_the_project(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    root = tmp_path / "project"
    root.mkdir()
    (root / "api").symlink_to(tmp_path / "out")
    assert any("leads out" in message for message in messages(root, CS_1="a:./api"))


def test_compiled_stacks_and_other_environments_mount_nothing(tmp_path: Path) -> None:
    assert made(tmp_path, CS_1="a:gin")[0]["a"].mounts == ()
    assert made(tmp_path, environment="prod", CS_1="a:express-ts")[0]["a"].mounts == ()


def test_a_worker_cannot_do_without_a_cache(tmp_path: Path) -> None:
    needs = made(tmp_path, CS_1="a:bullmq-js")[0]["a"].needs
    assert [n.required for n in needs if n.capability == "cache"] == [True]


def test_an_image_is_run_as_it_is_and_not_natively(tmp_path: Path) -> None:
    service = made(tmp_path, CS_1="a:custom", CS_1_IMAGE="ghcr.io/me/app:1.2")[0]["a"]
    assert service.image and service.image.ref == "ghcr.io/me/app:1.2" and service.build is None
    assert service.native is None and "image" in service.no_native


def scaffolded(root: Path, addressing: str = "names", **values: Any) -> dict[str, Any]:
    project = project_with(root, **values)
    stack = Stack(project="demo", environment="dev", runtime="compose", addressing=addressing, services=())  # type: ignore[arg-type]
    return {file.path: file for file in render_config(project, stack)}


@pytest.mark.parametrize("template", sorted(TEMPLATES))
def test_a_template_is_laid_out_whole_and_once(tmp_path: Path, template: str) -> None:
    files = scaffolded(tmp_path, CS_1=f"my_svc:{template}")
    here = "services/my_svc"
    assert {f"{here}/{name}" for name in (".dockerignore", ".gitignore", "Dockerfile", "README.md")} <= set(files)
    assert all(file.once and not file.header for file in files.values())
    docker = files[f"{here}/Dockerfile"].content
    assert "USER" in docker and ":latest" not in docker and "CMD" in docker
    assert "8001" in files[f"{here}/README.md"].content
    assert scaffolded(tmp_path, "loopback", CS_1=f"my_svc:{template}") == {}


def test_a_folder_with_content_is_never_touched(tmp_path: Path) -> None:
    folder = tmp_path / "services" / "my_svc"
    folder.mkdir(parents=True)
    assert scaffolded(tmp_path, CS_1="my_svc:gin")
    (folder / "notes.txt").write_text("mine")
    assert scaffolded(tmp_path, CS_1="my_svc:gin") == {}


def test_a_lay_out_that_was_interrupted_is_finished(tmp_path: Path) -> None:
    files = scaffolded(tmp_path, CS_1="a:gin")
    folder = tmp_path / "services" / "a"
    folder.mkdir(parents=True)
    (folder / "main.go").write_text(files["services/a/main.go"].content)
    (folder / ".go.mod.x1.new").write_text("half")
    assert set(scaffolded(tmp_path, CS_1="a:gin")) == set(files)
    (folder / "main.go").write_text("package main // mine")
    assert scaffolded(tmp_path, CS_1="a:gin") == {}


def test_a_dockerfile_without_a_dev_stage_is_built_as_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "services" / "api"
    folder.mkdir(parents=True)
    (folder / "Dockerfile").write_text("FROM node:24\n")
    build = made(tmp_path, CS_1="api:express-js")[0]["api"].build
    assert build and build.target is None


def test_companions_that_nothing_reads_are_warned_of(tmp_path: Path) -> None:
    project = project_with(tmp_path, CS_1="a:gin", CS_1_PRDO_ROUTE="x", CS_1_STAGING_ROUTE="y", CS_4_PORT=8009)
    stack = Stack(project="demo", environment="dev", runtime="compose", addressing="names", services=())
    assert {f.variable for f in pre_deploy(project, "local", stack)} == {"CS_1_PRDO_ROUTE", "CS_4_PORT"}
