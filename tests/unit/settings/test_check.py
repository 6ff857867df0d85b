"""Spellings, types, secrets, and what is unknown, unused or refused."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest

from nself_core.settings.strength import TO_BE_MADE
from tests.unit.settings.conftest import Shop, codes, found

STRONG = "Zq8vT2mK9xR4wN7pLk3sJh6dFg1aQw5eRt0yUi"


def test_a_higher_file_wins_whatever_the_spelling(shop: Shop) -> None:
    shop.write({".env.dev": "PROJECT_NAME=shop\nDB_PORT=1\n", ".env": "DB_EXTERNAL_PORT=2\n"})
    loaded = shop.load()
    assert loaded.settings["DB_PORT"] == 2
    note = found(loaded, "setting-alias")
    assert (note.level, note.where, "DB_PORT" in note.remedy) == ("note", ".env:1", True)  # type: ignore[attr-defined]


def test_two_spellings_that_differ_in_one_file(shop_of: Callable[[str], Shop]) -> None:
    problem = found(shop_of("DB_PORT=1\nDB_EXTERNAL_PORT=2").load(), "setting-conflict")
    assert problem.level == "error" and problem.where == ".env.dev:2 and 3"  # type: ignore[attr-defined]


def test_two_spellings_that_agree(shop_of: Callable[[str], Shop]) -> None:
    loaded = shop_of("CACHE_ENABLED=true\nKV_ENABLED=1\nJWT_KEY=${K}\nAUTH_JWT_SECRET=${K}").load(K=STRONG)
    assert not codes(loaded, "error") and loaded.settings["CACHE_ENABLED"] is True
    assert loaded.secrets["JWT_KEY"] == STRONG


def test_a_name_twice_in_one_file(shop_of: Callable[[str], Shop]) -> None:
    loaded = shop_of("DB_PORT=1\nDB_PORT=2").load()
    assert loaded.settings["DB_PORT"] == 2 and "setting-twice" in codes(loaded, "warning")


@pytest.mark.parametrize("quoted", ["'{}'", "{}"])
def test_a_json_spelling_sets_each_field(shop_of: Callable[[str], Shop], quoted: str) -> None:
    text = quoted.format('{"type":"RS256","key":"' + STRONG + '"}')
    loaded = shop_of(f"JWT_JSON={text}").load()
    assert (loaded.settings["JWT_TYPE"], loaded.secrets["JWT_KEY"]) == ("RS256", STRONG)


def test_a_json_spelling_with_references(shop_of: Callable[[str], Shop]) -> None:
    inner = shop_of('JWT_JSON={"type":"RS256","key":"${K}"}').load(K=STRONG)
    whole = shop_of("JWT_JSON=${J}").load(J='{"type":"RS256","key":"' + STRONG + '"}')
    assert inner.secrets["JWT_KEY"] == whole.secrets["JWT_KEY"] == STRONG


def test_a_json_spelling_that_is_none(shop_of: Callable[[str], Shop]) -> None:
    problem = found(shop_of("JWT_JSON=not-json-hunter2").load(), "setting-json")
    assert problem.level == "error" and "hunter2" not in problem.message  # type: ignore[attr-defined]


def test_a_spelling_with_values(shop_of: Callable[[str], Shop]) -> None:
    assert shop_of("KV_ENGINE=cache").load().settings["CACHE_ENABLED"] is True
    assert shop_of("KV_ENGINE=other").load().settings["CACHE_ENABLED"] is False


def test_numbered_spellings(shop_of: Callable[[str], Shop]) -> None:
    loaded = shop_of("CUSTOM_SERVICE_2=a:b\nCS_1=c:d\nCS_2_PORT=8002\nCS_9_PORT=1\nCS_0=x").load()
    assert loaded.settings.slots("CS_{N}") == [1, 2]
    assert loaded.settings["CS_2_PORT"] == 8002
    assert loaded.settings["CS_3_PORT"] is None
    assert "setting-off" in codes(loaded) and "setting-unknown" in codes(loaded)


def test_settings_of_any_service(shop_of: Callable[[str], Shop]) -> None:
    loaded = shop_of("WEB_MEMORY=512M\nWEB_CPU=0.5\nWEB_REPLICAS=3\nWEB_IMAGE=team/web:1\nWEP_REPLICAS=2").load()
    assert {name: entry.value for name, entry in loaded.generic.items()} == {
        "WEB_MEMORY_LIMIT": 512 << 20, "WEB_CPU_LIMIT": 0.5, "WEB_REPLICAS": 3, "WEB_IMAGE": "team/web:1", "WEP_REPLICAS": 2,
    }  # fmt: skip
    (problem,) = loaded.check_generic(["web", "node-exporter"])
    assert problem.variable == "WEP_REPLICAS" and "WEB_REPLICAS" in problem.remedy


def test_an_unknown_variable_names_the_near_one(shop_of: Callable[[str], Shop]) -> None:
    loaded = shop_of("DB_PROT=1\nCS_1=a\nCS_1_PROT=2\nZZZ=1").load()
    remedies = {p.variable: p.remedy for p in loaded.problems if p.code == "setting-unknown"}
    assert "DB_PORT" in remedies["DB_PROT"] and "CS_1_PORT" in remedies["CS_1_PROT"] and "ZZZ" in remedies
    assert "warning" not in {str(f.level) for f in loaded.strict()}
    assert "setting-unknown" in codes(loaded, "warning")


def test_a_variable_that_is_referred_to_or_handed_on_is_known(shop_of: Callable[[str], Shop]) -> None:
    loaded = shop_of("MINE=1\nOTHER=2\nMY_TOKEN=abc\nDB_URL=${MINE}\nHAND_ON=OTHER,MY_TOKEN").load()
    assert "setting-unknown" not in codes(loaded)
    assert loaded.settings["OTHER"] == "2" and loaded.secrets["MY_TOKEN"] == "abc"


def test_a_variable_of_a_plugin_that_is_not_installed(shop_of: Callable[[str], Shop]) -> None:
    problem = found(shop_of("ML_ENABLED=true").load(), "setting-of-plugin")
    assert (problem.level, problem.remedy) == ("warning", "nself plugin install ml")  # type: ignore[attr-defined]
    assert found(shop_of("ML_ENABLED=false").load(), "setting-of-plugin").level == "note"  # type: ignore[attr-defined]


def test_unused_refused_and_off(shop_of: Callable[[str], Shop]) -> None:
    loaded = shop_of("OLD_THING=1\nBAD_THING=1\nCACHE_MEMORY=1g").load()
    assert codes(loaded, "note") >= {"setting-unused", "setting-off"}
    assert codes(loaded, "error") == {"setting-refused"}


def test_all_faults_at_once(shop_of: Callable[[str], Shop]) -> None:
    loaded = shop_of("DB_PORT=99999\nBASE_DOMAIN=not a domain\nJWT_TYPE=XX\nMAIL_ENABLED=perhaps\nAPI_ROUTE=a_b").load()
    wrong = {p.variable: p.where for p in loaded.problems if p.level == "error"}
    assert wrong == {
        "DB_PORT": ".env.dev:2", "BASE_DOMAIN": ".env.dev:3", "JWT_TYPE": ".env.dev:4", "MAIL_ENABLED": ".env.dev:5",
        "API_ROUTE": ".env.dev:6",
    }  # fmt: skip


@pytest.mark.parametrize("name", ["My App", "-x", "UPPER", "a" * 64, "x/y"])
def test_a_project_name_that_containers_refuse(shop: Shop, name: str) -> None:
    assert "setting-invalid" in codes(shop.write({".env.dev": f"PROJECT_NAME={name}\n"}).load(), "error")


def test_a_project_without_a_name_takes_its_folders(shop: Shop) -> None:
    loaded = shop.write({".env.dev": "DB_PORT=1\n"}).load()
    assert loaded.project_name and "setting-default" in codes(loaded, "note")


# -- secrets


def test_a_missing_secret_is_to_be_made_where_its_switch_is_on(shop_of: Callable[[str], Shop]) -> None:
    off, on = shop_of("").load(), shop_of("CACHE_ENABLED=true").load()
    assert off.to_be_made == {"DB_PASSWORD": 32, "JWT_KEY": 64}
    assert on.to_be_made == {"DB_PASSWORD": 32, "JWT_KEY": 64, "CACHE_PASSWORD": 24}
    assert on.secrets["CACHE_PASSWORD"] == TO_BE_MADE


@pytest.mark.parametrize("value", ["demo-password", "changeme", "Password123!", "short", "thingadmin", "aaaaaaaaaaaaaaaaaaaa"])
def test_weak_is_warned_of_in_dev_and_refused_elsewhere(shop: Shop, value: str) -> None:
    for env, level in (("dev", "warning"), ("staging", "error"), ("prod", "error")):
        shop.write({f".environments/{env}/.env.secrets": f"DB_PASSWORD={value}\n", f".env.{env}": "BASE_DOMAIN=example.com\n"})
        assert "secret-weak" in codes(shop.load(env), level), env


def test_a_strong_secret_passes(shop: Shop) -> None:
    shop.write({".env.prod": f"BASE_DOMAIN=example.com\nDB_PASSWORD={STRONG}\nJWT_KEY={STRONG}\n"})
    assert not codes(shop.load("prod"), "error") and "secret-weak" not in codes(shop.load("prod"))


def test_a_secret_of_dev_alone_counts_as_missing_outside(shop: Shop) -> None:
    shop.write(
        {
            ".env.dev": f"PROJECT_NAME=shop\nDB_PASSWORD={STRONG}\nMAIL_KEY=k\nMAIL_ENABLED=true\n",
            ".env.prod": "BASE_DOMAIN=example.com\n",
        }
    )
    assert "secret-from-dev" not in codes(shop.load())
    loaded = shop.load("prod")
    assert loaded.to_be_made["DB_PASSWORD"] == 32  # services alone share it: made anew
    levels = {p.variable: p.level for p in loaded.problems if p.code == "secret-from-dev"}
    assert levels == {"DB_PASSWORD": "note", "MAIL_KEY": "error"}  # an outside party holds that one


def test_an_empty_secret_sets_nothing(shop: Shop) -> None:
    shop.write(
        {".env.prod": f"BASE_DOMAIN=example.com\nDB_PASSWORD={STRONG}\n", ".environments/prod/.env.secrets": "DB_PASSWORD=\n"}
    )
    assert shop.load("prod").secrets["DB_PASSWORD"] == STRONG


def test_secrets_never_stand_in_settings_or_explanations(shop_of: Callable[[str], Shop]) -> None:
    loaded = shop_of(f"DB_PASSWORD={STRONG}\nPROVIDER_X_SECRET=hunter2").load()
    assert STRONG not in repr(loaded.settings) and STRONG not in repr(loaded.explain("DB_PASSWORD"))
    assert STRONG not in repr(loaded) and "hunter2" not in repr(loaded.findings)
    with pytest.raises(KeyError):
        loaded.settings["DB_PASSWORD"]
    assert loaded.settings.secret("DB_PASSWORD") is not None


def test_loading_needs_no_pydantic(shop: Shop) -> None:
    code = (
        "import sys; from pathlib import Path; from nself_core.settings import Declarations, load\n"
        "loaded = load(Path(sys.argv[1]), Declarations.of([]), environ={})\n"
        "assert loaded.project_name == 'shop' and loaded.problems is not None\n"
        "assert not {'pydantic', 'yaml', 'jinja2'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, str(shop.root)], check=True, timeout=120)


@pytest.mark.parametrize("line", ["'${hunter2'", "'a${hunter2}'", "${UNSET:-hunter2}", "${K}hunter2"])
def test_no_spelling_of_a_secret_is_shown(shop_of: Callable[[str], Shop], line: str) -> None:
    from nself_core.settings import environments
    from nself_core.settings.explain import rows

    shop = shop_of(f"DB_PASSWORD={line}")
    loaded = shop.load(K="k")
    compared = environments.compare(loaded, shop.load("staging"))
    assert "hunter2" not in f"{loaded.explain('DB_PASSWORD')}{rows(loaded)}{compared}{loaded.problems}"
    assert "hunter2" in str(rows(loaded, show=True))
