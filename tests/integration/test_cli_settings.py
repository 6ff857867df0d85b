"""``config``, ``env``, ``secrets`` and ``init`` as a user runs them."""

from __future__ import annotations

import json
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nself_core.settings import dotenv
from tests.conftest import FIXTURE_SECRETS, Nself

STRONG = "Zq8vT2mK9xR4wN7pLk3sJh6dFg1aQw5eRt0yUi"


@pytest.fixture
def project(nself: Nself) -> Nself:
    (nself.folder / ".env.dev").write_text("# shared\nPROJECT_NAME=shop\nPOSTGRES_PORT=5433 # ours\n")
    (nself.folder / ".env.prod").write_text("BASE_DOMAIN=example.com\n")
    return nself


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# -- config


def test_set_keeps_comments_and_get_reads_it(project: Nself) -> None:
    project("config", "set", "POSTGRES_PORT", "5434")
    assert (project.folder / ".env.dev").read_text() == "# shared\nPROJECT_NAME=shop\nPOSTGRES_PORT=5434 # ours\n"
    assert project("config", "get", "POSTGRES_PORT").stdout == "5434\n"


def test_a_secret_goes_to_the_secrets_file(project: Nself) -> None:
    odd = "Zq8'vT2\"m K9#xR4${w}N7p\\Lk3"
    project("config", "set", "POSTGRES_PASSWORD", stdin=odd + "\n")
    secrets = project.folder / ".environments/dev/.env.secrets"
    line = dotenv.parse(secrets.read_bytes(), "").last("POSTGRES_PASSWORD")
    assert line is not None and line.value == odd and mode(secrets) == 0o600
    assert odd not in project("config", "get", "POSTGRES_PASSWORD").stdout
    assert project("config", "get", "POSTGRES_PASSWORD", "--show").stdout == odd + "\n"
    shown = project("config", "list", "--json").stdout + project("config", "explain", "POSTGRES_PASSWORD").stdout
    assert odd not in shown and "********" in shown


def test_a_key_in_pem_form_is_a_value_and_never_shown(project: Nself) -> None:
    key = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49\n-----END PRIVATE KEY-----"
    done = project("config", "set", "HASURA_JWT_SIGNING_KEY", key)
    assert "MIGH" not in done.stdout + done.stderr
    assert project("config", "get", "HASURA_JWT_SIGNING_KEY", "--show").stdout == key + "\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("POSTGRES_PORT", "99999"), "no port"),
        (("POSTGRES_PROT", "1"), "POSTGRES_PORT"),
        (("ENV", "prod"), "env switch"),
        (("POSTGRES_PASSWORD", "changeme", "--env", "prod"), "weak"),
        (("POSTGRES_PORT", "1", "--file", "docker-compose.yml"), "no file"),
        (("POSTGRES_PASSWORD", STRONG, "--file", ".env"), "secrets file"),
    ],
)
def test_set_refuses_and_writes_nothing(project: Nself, arguments: tuple[str, ...], said: str) -> None:
    before = {p: p.read_bytes() for p in project.folder.rglob(".env*") if p.is_file()}
    done = project("config", "set", *arguments, check=False)
    assert done.returncode in {1, 2} and said in done.stderr and "Traceback" not in done.stderr
    assert {p: p.read_bytes() for p in project.folder.rglob(".env*") if p.is_file()} == before


def test_set_for_another_environment_leaves_dev_alone(project: Nself) -> None:
    project("config", "set", "POSTGRES_PORT", "6000", "--env", "prod")
    assert "5433" in (project.folder / ".env.dev").read_text()
    assert project("config", "get", "POSTGRES_PORT", "--env", "prod").stdout == "6000\n"
    assert project("config", "unset", "POSTGRES_PORT", "--env", "prod").returncode == 0
    assert project("config", "get", "POSTGRES_PORT", "--env", "prod").stdout == "5433\n"


def test_set_tells_when_something_overrides_it(project: Nself) -> None:
    project.environ["POSTGRES_PORT"] = "7000"
    assert "environment overrides it" in project("config", "set", "POSTGRES_PORT", "5435").stderr


