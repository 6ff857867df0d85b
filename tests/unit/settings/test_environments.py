"""Environments: making, switching, comparing and checking them; ``server.json``; provisioning."""

from __future__ import annotations

import json
import stat

import pytest

from hookspecs import UserError
from nself_core.settings import environments, server
from nself_core.settings.provision import provision, store
from tests.unit.settings.conftest import Shop

STRONG = "Zq8vT2mK9xR4wN7pLk3sJh6dFg1aQw5eRt0yUi"


def test_names_and_classes(shop: Shop) -> None:
    shop.write({".env.prod": "", ".env.local": "", ".env.example": "", ".environments/qa/.env": "", ".env.secrets": ""})
    assert environments.names(shop.root) == ["dev", "prod", "qa"]


def test_switching_writes_our_own_state_alone(shop: Shop) -> None:
    shop.write({".env": "ENV=dev\n", ".env.staging": "BASE_DOMAIN=example.com\n"})
    before = {p: p.read_bytes() for p in shop.root.glob(".env*")}
    assert environments.switch(shop.root, "stage") == "staging"
    assert {p: p.read_bytes() for p in shop.root.glob(".env*")} == before
    assert sorted(p.name for p in (shop.root / ".nself").iterdir()) == [".gitignore", "environment.json"]
    assert shop.load().environment.name == "staging"


def test_switching_to_nothing_names_what_there_is(shop: Shop) -> None:
    with pytest.raises(UserError) as error:
        environments.switch(shop.root, "stagign")
    assert "dev" in error.value.remedy and not (shop.root / ".nself").exists()


@pytest.mark.parametrize("name", ["a b", "../x", "", "-x", "x" * 31])
def test_a_name_that_can_be_none(shop: Shop, name: str) -> None:
    with pytest.raises(UserError):
        environments.create(shop.root, name, "staging")


def test_creating_one_like_a_class(shop: Shop) -> None:
    made = environments.create(shop.root, "live", "prod")
    folder = shop.root / ".environments" / "live"
    assert sorted(made) == sorted(f".environments/live/{p.name}" for p in folder.iterdir())
    assert stat.S_IMODE((folder / ".env.secrets").stat().st_mode) == 0o600
    assert shop.load("live").environment.cls == "prod"
    assert json.loads((folder / "server.json").read_text())["port"] == 22
    with pytest.raises(UserError):
        environments.create(shop.root, "live", "prod")


def test_creating_one_like_another_copies_settings_and_no_secrets(shop: Shop) -> None:
    shop.write({".env.prod": "# ours\nENV=prod\nDB_PORT=7\n", ".environments/prod/.env.secrets": f"DB_PASSWORD={STRONG}\n"})
    shop.write({".environments/prod/server.json": '{"host": "prod.example.com", "user": "deploy", "port": "2222"}'})
    environments.create(shop.root, "mirror", "prod")
    loaded = shop.load("mirror")
    assert (loaded.settings["DB_PORT"], loaded.environment.cls) == (7, "prod")
    assert "DB_PASSWORD" in loaded.to_be_made
    at = server.read(shop.root, "mirror")
    assert at is not None and (at.host, at.user, at.port) == ("", "deploy", 2222)


def test_comparing(shop: Shop) -> None:
    shop.write({
        ".env.staging": f"DB_PORT=1\nCACHE_ENABLED=true\nDB_PASSWORD={STRONG}\n",
        ".env.prod": f"DB_PORT=2\nJWT_TYPE=RS256\nDB_PASSWORD={STRONG}x\n",
        ".environments/staging/server.json": '{"host": "s"}', ".environments/prod/server.json": '{"host": "p"}',
    })  # fmt: skip
    found = environments.compare(shop.load("staging"), shop.load("prod"))
    assert found.different == {"DB_PORT": ("1", "2"), "DB_PASSWORD": ("********", "********")}
    assert (list(found.only_first), list(found.only_second)) == (["CACHE_ENABLED"], ["JWT_TYPE"])
    assert found.server == {"host": ("s", "p")} and found.count == 5


@pytest.mark.parametrize(
    ("text", "where"),
    [('{"host":\n "x",}', ":2"), ('["x"]', ""), ('{"port": 70000}', ""), ('{"port": "ssh"}', "")],
)
def test_a_server_file_that_is_wrong(shop: Shop, text: str, where: str) -> None:
    shop.write({".environments/prod/server.json": text})
    with pytest.raises(UserError) as error:
        server.read(shop.root, "prod")
    assert error.value.where == f".environments/prod/server.json{where}"


def test_every_field_of_a_server_may_be_left_out(shop: Shop) -> None:
    shop.write({".environments/prod/server.json": "{}"})
    at = server.read(shop.root, "prod")
    assert at == server.Server() and server.read(shop.root, "qa") is None


def test_checking_prod(shop: Shop) -> None:
    shop.write(
        {".env.prod": "BASE_DOMAIN=shop.local\n", ".environments/prod/server.json": '{"host": "x", "key": "/no/such/key"}'}
    )
    shop.write({".environments/prod/.env.secrets": f"DB_PASSWORD={STRONG}\n"})
    (shop.root / ".environments/prod/.env.secrets").chmod(0o644)
    levels = {p.code or p.variable: p.level for p in environments.check(shop.load("prod"))}
    assert levels["secrets-mode"] == "error" and levels["BASE_DOMAIN"] == "error" and levels["server-key"] == "warning"
    assert {p.level for p in environments.check(shop.load("prod"), strict=True)} <= {"error", "note"}


def test_provisioning_keeps_what_is_there(shop: Shop) -> None:
    shop.write({".environments/dev/.env.secrets": "# mine\nOWN=x # why\n"})
    provision(shop.root, "dev", {"DB_PASSWORD": 32, "JWT_KEY": 64})
    path = shop.root / ".environments/dev/.env.secrets"
    assert path.read_text().startswith("# mine\nOWN=x # why\n")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert (shop.root / ".environments/.gitignore").read_text() == ".env.secrets\n"
    loaded = shop.load()
    assert [len(loaded.secrets[name]) for name in ("DB_PASSWORD", "JWT_KEY")] == [32, 64] and not loaded.to_be_made


def test_storing_an_odd_secret_reads_back(shop: Shop) -> None:
    odd = "a'b\"c\\d ${e} #f\n g"
    store(shop.root, "dev", {"DB_PASSWORD": odd})
    assert shop.load().secrets["DB_PASSWORD"] == odd
