"""What users of the original tripped on, as what must be true here. Complaints that another test would catch are not repeated."""

from __future__ import annotations

import json
import re
import shutil
import socket
import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import asyncpg
import pytest
import yaml
from cryptography import x509
from dotenv import dotenv_values

from nself_core.workspace import Workspace
from tests import nginx_tree
from tests.conftest import Nself
from tests.ports import free_ports

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"
FRONTENDS = 25
CORS = "https://app.example.com, http://*.example.org:3000 ,https://b.example.com"
CLAIMS = {"tenant": "it's [0] {x}", "plan": "a, b"}


def in_a_home_of_its_own(tmp_path_factory: pytest.TempPathFactory, folder: Path) -> Nself:
    """nself for tests that share one project: the homes of single tests end with them."""
    home = tmp_path_factory.mktemp("home")
    return Nself(folder, {"HOME": str(home), "NSELF_HOME": str(home / ".nself")})


def compose(nself: Nself) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((nself.folder / "docker-compose.yml").read_text())
    return found


def env_of(nself: Nself, service: str) -> dict[str, str]:
    """The whole environment of a service's container."""
    entry = compose(nself)["services"][service]
    found = {name: value.replace("$$", "$") for name, value in entry.get("environment", {}).items()}
    for file in entry.get("env_file", ()):
        for name, value in dotenv_values(nself.folder / file).items():
            found[name] = value or ""
    return found


# -- one project with much in it, built


@pytest.fixture(scope="module")
def rich(tmp_path_factory: pytest.TempPathFactory) -> Nself:
    """Much at once: optional services without a password of the user's, custom services, many frontends, odd values."""
    http_port, https_port = free_ports(2)
    nself = in_a_home_of_its_own(tmp_path_factory, tmp_path_factory.mktemp("rich"))
    (nself.folder / ".env").write_text(
        "PROJECT_NAME=shop\nREDIS_ENABLED=true\nMAILPIT_ENABLED=true\nMONITORING_ENABLED=true\n"
        f"NGINX_PORT={http_port}\nNGINX_SSL_PORT={https_port}\nNGINX_BIND_IP=127.0.0.2\n"
        "CS_1=my_api:express-js:8001:my-api\nCS_2=fast:gin:8002:api.v1\n"
        f"HASURA_GRAPHQL_CORS_DOMAIN={CORS}\nAUTH_JWT_CUSTOM_CLAIMS={json.dumps(CLAIMS)}\n"
        + "".join(f"FRONTEND_APP_{n}_NAME=front{n}\n" for n in range(1, FRONTENDS + 1))
    )
    nself("build")
    return nself


def test_a_service_is_found_by_either_spelling(rich: Nself) -> None:
    """Hyphen against underscore hid services from the commands that look at them."""
    assert {"node-exporter", "my-api"} <= {s["name"] for s in json.loads(rich("status", "--json").stdout)["services"]}
    done = rich("logs", "node-exporter", "node_exporter", "my_api", check=False)
    assert "nothing was started here" in done.stderr  # and not that there is no such service


def test_custom_services_are_generated_where_the_cache_has_no_password_of_the_users(rich: Nself) -> None:
    """An unset password of the cache ended the generation half way, and the custom services were missing."""
    assert {"redis", "my-api", "fast"} <= compose(rich)["services"].keys()
    assert len(env_of(rich, "redis")["REDIS_PASSWORD"]) >= 16


def test_a_custom_service_is_given_what_it_connects_with(rich: Nself) -> None:
    """Scaffolds crashed for want of the token key, of a TLS mode in the database URL, and of the cache's password in its URL."""
    env = env_of(rich, "my-api")
    database, cache = urlsplit(env["DATABASE_URL"]), urlsplit(env["REDIS_URL"])
    assert (database.hostname, database.query) == ("postgres", "sslmode=disable")
    assert unquote(database.password or "") == env_of(rich, "postgres")["POSTGRES_PASSWORD"]
    assert unquote(cache.password or "") == env_of(rich, "redis")["REDIS_PASSWORD"] != ""
    assert env["JWT_SECRET"] == json.loads(env_of(rich, "auth")["HASURA_GRAPHQL_JWT_SECRET"])["key"]


def test_lists_with_spaces_and_json_reach_the_services_whole(rich: Nself) -> None:
    """Allowed origins with spaces after the commas and JSON without quotes were cut off on the way."""
    assert env_of(rich, "hasura")["HASURA_GRAPHQL_CORS_DOMAIN"] == CORS
    assert json.loads(env_of(rich, "auth")["AUTH_JWT_CUSTOM_CLAIMS"]) == CLAIMS