def test_explain_shows_who_won_and_what_was_overridden(project: Nself) -> None:
    (project.folder / ".env").write_text("POSTGRES_EXTERNAL_PORT=5500\n")
    data = json.loads(project("config", "explain", "POSTGRES_PORT", "--json").stdout)
    assert (data["value"], data["where"], data["owner"]) == ("5500", ".env:1", "core-postgres")
    assert [(s["where"], s["state"]) for s in data["sources"]] == [(".env:1", "wins"), (".env.dev:3", "overridden")]
    text = project("config", "explain", "POSTGRES_PORT").stdout
    assert ".env.dev:3" in text and "overridden" in text


@pytest.mark.parametrize("command", [("config", "validate"), ("env", "validate")])
def test_validate_tells_the_faults_of_every_plugin_at_once(project: Nself, command: tuple[str, ...]) -> None:
    """They were found by the build alone, one plugin's after the other's."""
    settings = project.folder / ".env.dev"
    settings.write_text(f"{settings.read_text()}CS_1=api:nosuch\nAUTH_PROVIDER_GITHUB_ENABLED=true\n")
    found = json.loads(project(*command, "--json", check=False).stdout)
    assert (found["valid"], found["errors"]) == (False, 2)
    assert {one["code"] for one in found["findings"] if one["level"] == "error"} == {"template-unknown", "provider-incomplete"}
    built = project("build", check=False)
    assert built.returncode == 1
    assert "there is no template 'nosuch'" in built.stderr
    assert "sign-in by github is on and lacks" in built.stderr


def test_a_backslash_that_json_refuses_is_named(project: Nself) -> None:
    settings = project.folder / ".env.dev"
    key = "a-key-with-a-\\slash-of-more-than-32-characters"
    settings.write_text(f"""{settings.read_text()}HASURA_GRAPHQL_JWT_SECRET='{{"key": "{key}"}}'\n""")
    done = project("config", "validate", check=False)
    assert "a backslash in it stands alone" in done.stderr
    assert "write each backslash twice" in done.stderr
    assert key not in done.stderr


def test_validate_tells_all_faults_with_file_and_line(project: Nself) -> None:
    (project.folder / ".env").write_text('POSTGRES_PORT=x\nBASE_DOMAIN=no domain\nA="open\n')
    done = project("config", "validate", check=False)
    assert done.returncode == 1
    assert all(where in done.stderr for where in (".env:1", ".env:2", ".env:3"))
    data = json.loads(project("config", "validate", "--json", check=False).stdout)
    assert data["errors"] == 3 and data["valid"] is False


def test_commands_work_from_a_folder_below(project: Nself) -> None:
    below = project.folder / "services" / "api"
    below.mkdir(parents=True)
    assert project("config", "get", "PROJECT_NAME", cwd=below).stdout == "shop\n"


# -- the original's demo


@pytest.mark.shared
def test_the_fixture_lists_the_eight_secrets_it_misses(fixture_project: Nself) -> None:
    for env, prefix in (("staging", "STAGING_"), ("prod", "PROD_")):
        done = fixture_project("config", "validate", "--env", env, check=False)
        names = {name for name in FIXTURE_SECRETS if name.startswith(prefix)}
        assert done.returncode == 1 and len(names) == 8 and all(name in done.stderr for name in names)
        fixture_project.environ.update(FIXTURE_SECRETS)
        assert fixture_project("config", "validate", "--env", env).returncode == 0
        fixture_project.environ.clear()


@pytest.mark.shared
def test_the_fixture_names_the_plugin_to_install(fixture_project: Nself) -> None:
    done = fixture_project("config", "validate")
    assert "MLFLOW_ENABLED" in done.stderr and "nself plugin install mlflow" in done.stderr
    assert "is not known" not in done.stderr


# -- env


def test_env_list_switch_create_diff(project: Nself) -> None:
    assert [(e["name"], e["current"]) for e in json.loads(project("env", "list", "--json").stdout)] == [
        ("dev", True),
        ("prod", False),
    ]
    project("env", "create", "qa", "--like", "prod")
    project("env", "switch", "qa")
    assert project("config", "get", "ENV").stdout == "qa\n"
    project("config", "set", "POSTGRES_PORT", "6001")
    data = json.loads(project("env", "diff", "qa", "prod", "--json").stdout)
    assert data["different"] == ["POSTGRES_PORT"] and data["count"] == 1 + len(data["server"])
    assert "6001" not in project("env", "diff", "qa", "prod").stdout
    assert "6001" in project("env", "diff", "qa", "prod", "--values").stdout
    assert project("env", "switch", "nowhere", check=False).returncode == 1


