"""What a plugin's command is given of the project, under both ways of addressing and where it cannot be given."""

from __future__ import annotations

from pathlib import Path

import pytest

from hookspecs import CommandContext, UserError
from nself_core.cli.context import ProjectContext

SETTINGS = "PROJECT_NAME=shop\nPOSTGRES_PORT=15432\nHASURA_PORT=18080\nPOSTGRES_PASSWORD='p@ss/word: 1'\n"


@pytest.fixture
def context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CommandContext:
    (tmp_path / ".env").write_text(SETTINGS)
    monkeypatch.chdir(tmp_path)
    return ProjectContext()


def test_services_that_find_each_other_by_name_are_reached_on_this_machine(
    context: CommandContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NSELF_RUNTIME", "compose")
    inside = context.environment("auth")["HASURA_GRAPHQL_DATABASE_URL"]
    assert "@postgres:5432/" in inside
    assert context.reach(inside) == inside.replace("@postgres:5432/", "@127.0.0.1:15432/")
    assert context.reach("https://example.com/a?b") == "https://example.com/a?b"
    assert str(context.address("hasura")) == "127.0.0.1:18080"
    assert context.project().runtime == "compose"


def test_outside_dev_a_port_is_not_published_and_the_route_is(
    context: CommandContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = "".join(f"{name}={'Zq8vT2mK9x' * 4}\n" for name in ("HASURA_JWT_KEY", "HASURA_GRAPHQL_ADMIN_SECRET"))
    (tmp_path / ".env").write_text(f"ENV=prod\nBASE_DOMAIN=example.com\nPOSTGRES_PASSWORD={'Zq8vT2mK9x' * 4}\n{secrets}")
    monkeypatch.setenv("NSELF_RUNTIME", "compose")
    with pytest.raises(UserError) as failed:
        context.address("hasura")
    assert failed.value.code == "port-unpublished"
    assert context.public_url("hasura") == "https://api.example.com"
    with pytest.raises(UserError, match="no route leads to postgres"):
        context.public_url("postgres")


def test_local_processes_are_where_their_environment_says(context: CommandContext, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NSELF_RUNTIME", "native")
    environment = context.environment("auth")
    assert environment["AUTH_HOST"] == "127.0.0.1"
    inside = environment["HASURA_GRAPHQL_DATABASE_URL"]
    assert "@127.0.0.1:15432/" in inside
    assert context.reach(inside) == inside


def test_secrets_are_kept_unless_a_file_of_the_user_gives_them(context: CommandContext, tmp_path: Path) -> None:
    context.keep({"HASURA_JWT_KEY": "k" * 40})
    kept = tmp_path / ".environments" / "dev" / ".env.secrets"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert '"key": "' + "k" * 40 in context.environment("auth")["HASURA_GRAPHQL_JWT_SECRET"]
    before = kept.read_bytes()
    with pytest.raises(UserError, match="overrides the secrets file"):
        context.keep({"HASURA_JWT_KEY": "n" * 40, "POSTGRES_PASSWORD": "another"})
    assert kept.read_bytes() == before


def test_an_unknown_service_and_a_folder_without_a_project(
    context: CommandContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UserError, match="there is no service 'atuh'"):
        context.environment("atuh")
    (tmp_path / ".env").unlink()
    with pytest.raises(UserError, match="no nself project"):
        ProjectContext().project()