def test_the_image_chooses_the_user_of_the_database(rich: Nself) -> None:
    """A forced user could not make the files of a new database: the image starts as root for that, and gives it up."""
    postgres = compose(rich)["services"]["postgres"]
    assert "user" not in postgres
    assert {"CHOWN", "DAC_OVERRIDE", "FOWNER", "SETUID", "SETGID"} <= set(postgres["cap_add"])


def test_a_user_that_is_forced_on_a_service_finds_nothing_it_may_not_write(rich: Nself) -> None:
    """Sign-in failed on files that the user it was forced to be might not write: here it is given none but scratch space."""
    auth = compose(rich)["services"]["auth"]
    assert (auth["user"], auth["read_only"], auth.get("volumes")) == ("10001:10001", True, None)
    assert auth["tmpfs"] == ["/tmp"]


def test_no_health_check_uses_a_program_its_image_lacks(rich: Nself) -> None:
    """Checks used curl in images without it, and asked the proxy for plain HTTP where it only had TLS."""
    services = compose(rich)["services"]
    checks = {name: entry["healthcheck"].get("test", ["NONE"]) for name, entry in services.items() if "healthcheck" in entry}
    assert len(checks) > 12
    assert {name for name, test in checks.items() if "curl" in " ".join(test)} == {"hasura"}  # the one image here that has it
    assert checks["nginx"][-1] == "http://127.0.0.1:80/health"
    default = (rich.folder / "nginx" / "sites" / "00-default.conf").read_text()
    plain = default.partition("listen 80")[2].partition("\nserver {")[0]
    assert "location = /health" in plain


def test_no_source_is_mounted_over_a_compiled_service(rich: Nself) -> None:
    """The source folder, mounted over the image's, hid the compiled program."""
    services = compose(rich)["services"]
    assert not [v for v in services["fast"].get("volumes", ()) if str(v.get("source", "")).startswith("./services")]
    assert [v for v in services["my-api"]["volumes"] if isinstance(v, dict) and v["source"] == "./services/my_api"]


def test_the_address_of_the_proxy_can_be_chosen(rich: Nself) -> None:
    """The proxy listened on every address of a developer's machine, where a VPN had the port."""
    assert all(port.startswith("127.0.0.2:") for port in compose(rich)["services"]["nginx"]["ports"])
    sites = (rich.folder / ".nself" / "native" / "conf" / "nginx" / "sites").glob("*.conf")
    told = {address for site in sites for address in re.findall(r"listen ([^ ;]+)", site.read_text())}
    assert told
    assert all(address.startswith("127.0.0.2:") for address in told)


def test_there_may_be_many_frontends(rich: Nself) -> None:
    """Frontends beyond the tenth were left out."""
    hosts = {f"front{n}.localhost" for n in range(1, FRONTENDS + 1)}
    urls = json.loads(rich("urls", "--json").stdout)["urls"]
    assert hosts <= {urlsplit(url["url"]).hostname for url in urls}
    leaf = x509.load_pem_x509_certificate((rich.folder / ".nself/certs/local/fullchain.pem").read_bytes())
    covered = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert hosts | {"api.v1.localhost"} <= set(covered.get_values_for_type(x509.DNSName))
    for runtime, done in nginx_tree.check_project(rich.folder).items():
        assert done.returncode == 0, f"{runtime}: {done.stderr}"