def test_env_validate_exit_codes(project: Nself) -> None:
    assert project("env", "validate", "prod").returncode == 0
    assert project("env", "validate", "prod", "strict", check=False).returncode == 1
    (project.folder / ".env.prod").write_text("BASE_DOMAIN=localhost\n")
    assert project("env", "validate", "prod", check=False).returncode == 1


# -- secrets


def test_secrets_are_made_once_listed_masked_and_rotated(project: Nself) -> None:
    made = project("secrets", "generate", "--env", "prod").stdout
    secrets = project.folder / ".environments/prod/.env.secrets"
    first = dotenv.parse(secrets.read_bytes(), "").last("POSTGRES_PASSWORD")
    assert first is not None and mode(secrets) == 0o600 and first.value not in made
    assert "Nothing to do" in project("secrets", "generate", "--env", "prod").stdout
    assert first.value not in project("secrets", "list", "--env", "prod").stdout
    assert first.value in project("secrets", "list", "--env", "prod", "--show").stdout
    assert project("secrets", "rotate", "POSTGRES_PASSWORD", "--env", "prod", check=False).returncode == 1
    done = project("secrets", "rotate", "POSTGRES_PASSWORD", "--env", "prod", "--yes")
    second = dotenv.parse(secrets.read_bytes(), "").last("POSTGRES_PASSWORD")
    assert second is not None and second.value != first.value and second.value not in done.stdout


def test_a_secret_in_a_users_file_is_not_rewritten(project: Nself) -> None:
    (project.folder / ".env").write_text(f"POSTGRES_PASSWORD={STRONG}\n")
    done = project("secrets", "rotate", "POSTGRES_PASSWORD", "--yes", check=False)
    assert done.returncode == 1 and ".env:1" in done.stderr
    assert (project.folder / ".env").read_text() == f"POSTGRES_PASSWORD={STRONG}\n"


def test_a_weak_secret_can_be_rotated_though_nothing_else_can_be_done_with_it(project: Nself) -> None:
    secrets = project.folder / ".environments/prod/.env.secrets"
    secrets.parent.mkdir(parents=True)
    secrets.write_text("POSTGRES_PASSWORD=admin123\n")
    refused = project("build", "--env", "prod", check=False)
    assert refused.returncode == 1 and "nself secrets rotate POSTGRES_PASSWORD" in refused.stderr
    project("secrets", "rotate", "POSTGRES_PASSWORD", "--env", "prod", "--yes")
    project("build", "--env", "prod")
    (project.folder / ".env").write_text("ENV=prod\nPOSTGRES_PASSWORD=admin123\n")
    refused = project("build", "--env", "prod", check=False)  # what cannot be rotated is not said to be
    assert refused.returncode == 1 and "take it out of .env" in refused.stderr and "rotate" not in refused.stderr


# -- init


def test_init_makes_a_valid_project(nself: Nself) -> None:
    nself("init", "--name", "My Shop", "--domain", "Shop.example.com", "--set", "REDIS_ENABLED=true", "--yes")
    assert nself("config", "get", "PROJECT_NAME").stdout == "my-shop\n"
    assert nself("config", "get", "BASE_DOMAIN").stdout == "shop.example.com\n"
    done = nself("config", "validate")
    assert "error" not in done.stderr and "weak" not in done.stderr
    secrets = nself.folder / ".environments/dev/.env.secrets"
    assert mode(secrets) == 0o600 and mode(nself.folder / ".env") == 0o600
    names = {line.name for line in dotenv.parse(secrets.read_bytes(), "").lines}
    assert {"POSTGRES_PASSWORD", "REDIS_PASSWORD"} <= names
    example = dotenv.parse((nself.folder / ".env.example").read_bytes(), "")
    assert not example.lines and "# POSTGRES_PORT=5432" in (nself.folder / ".env.example").read_text()
    subprocess.run(["git", "init", "-q"], cwd=nself.folder, check=True)
    ignored = subprocess.run(
        ["git", "status", "--short", "-uall"], cwd=nself.folder, check=True, capture_output=True, text=True
    ).stdout
    assert ".env.secrets" not in ignored and " .env\n" not in ignored and ".env.dev" in ignored


