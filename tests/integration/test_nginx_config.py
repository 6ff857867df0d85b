"""The generated trees pass ``nginx -t`` with the real binary, in every environment, for both runtimes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests import nginx_tree
from tests.conftest import FIXTURE_SECRETS, Nself
from tests.ports import free_ports

RUNTIMES = ("compose", "native")


def passes(project: Nself) -> None:
    for runtime, done in nginx_tree.check_project(project.folder).items():
        assert done.returncode == 0, f"{runtime}: {done.stderr}"
        assert "[warn]" not in done.stderr, f"{runtime}: {done.stderr}"


@pytest.mark.shared
@pytest.mark.parametrize("env", ["dev", "staging", "prod"])
def test_demo_fixture(fixture_project: Nself, env: str) -> None:
    fixture_project.environ |= {k: v for k, v in FIXTURE_SECRETS.items() if k.startswith(env.upper())}
    # Native staging and prod ask for 80 and 443 on every address, which the test's machine may have in use.
    fixture_project.environ |= dict(zip(("NGINX_PORT", "NGINX_SSL_PORT"), map(str, free_ports(2)), strict=True))
    fixture_project("build", "--env", env)
    passes(fixture_project)
    sites = {path.stem for path in (fixture_project.folder / "nginx" / "sites").iterdir()}
    assert {"hasura", "auth", "grafana"} <= sites
    assert ("frontend-app1" in sites) == (env == "dev")


SETTINGS = {
    "plain": "",
    "no https": "SSL_ENABLED=false\n",
    "own rates": "RATE_LIMIT_GENERAL_RATE=5r/m\nNGINX_CLIENT_MAX_BODY_SIZE=2g\n",
    "extra sites": "INTERNAL_ROUTE_1_NAME=tool\nINTERNAL_ROUTE_1_TARGET=localhost:9999\nINTERNAL_ROUTE_1_WEBSOCKET=true\n"
    "INTERNAL_ROUTE_3_NAME=gql\nINTERNAL_ROUTE_3_TARGET=hasura:8080\nINTERNAL_ROUTE_3_RATE_ZONE=user\n",
    "webhooks": "WEBHOOKS_ROUTE=hooks\nWEBHOOK_HANDLER_HOST=hasura\nWEBHOOK_HANDLER_PORT=8080\n",
    "frontend with an API": "FRONTEND_APP_2_NAME=Shop App\nFRONTEND_APP_2_PORT=5173\nFRONTEND_APP_2_API_PORT=5174\n",
    "a limit of a service's own": "CS_1=shop:custom:8001:shop\nCS_1_RATE_LIMIT=90\nCS_1_IMAGE=mine/shop:1.0\n",
    "built frontends": "ENV=staging\nBASE_DOMAIN=stage.example.com\nFRONTEND_APP_1_NAME=web\nFRONTEND_APP_1_DIR=web/dist\n",
    "long names": "BASE_DOMAIN=a-rather-long-name-for-a-domain.of-some-department.of-some-company.example.com\n",
}


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_settings(write_env: Callable[[str], Nself], settings: str) -> None:
    http, https = free_ports(2)
    nself = write_env(f"PROJECT_NAME=proxy\nNGINX_PORT={http}\nNGINX_SSL_PORT={https}\n{settings}")
    nself("build")
    passes(nself) if "SSL_ENABLED=false" not in settings else passes_without_tls(nself)


def passes_without_tls(nself: Nself) -> None:
    assert not (nself.folder / "nginx" / "includes" / "tls.conf").exists()
    assert nginx_tree.check(nginx_tree.native_tree(nself.folder)).returncode == 0


def test_own_site_wins(write_env: Callable[[str], Nself]) -> None:
    http, https = free_ports(2)
    nself = write_env(f"PROJECT_NAME=proxy\nBASE_DOMAIN=example.test\nNGINX_PORT={http}\nNGINX_SSL_PORT={https}\n")
    own = nself.folder / "nginx" / "conf.d"
    own.mkdir(parents=True)
    site = "server_name api.example.test; # mine\n  location / { return 204; }"
    text = f"server {{\n  listen 127.0.0.1:{https} ssl;\n  {site}\n}}\n"
    (own / "mine.conf").write_text(text)
    nself("build")
    passes(nself)
    for tree in (nself.folder / "nginx", nself.folder / ".nself/native/conf/nginx"):
        assert not (tree / "sites" / "hasura.conf").exists()
        assert "api.example.test" not in (tree / "sites" / "00-default.conf").read_text()
        assert (tree / "sites" / "auth.conf").exists()
    assert (own / "mine.conf").read_text() == text


def test_a_prod_tree_is_strict(write_env: Callable[[str], Nself]) -> None:
    nself = write_env(
        "PROJECT_NAME=proxy\nENV=prod\nBASE_DOMAIN=shop.example.com\nMONITORING_ENABLED=true\nADMINER_ENABLED=true\n"
    )
    nself("build", check=False)
    tree = nself.folder / "nginx"
    if not tree.exists():
        pytest.fail("prod did not build: " + nself("build", check=False).stderr)
    assert "Strict-Transport-Security" in (tree / "includes" / "answers.conf").read_text()
    assert "private.conf" in (tree / "sites" / "prometheus.conf").read_text()
    assert not (tree / "sites" / "adminer.conf").exists()
    assert "acme-challenge" in (tree / "sites" / "00-default.conf").read_text()
    assert "server_tokens off" in (tree / "nginx.conf").read_text()


def test_custom_certificate(write_env: Callable[[str], Nself]) -> None:
    http, https = free_ports(2)
    nself = write_env(
        f"PROJECT_NAME=proxy\nNGINX_PORT={http}\nNGINX_SSL_PORT={https}\n"
        "SSL_MODE=custom\nSSL_CERT_PATH=tls/mine.pem\nSSL_KEY_PATH=tls/mine.key\n"
    )
    nself("build")
    assert "/etc/nginx/custom/fullchain.pem" in (nself.folder / "nginx/includes/tls.conf").read_text()
    assert str(nself.folder / "tls/mine.pem") in (nself.folder / ".nself/native/conf/nginx/includes/tls.conf").read_text()
    assert not (nself.folder / ".nself/certs/local").exists()


def test_custom_certificate_must_be_named(write_env: Callable[[str], Nself]) -> None:
    done = write_env("PROJECT_NAME=proxy\nSSL_MODE=custom\nSSL_CERT_PATH=mine.pem\n")("build", check=False)
    assert done.returncode == 1
    assert "SSL_KEY_PATH" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_limit_of_a_services_own(write_env: Callable[[str], Nself]) -> None:
    nself = write_env("PROJECT_NAME=proxy\nCS_1=shop:custom:8001:shop\nCS_1_RATE_LIMIT=90\nCS_1_IMAGE=mine/shop:1.0\n")
    nself("build")
    tree = nself.folder / "nginx"
    assert "zone=route_custom_shop:1m rate=90r/m;" in (tree / "includes/limits.conf").read_text()
    assert "limit_req zone=route_custom_shop " in (tree / "sites/custom-shop.conf").read_text()


def test_replicas_share_an_upstream(write_env: Callable[[str], Nself]) -> None:
    nself = write_env("PROJECT_NAME=proxy\nHASURA_REPLICAS=3\n")
    nself("build")
    native = (nself.folder / ".nself/native/conf/nginx/includes/upstreams.conf").read_text()
    block = native.partition("upstream hasura-http {")[2].partition("}")[0]
    assert block.count("server 127.0.0.1:") == 3
    assert "set $upstream hasura:8080;" in (nself.folder / "nginx/sites/hasura.conf").read_text()


def test_built_frontends_are_served_from_their_folder(write_env: Callable[[str], Nself]) -> None:
    nself = write_env(
        "PROJECT_NAME=proxy\nENV=staging\nBASE_DOMAIN=stage.example.com\nFRONTEND_APP_1_NAME=web\nFRONTEND_APP_1_DIR=web/dist\n"
    )
    nself("build")
    assert 'root "/srv/www/web/dist";' in (nself.folder / "nginx/sites/frontend-web.conf").read_text()
    assert "./web/dist" in (nself.folder / "docker-compose.yml").read_text()
    assert f'root "{nself.folder}/web/dist";' in (nself.folder / ".nself/native/conf/nginx/sites/frontend-web.conf").read_text()
