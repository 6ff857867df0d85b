"""Which file wins, what counts from the process environment, and ``${}``."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.unit.settings.conftest import Shop, codes, found

ORDER = [
    ".env.dev", ".env.staging", ".env.secrets", ".environments/staging/.env", ".environments/staging/.env.secrets", ".env.local",
    ".env",
]  # fmt: skip


@pytest.mark.parametrize("count", range(1, len(ORDER) + 1))
def test_the_order_of_the_files(shop: Shop, count: int) -> None:
    shop.write({".env": "ENV=staging\n"})
    for number, label in enumerate(ORDER[:count], start=1):
        text = f"PROJECT_NAME=shop\nBASE_DOMAIN=example.com\nDB_PORT={number}\n" + ("ENV=staging\n" if label == ".env" else "")
        shop.write({label: text})
    loaded = shop.load()
    assert loaded.environment.name == "staging"
    assert loaded.settings["DB_PORT"] == count
    assert loaded.explain("DB_PORT").sources[0].where == f"{ORDER[count - 1]}:3"


def test_the_process_environment_beats_every_file(shop: Shop) -> None:
    loaded = shop.write({".env": "DB_PORT=1\n"}).load(DB_PORT="2")
    assert loaded.settings["DB_PORT"] == 2
    assert loaded.environ_used == {"DB_PORT": "2"}
    assert [s.state for s in loaded.explain("DB_PORT").sources] == ["wins", "overridden"]


def test_ambient_variables_never_count(shop_of: Callable[[str], Shop]) -> None:
    shop = shop_of("LOG_LEVEL=debug\nDB_URL=${PORT:-none}-${DEBUG:-none}")
    loaded = shop.load(LOG_LEVEL="error", ENV="prod", DEBUG="true", PORT="99", UNRELATED="x")
    assert loaded.environment.name == "dev"
    assert loaded.settings["LOG_LEVEL"] == "debug"
    assert loaded.settings["DB_URL"] == "none-none" or loaded.settings["DB_URL"] == "none-true"
    assert "DEBUG" not in loaded.environ_used and not loaded.environ_used


@pytest.mark.parametrize("machine", [".env", ".env.local"])
def test_this_machines_files_are_left_out_elsewhere_but_for_the_name(shop: Shop, machine: str) -> None:
    shop.write({machine: "PROJECT_NAME=mine\nDB_PORT=1\n", ".env.prod": "BASE_DOMAIN=example.com\n"})
    loaded = shop.load("prod")
    assert (loaded.project_name, loaded.settings["DB_PORT"]) == ("mine", 5432)
    assert "env-left-out" in codes(loaded, "note")
    assert "it is for dev" in loaded.explain("DB_PORT").sources[0].state


def test_env_counts_in_dot_env_alone(shop: Shop) -> None:
    loaded = shop.write({".env.dev": "PROJECT_NAME=shop\nENV=prod\n", ".env.local": "ENV=dev\n"}).load()
    assert loaded.environment.name == "dev"
    assert loaded.settings["ENV"] == "dev"


@pytest.mark.parametrize("spelling", ["production", "PROD", "Production", "prod"])
def test_spellings_of_an_environment(shop: Shop, spelling: str) -> None:
    shop.write({".env": f"ENV={spelling}\nBASE_DOMAIN=example.com\nDB_PORT=7\n"})
    loaded = shop.load()
    assert (loaded.environment.name, loaded.environment.cls, loaded.settings["DB_PORT"]) == ("prod", "prod", 7)


def test_references_reach_over_the_whole_cascade(shop: Shop) -> None:
    shop.write({".env.dev": "PROJECT_NAME=shop\nDB_URL=a-${LATER}-${HOST:-none}-${EMPTY:-full}\n", ".env": "LATER=x\nEMPTY=\n"})
    assert shop.load(HOST="box").settings["DB_URL"] == "a-x-box-full"
    assert shop.load().settings["DB_URL"] == "a-x-none-full"


def test_every_unset_reference_is_listed_in_one_error(shop_of: Callable[[str], Shop]) -> None:
    loaded = shop_of("DB_URL=${ONE}${TWO}\nDB_PORT=${THREE}\nCACHE_MEMORY='${FOUR}'").load()
    problem = found(loaded, "env-unset")
    assert problem.level == "error"  # type: ignore[attr-defined]
    assert all(name in problem.message for name in ("ONE", "TWO", "THREE"))  # type: ignore[attr-defined]
    assert "FOUR" not in problem.message  # type: ignore[attr-defined]


def test_a_line_that_loses_may_refer_to_nothing(shop: Shop) -> None:
    loaded = shop.write({".env.dev": "PROJECT_NAME=shop\nDB_PORT=${UNSET}\n", ".env": "DB_PORT=5\n"}).load()
    assert loaded.settings["DB_PORT"] == 5 and not codes(loaded, "error")


def test_circles_and_odd_references_are_errors(shop_of: Callable[[str], Shop]) -> None:
    assert "env-circle" in codes(shop_of("DB_URL=${HAND_ON}\nHAND_ON=${DB_URL}").load(), "error")
    assert "env-reference" in codes(shop_of("DB_URL=${1x}").load(), "error")
    assert "env-reference" in codes(shop_of("DB_URL=${open").load(), "error")
    assert "env-reference" in codes(shop_of("DB_URL=${ONE:-${TWO:-x}}").load(), "error")


def test_references_that_would_fill_the_memory_are_an_error(shop_of: Callable[[str], Shop]) -> None:
    lines = ["A0=0123456789", *(f"A{n}=" + f"${{A{n - 1}}}" * 10 for n in range(1, 12)), "DB_URL=${A11}"]
    assert "env-too-long" in codes(shop_of("\n".join(lines)).load(), "error")


def test_a_reference_to_itself_means_the_file_below(shop: Shop) -> None:
    shop.write({".env.dev": "PROJECT_NAME=shop\nDB_URL=base\n", ".env": "DB_URL=${DB_URL}/more\n"})
    assert shop.load().settings["DB_URL"] == "base/more"


def test_defaults_may_refer(shop: Shop) -> None:
    assert shop.load().settings["DB_URL"] == "db://localhost/shop"


def test_a_reference_to_a_secret_that_is_to_be_made(shop_of: Callable[[str], Shop]) -> None:
    loaded = shop_of("DB_URL=db://u:${DB_PASSWORD}@h").load()
    assert not codes(loaded, "error")
    assert loaded.settings["DB_URL"] == "db://u:<to be made>@h"
    assert "secret-in-plain" in codes(loaded, "warning")


def test_a_misnamed_file_is_told(shop: Shop) -> None:
    assert "env-misnamed" in codes(shop.write({".env.production": "DB_PORT=1\n"}).load())


def test_secrets_that_others_may_read_are_told(shop: Shop) -> None:
    shop.write({".env.secrets": "DB_PASSWORD=Zq8vT2mK9xR4wN7pLongEnough\n"})
    assert "secrets-mode" not in codes(shop.load())
    (shop.root / ".env.secrets").chmod(0o644)
    assert "secrets-mode" in codes(shop.load(), "warning")


def test_an_environment_like_prod_behaves_like_it(shop: Shop) -> None:
    shop.write(
        {".environments/live/environment.json": '{"like": "prod"}', ".environments/live/.env": "BASE_DOMAIN=example.com\n"}
    )
    assert shop.load("live").environment.cls == "prod"
    shop.write({".environments/qa/.env": "BASE_DOMAIN=qa.example.com\n"})
    assert shop.load("qa").environment.cls == "staging"


def test_in_force_order(shop: Shop) -> None:
    shop.write({".env": "ENV=staging\nBASE_DOMAIN=example.com\n"})
    assert shop.load().environment.name == "staging"
    shop.write({".nself/environment.json": '{"environment": "qa"}'})
    assert shop.load().environment.name == "qa"
    assert shop.load(NSELF_ENV="prod").environment.name == "prod"
    assert shop.load("dev", NSELF_ENV="prod").environment.name == "dev"
    assert shop.load(NSELF_ENV="prod").environ_used == {}


def test_an_override_for_one_environment(shop: Shop) -> None:
    shop.write(
        {".env.dev": "PROJECT_NAME=shop\nAPI_ROUTE=api\nAPI_PROD_ROUTE=api.v1\n", ".env.prod": "BASE_DOMAIN=example.com\n"}
    )
    assert shop.load("prod").settings["API_ROUTE"] == "api.v1"
    dev = shop.load()
    assert dev.settings["API_ROUTE"] == "api" and "setting-unknown" not in codes(dev)


def test_what_counts_from_the_process_can_be_told_without_loading(shop: Shop) -> None:
    """The names that decide whether a build is up to date agree with what loading takes."""
    from hookspecs.patterns import match_pattern

    given = {
        "CS_3": "a:b",
        "DB_MEMORY": "1g",
        "DB_IMAGE": "x:1",
        "STRANGER_IMAGE": "x:1",
        "CUSTOM_SERVICE_4": "c:d",
        "DB_PORT": "1",
    }
    counting = shop.declarations.from_process()
    matched = {n for n in given if n in counting or any("{" in name and match_pattern(name, n) for name in counting)}
    assert matched == set(shop.load(**given).environ_used) == set(given) - {"STRANGER_IMAGE"}