def test_init_demo_shows_everything(nself: Nself) -> None:
    nself("init", "--demo")
    done = nself("config", "validate")
    assert "warning" not in done.stderr.replace("is not known", "warning")
    rows = {row["name"]: row["value"] for row in json.loads(nself("config", "list", "--json").stdout)}
    assert [rows[f"CS_{n}"].split(":")[1] for n in range(1, 5)] == ["express-js", "bullmq-js", "grpc", "fastapi"]
    assert {"FRONTEND_APP_1_NAME", "FRONTEND_APP_2_NAME", "MONITORING_ENABLED"} <= set(rows)
    for env in ("staging", "prod"):
        assert nself("config", "validate", "--env", env).returncode == 0


def test_init_refuses_what_is_there_and_force_keeps_a_copy(project: Nself) -> None:
    before = {p.name: p.read_bytes() for p in project.folder.iterdir()}
    done = project("init", "--yes", check=False)
    assert done.returncode == 1 and ".env.dev" in done.stderr
    assert {p.name: p.read_bytes() for p in project.folder.iterdir()} == before
    data = json.loads(project("init", "--yes", "--force", "--name", "anew", "--json").stdout)
    assert (project.folder / data["kept"] / ".env.dev").read_bytes() == before[".env.dev"]
    assert project("config", "get", "PROJECT_NAME").stdout == "anew\n"


@pytest.mark.parametrize(
    "arguments", [("--domain", "not a domain"), ("--set", "POSTGRES_PORT=x"), ("--set", "POSTGRES_PROT=1"), ("--set", "X")]
)
def test_init_refuses_bad_values_before_writing(nself: Nself, arguments: tuple[str, ...]) -> None:
    assert nself("init", "--yes", *arguments, check=False).returncode == 2
    assert not list(nself.folder.iterdir())


def test_init_keeps_a_gitignore(nself: Nself) -> None:
    (nself.folder / ".gitignore").write_text("mine\n.env\n")
    nself("init", "--yes")
    lines = (nself.folder / ".gitignore").read_text().splitlines()
    assert lines[:2] == ["mine", ".env"] and lines.count(".env") == 1 and ".env.secrets" in lines


def test_a_failing_init_leaves_the_folder_as_it_was(nself: Nself) -> None:
    (nself.folder / ".gitignore").write_text("mine\n")
    (nself.folder / ".env.example").mkdir()  # cannot be replaced by a file
    done = nself("init", "--yes", check=False)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert sorted(p.name for p in nself.folder.iterdir() if p.name != ".nself") == [".env.example", ".gitignore"]
    (nself.folder / ".env.example").rmdir()
    assert nself("init", "--yes").returncode == 0


def test_a_killed_init_can_be_run_again(nself: Nself) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "nself_core", "init", "--demo"],
        cwd=nself.folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 60
    while process.poll() is None and not (nself.folder / ".env.dev").exists() and time.monotonic() < deadline:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    if (nself.folder / ".nself/init-unfinished").exists():
        assert "interrupted" in nself("init", "--demo").stderr
    assert nself("config", "validate").returncode == 0


def test_an_init_that_fails_leaves_the_folder_as_it_was(nself: Nself) -> None:
    (nself.folder / ".gitignore").mkdir()
    assert nself("init", "--yes", check=False).returncode == 1
    assert [path.name for path in nself.folder.iterdir()] == [".gitignore"]


def test_limits_that_local_processes_do_not_keep_to_are_named(project: Nself) -> None:
    (project.folder / ".env").write_text("NSELF_RUNTIME=native\nHASURA_MEMORY_LIMIT=1g\n")
    found = json.loads(project("doctor", "--json", check=False).stdout)
    told = [finding for finding in found["findings"] if finding["code"] == "native-limits"]
    assert len(told) == 1 and "hasura" in told[0]["message"] and "HASURA_MEMORY_LIMIT (.env:2)" in told[0]["where"]
    status = {service["name"]: service for service in json.loads(project("status", "--json").stdout)["services"]}
    assert status["hasura"]["limits"] == {"memory": 1 << 30, "cpus": None, "enforced": False}
    assert status["postgres"]["limits"] is None
    assert "limits that are set and not enforced, as local processes run without limits: hasura\n" in project("status").stdout
    (project.folder / ".env").write_text("NSELF_RUNTIME=compose\nHASURA_MEMORY_LIMIT=1g\n")
    status = {service["name"]: service for service in json.loads(project("status", "--json").stdout)["services"]}
    assert status["hasura"]["limits"]["enforced"] is True
    assert "not enforced" not in project("status").stdout