def test_the_generated_file_is_whole_for_compose_run_by_hand(rich: Nself) -> None:
    """By hand, variables were empty, the network was undefined, and the secrets' file was not read."""
    document = compose(rich)
    text = (rich.folder / "docker-compose.yml").read_text()
    assert not re.search(r"(?<!\$)(\$\$)*\$(?!\$)", text), "nothing is left for Compose to replace"
    assert document["networks"]["default"]["name"] == "shop_network"
    for name, entry in document["services"].items():
        assert set(entry.get("networks", {})) <= document["networks"].keys(), name
        for volume in entry.get("volumes", ()):
            if isinstance(volume, dict) and volume["type"] == "volume":
                assert volume["source"] in document["volumes"], name
        for file in entry.get("env_file", ()):
            assert stat.S_IMODE((rich.folder / file).stat().st_mode) == 0o600, file
    program = shutil.which("docker-compose")
    if program:
        done = subprocess.run([program, "config", "-q"], cwd=rich.folder, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")


# -- small projects, built or refused


def test_a_given_project_name_is_never_replaced_by_the_folders(write_env: Callable[[str], Nself]) -> None:
    """A build renamed the project after its folder."""
    nself = write_env("PROJECT_NAME=shop\n")
    nself.environ["COMPOSE_PROJECT_NAME"] = "other"
    moved = Nself(nself.folder.rename(nself.folder.with_name("elsewhere")), nself.environ)
    moved("build")
    assert (moved.folder / ".env").read_text() == "PROJECT_NAME=shop\n"
    assert compose(moved)["networks"]["default"]["name"] == "shop_network"
    assert compose(moved)["services"]["postgres"]["labels"]["nself.project"] == "shop"


def test_secrets_in_the_environments_folder_are_seen(write_env: Callable[[str], Nself]) -> None:
    """The check before a deploy did not look into the environment's own folder, and missed the secrets there."""
    nself = write_env("PROJECT_NAME=shop\n")
    (nself.folder / ".env.staging").write_text("BASE_DOMAIN=stage.example.com\nPOSTGRES_PASSWORD=${STAGE_PASSWORD}\n")
    secrets = nself.folder / ".environments" / "staging" / ".env.secrets"
    secrets.parent.mkdir(parents=True)
    secrets.write_text("STAGE_PASSWORD=Zq8vT2mK9xR4wN7pLk3s\n")
    secrets.chmod(0o600)
    nself("build", "--env", "staging")
    nself("env", "validate", "staging")
    assert env_of(nself, "postgres")["POSTGRES_PASSWORD"] == "Zq8vT2mK9xR4wN7pLk3s"


def test_a_plugin_takes_part_in_the_project_that_asked_for_it_alone(tmp_path: Path) -> None:
    """Plugins of one project were started in another."""
    source = tmp_path / "notes"
    shutil.copytree(FIXTURES / "nself-plugin-notes", source)
    one, two = (Nself(tmp_path / name) for name in ("one", "two"))
    for nself in (one, two):
        nself.folder.mkdir()
        (nself.folder / ".env").write_text(f"PROJECT_NAME={nself.folder.name}\n")
    one("plugin", "install", str(source / "nself_plugin_notes"), "--yes")
    for nself in (one, two):
        nself("build")
    assert "notes" in compose(one)["services"]
    assert "notes" not in compose(two)["services"]


def test_a_taken_mail_port_brings_a_free_one_as_the_remedy(write_env: Callable[[str], Nself]) -> None:
    """The mail catcher's port was another program's, and no way out was told."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        nself = write_env(f"PROJECT_NAME=shop\nMAILPIT_ENABLED=true\nMAILPIT_SMTP_PORT={port}\n")
        done = nself("start", "mailpit", "--runtime", "native", check=False)
    assert done.returncode == 1
    remedy = re.search(r"set MAILPIT_SMTP_PORT=(\d+)", done.stderr)
    assert remedy, done.stderr
    with socket.socket() as free:
        free.bind(("127.0.0.1", int(remedy[1])))


# -- with services


RUNNING = ("postgres", "redis")
#: From the process environment and from the secrets' file.
TEAM_SECRET, CACHE_SECRET = 'odd/@: %$x "q" it\'s #1', 'odd/@: %${x} "q" #2'


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nself]:
    """A project without a name, built with a secret of the process environment, started without it from a folder below.

    Somebody else listens on the cache's usual port; the project asks for another.
    """
    folder = tmp_path_factory.mktemp("unnamed") / "My_shop-2"
    below = folder / "deep" / "down"
    below.mkdir(parents=True)
    database, cache = free_ports(2)
    (folder / ".env.dev").write_text(
        f"POSTGRES_PORT={database}\nREDIS_PORT={cache}\nREDIS_ENABLED=true\nCS_1=my_api:fastapi\n"
        "HASURA_ENABLED=false\nAUTH_ENABLED=false\nNGINX_ENABLED=false\nPOSTGRES_PASSWORD=${TEAM_SECRET}\n"
    )
    (folder / ".env.secrets").write_text(f"REDIS_PASSWORD='{CACHE_SECRET}'\n")
    (folder / ".env.secrets").chmod(0o600)
    nself = in_a_home_of_its_own(tmp_path_factory, folder)
    nself.environ["COMPOSE_PROJECT_NAME"] = "other"
    with_secret(nself)("build")
    try:
        with usual_port_of_the_cache():
            told = nself("start", *RUNNING, "--runtime", "native", cwd=below)
        assert not re.search(r"\b6379\b", told.stderr)
        yield nself
    finally:
        nself("destroy", "--yes", cwd=below)


def with_secret(nself: Nself) -> Nself:
    return Nself(nself.folder, {**nself.environ, "TEAM_SECRET": TEAM_SECRET})


def usual_port_of_the_cache() -> socket.socket:
    """A listener there, unless somebody listens there already, which serves as well."""
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        holder.bind(("127.0.0.1", 6379))
        holder.listen()
    except OSError:
        pass
    return holder


def port_of(nself: Nself, service: str) -> int:
    return int(dotenv_values(nself.folder / ".env.dev")[f"{service}_PORT"] or 0)


def ask_the_cache(nself: Nself, *lines: str) -> list[str]:
    """The first line of the answer to each command, whose words NUL separates."""
    with (
        socket.create_connection(("127.0.0.1", port_of(nself, "REDIS")), timeout=20) as connection,
        connection.makefile("rb") as answers,
    ):
        found = []
        for line in lines:
            words = [word.encode() for word in line.split("\0")]
            connection.sendall(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(w), w) for w in words))
            found.append(answers.readline().decode().strip())
        return found


@pytest.mark.slow
async def test_build_and_start_give_the_same_secrets(started: Nself) -> None:
    """A secret in the secrets' file was read by the build and lost by the start."""
    assert env_of(started, "redis")["REDIS_PASSWORD"] == CACHE_SECRET
    assert ask_the_cache(started, f"AUTH\0{CACHE_SECRET}") == ["+OK"]
    assert ask_the_cache(started, f"AUTH\0{CACHE_SECRET}x")[0].startswith("-WRONGPASS")
    # What only the build's process environment had, the start has too.
    assert env_of(started, "postgres")["POSTGRES_PASSWORD"] == TEAM_SECRET
    address = f"postgresql://postgres@127.0.0.1:{port_of(started, 'POSTGRES')}/postgres"
    await (await asyncpg.connect(address, password=TEAM_SECRET)).close()
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(address, password="another")


@pytest.mark.slow
async def test_a_custom_service_connects_with_what_it_is_given(started: Nself) -> None:
    """Scaffolds could not reach the database and the cache with the URLs they were given; here with odd passwords in them."""
    here = Workspace.open(start=started.folder)
    env = here.resolver(here.stack("native")).environment("my-api")
    connection = await asyncpg.connect(env["DATABASE_URL"])
    try:
        assert await connection.fetchval("select 40 + 2") == 42
    finally:
        await connection.close()
    cache = urlsplit(env["REDIS_URL"])
    assert cache.port == port_of(started, "REDIS")
    assert ask_the_cache(started, f"AUTH\0{unquote(cache.password or '')}", "PING") == ["+OK", "+PONG"]


@pytest.mark.slow
def test_without_a_project_name_and_with_another_of_composes_the_commands_work_from_a_folder_below(started: Nself) -> None:
    """Where the name was unset, or Compose's variable differed, commands crashed or found nothing; a start met its own ports."""
    below = started.folder / "deep" / "down"
    found = json.loads(started("status", "--json", cwd=below).stdout)
    assert (found["project"], found["summary"]["running"]) == ("my_shop-2", 2)
    assert {s["name"] for s in found["services"] if s["health"] == "healthy"} == set(RUNNING)
    again = started("start", *RUNNING, cwd=below)
    assert "2 of 2 services are up" in again.stdout
    after = json.loads(started("status", "--json").stdout)
    assert [s["container_id"] for s in after["services"]] == [s["container_id"] for s in found["services"]]


@pytest.mark.slow
def test_every_line_of_several_services_logs_names_its_service(started: Nself) -> None:
    """Lines of several services came without a word on whose they are."""
    lines = started("logs", *RUNNING, "--all", cwd=started.folder / "deep").stdout.splitlines()
    assert {line.partition("|")[0].strip() for line in lines} == set(RUNNING)


@pytest.mark.slow
def test_an_unchanged_project_that_ran_has_not_drifted(started: Nself) -> None:
    """Files were reported as changed where nobody had touched any."""
    with_secret(started)("build", "--check")
    assert "out of date" not in started("doctor", check=False).stderr


@pytest.mark.slow
def test_with_a_broken_setting_a_start_says_so_and_a_stop_stops(started: Nself) -> None:
    """Commands ended with 1 and without a word."""
    settings, named = started.folder / ".env.dev", started.folder / ".env"
    before = settings.read_text()
    port = re.findall(r"^POSTGRES_PORT=(\d+)", before)[0]

    def runs() -> bool:
        with socket.socket() as one:
            return one.connect_ex(("127.0.0.1", int(port))) == 0

    try:
        settings.write_text(f"{before}POSTGRES_MAX_CONNECTIONS=many\n")
        refused = started("start", check=False)
        assert (refused.returncode, "Traceback" in refused.stderr) == (1, False)
        assert ".env.dev:9: POSTGRES_MAX_CONNECTIONS" in refused.stderr
        named.write_text("PROJECT_NAME=Not a name\n")
        unnamed = started("stop", check=False)
        assert unnamed.returncode == 1
        assert ".env:1: PROJECT_NAME" in unnamed.stderr
        assert "it must match" in unnamed.stderr
        assert runs()
        named.unlink()
        assert "Stopped." in started("stop").stdout
        assert not runs()
    finally:
        settings.write_text(before)
        named.unlink(missing_ok=True)
