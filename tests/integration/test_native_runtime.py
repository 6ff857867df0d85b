"""The native runtime, seen from outside: real processes, real SQL."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import signal
import smtplib
import socket
import subprocess
import sys
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import httpx
import psutil
import pytest

from builtin_plugins.runtimes.native.layout import User
from builtin_plugins.runtimes.native.programs import reachable
from hookspecs import Migration, PluginMigration, UserError
from tests.native_project import NativeProject, native_project, quiet, until
from tests.ports import free_ports

pytestmark = pytest.mark.slow

EXTENSIONS = [f"core-postgres: extension_{name}" for name in ("pgcrypto", "citext", "uuid-ossp")]
REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def project(tmp_path: Path) -> Iterator[NativeProject]:
    with native_project(tmp_path / "project", REDIS_ENABLED="true", REDIS_PASSWORD='odd "pass\\word% $x#;é-long') as made:
        yield made


def psql(project: NativeProject, text: str, tmp_path: Path) -> str:
    """Through ``exec`` with SQL on standard input and its output in a file, as a shell would do it."""
    out, source = tmp_path / "out.txt", tmp_path / "in.sql"
    source.write_text(text)
    saved = os.dup(0), os.dup(1)
    with source.open("rb") as stdin, out.open("wb") as stdout:
        try:
            os.dup2(stdin.fileno(), 0)
            os.dup2(stdout.fileno(), 1)
            code = project.runtime().exec("postgres", ["psql", "-qAtX", "-v", "ON_ERROR_STOP=1"], tty=False, user=None, env={})
        finally:
            os.dup2(saved[0], 0)
            os.dup2(saved[1], 1)
    for descriptor in saved:
        os.close(descriptor)
    assert code == 0
    return out.read_text().strip()


def test_start_twice_leaves_what_runs_alone(project: NativeProject) -> None:
    first = project.start()
    assert {name: state.health for name, state in first.items()} == {"postgres": "healthy", "redis": "healthy"}
    again = project.start()
    assert {n: s.id for n, s in again.items()} == {n: s.id for n, s in first.items()}
    assert all(state.restarts == 0 and state.memory for state in again.values())


def test_a_first_start_logs_no_complaint(tmp_path: Path) -> None:
    """It asked for the database before it had made it, and a new user's first log began with FATAL."""
    with native_project(tmp_path / "project", POSTGRES_DB="shop") as project:
        assert project.start()["postgres"].health == "healthy"
        said = [line.text for line in project.runtime().logs(["postgres"], follow=False, tail=None, since=None)]
        assert any("ready to accept connections" in line for line in said)
        odd = [line for line in said if "FATAL" in line or "ERROR" in line]
        assert not [line for line in odd if "is starting up" not in line]  # a probe may come that early
        assert psql(project, "select current_database()", tmp_path) == "shop"


def test_a_changed_setting_restarts_that_service_alone(project: NativeProject) -> None:
    before = project.start()
    project.set(POSTGRES_MAX_CONNECTIONS="50")
    after = project.start()
    assert after["postgres"].id != before["postgres"].id
    assert after["redis"].id == before["redis"].id


def test_data_survives_stop_and_stop_leaves_no_process(project: NativeProject, tmp_path: Path) -> None:
    project.start()
    psql(project, "CREATE TABLE kept (word text); INSERT INTO kept VALUES ('still here');", tmp_path)
    project.runtime().stop(None, progress=quiet)
    assert project.processes() == []
    assert {state.status for state in project.states().values()} == {"stopped"}
    assert project.runtime().holds_data() == ["postgres_data", "redis_data"]
    project.start()
    assert psql(project, "SELECT word FROM kept", tmp_path) == "still here"


@pytest.mark.parametrize("service", ["postgres", "redis"])
def test_a_killed_service_is_healed_and_that_shows(project: NativeProject, service: str) -> None:
    before = project.start()[service]
    os.kill(int(before.id), signal.SIGKILL)

    def healed() -> bool:
        state = project.states()[service]
        return state.id not in ("", before.id) and state.health == "healthy"

    until(healed)
    assert project.states()[service].restarts >= 1


def test_a_killed_proxy_is_healed_and_leaves_no_worker_behind(tmp_path: Path) -> None:
    """Workers outlive a killed master and hold its ports: the new one could not start, and no stop knew of them."""
    plain, tls = map(str, free_ports(2))
    only = {"POSTGRES_ENABLED": "false", "NGINX_ENABLED": "true", "NGINX_PORT": plain, "NGINX_SSL_PORT": tls}
    with native_project(tmp_path / "project", **only) as project:
        before = project.start()["nginx"]
        workers = psutil.Process(int(before.id)).children()
        assert workers
        os.kill(int(before.id), signal.SIGKILL)
        until(lambda: project.states()["nginx"].id not in ("", before.id) and project.states()["nginx"].health == "healthy")
        assert not [worker for worker in workers if worker.is_running() and worker.status() != psutil.STATUS_ZOMBIE]


def test_a_service_that_cannot_start_is_given_up_with_its_reason_and_mended_by_the_next_start(project: NativeProject) -> None:
    project.set(POSTGRES_SHARED_BUFFERS="4000GB")
    state = project.start()["postgres"]
    assert state.status == "failed"
    assert state.restarts == 4
    assert "FATAL" in state.reason
    assert project.runtime()._daemon.rpc.states()["postgres"].state == "FATAL"
    project.set(POSTGRES_SHARED_BUFFERS="128MB")
    assert project.start()["postgres"].health == "healthy"


def test_a_killed_supervisor_leaves_no_orphan_and_the_next_start_recovers(project: NativeProject, tmp_path: Path) -> None:
    project.start()
    psql(project, "CREATE TABLE kept (n int); INSERT INTO kept VALUES (7);", tmp_path)
    pid = int((project.runtime().layout.run / "supervisord.pid").read_text())
    os.kill(pid, signal.SIGKILL)
    psutil.wait_procs([psutil.Process(pid)] if psutil.pid_exists(pid) else [], timeout=5)
    until(lambda: not project.processes())
    assert {state.health for state in project.start().values()} == {"healthy"}
    assert psql(project, "SELECT n FROM kept", tmp_path) == "7"


def test_no_secret_is_in_an_argument(project: NativeProject) -> None:
    project.start()
    secrets = {line.partition("=")[2] for path in (project.root / ".environments").rglob(".env.secrets")
               for line in path.read_text().splitlines() if "=" in line}  # fmt: skip
    commands = [" ".join(process.cmdline()) for process in project.processes()]
    assert secrets
    assert commands
    assert not [word for word in secrets for command in commands if word and word in command]
    configuration = (project.runtime().layout.run / "supervisord.conf").read_text()
    assert not [word for word in secrets if word and word in configuration]


def test_as_root_no_service_keeps_root(project: NativeProject) -> None:
    if os.geteuid() != 0:
        pytest.skip("not root")
    project.start()
    root = [p for p in project.processes() if p.uids().effective == 0 and "supervisord" not in " ".join(p.cmdline())]
    assert root == []


def test_data_of_another_major_is_refused_before_anything_starts(project: NativeProject) -> None:
    project.start()
    runtime = project.runtime()
    runtime.stop(None, progress=quiet)
    version = runtime.layout.data / "postgres_data" / "PG_VERSION"
    version.write_text("17\n")
    with pytest.raises(UserError, match=r"PostgreSQL 17.*PostgreSQL 18") as raised:
        project.start()
    assert "POSTGRES_VERSION=17" in raised.value.remedy
    assert project.processes() == []
    version.write_text("18\n")
    assert project.start()["postgres"].health == "healthy"


def test_a_changed_password_is_brought_into_the_database(project: NativeProject, tmp_path: Path) -> None:
    project.set(POSTGRES_PASSWORD="the-first-password")
    project.start()
    project.set(POSTGRES_PASSWORD="\"the 'second' password\"")
    assert project.start()["postgres"].health == "healthy"
    assert psql(project, "SELECT 1", tmp_path) == "1"


def test_migrations_are_applied_once_and_a_changed_one_is_refused(project: NativeProject, tmp_path: Path) -> None:
    def migrate(*migrations: Migration) -> tuple[str, list[str]]:
        runtime = project.runtime()
        items = tuple(PluginMigration(plugin="shop", migration=m) for m in migrations)
        runtime._stack = runtime._stack.model_copy(update={"migrations": (*runtime._stack.migrations, *items)})
        told: list[str] = []

        def progress(_: str, state: str, detail: str) -> None:
            if state == "migrated":
                told.append(detail)

        states = {s.name: s for s in runtime.start(None, timeout=90, progress=progress)}
        return states["postgres"].reason, told

    first = Migration(id="001", up="CREATE TABLE shop_goods (id int);")
    index = Migration(id="002", up="CREATE INDEX CONCURRENTLY shop_goods_id ON shop_goods (id)", transactional=False)
    assert migrate(first, index) == (
        "",
        [*EXTENSIONS, "shop: 001", "shop: 002"],
    )
    assert migrate(first, index) == ("", [])
    broken = Migration(id="003", up="INSERT INTO shop_goods VALUES (1);\nINSERT INTO nowhere VALUES (1)")
    reason, told = migrate(first, index, broken)
    assert "shop: 003" in reason
    assert "nowhere" in reason
    assert told == []
    assert psql(project, "SELECT count(*) FROM shop_goods", tmp_path) == "0"
    reason, _ = migrate(first.model_copy(update={"up": "CREATE TABLE shop_goods (id bigint);"}), index)
    assert "changed after it had been applied (shop: 001)" in reason


def test_every_uuid_function_gives_its_version(project: NativeProject, tmp_path: Path) -> None:
    """Whether the compiled module runs here or the SQL in its place; the last two are RFC 9562's own examples."""
    project.start()
    rows = psql(
        project,
        "SELECT uuid_extract_version(uuid_generate_v1()), uuid_extract_version(uuid_generate_v1mc()),"
        " uuid_extract_version(uuid_generate_v4()), uuid_generate_v1() <> uuid_generate_v1(),"
        " abs(extract(epoch FROM clock_timestamp() - uuid_extract_timestamp(uuid_generate_v1()))) < 60;"
        "SELECT uuid_generate_v3(uuid_ns_dns(), 'www.example.com'), uuid_generate_v5(uuid_ns_dns(), 'www.example.com');",
        tmp_path,
    ).splitlines()
    assert rows == ["1|1|4|t|t", "5df41881-3aed-3515-88a7-2f4a814cf09e|2ed6657d-e927-568b-95e1-2665a8aea6a2"]


def test_logs_carry_time_and_stream(project: NativeProject) -> None:
    project.start()
    lines = list(project.runtime().logs(["postgres"], follow=False, tail=None, since=None))
    assert any("ready to accept connections" in line.text and line.time for line in lines)
    assert lines == sorted(lines, key=lambda line: line.time)
    last = lines[-1].time
    assert all(line.time >= last for line in project.runtime().logs(["postgres"], follow=False, tail=None, since=last))
    assert len(list(project.runtime().logs(["postgres"], follow=False, tail=2, since=None))) == 2


def test_unknown_service_and_command(project: NativeProject) -> None:
    with pytest.raises(UserError, match="no service 'postgrse'"):
        project.runtime().start(["postgrse"], timeout=5, progress=quiet)
    with pytest.raises(UserError, match="no command"):
        project.runtime().exec("postgres", ["no-such-command"], tty=False, user=None, env={})


def test_storage_and_mail(tmp_path: Path) -> None:
    settings = {"MINIO_ENABLED": "true", "MAILPIT_ENABLED": "true", "MINIO_DEFAULT_BUCKETS": "uploads,public"}
    with native_project(tmp_path / "project", **settings) as project:
        assert {state.health for state in project.start().values()} == {"healthy"}
        s3 = f"http://127.0.0.1:{project.settings['MINIO_PORT']}"
        assert httpx.get(f"{s3}/uploads/x").status_code == 403
        assert httpx.get(f"{s3}/public/x").status_code == 404
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = "a@example.com", "b@example.com", "Welcome"
        message.set_content("the code is 1234")
        with smtplib.SMTP("127.0.0.1", int(project.settings["MAILPIT_SMTP_PORT"])) as smtp:
            smtp.login("any", "body")
            smtp.send_message(message)
        mail = f"http://127.0.0.1:{project.settings['MAILPIT_UI_PORT']}"
        found = httpx.get(f"{mail}/api/v1/search", params={"query": "to:b@example.com subject:welcome"}).json()["messages"]
        assert "1234" in httpx.get(f"{mail}/api/v1/message/{found[0]['ID']}").json()["Text"]


def test_storage_starts_where_others_left_their_sockets(tmp_path: Path) -> None:
    """SeaweedFS names its sockets after its ports, all in one folder, and cannot replace another user's."""
    if os.geteuid() != 0:
        pytest.skip("only root can leave another user's file")
    with native_project(tmp_path / "project", MINIO_ENABLED="true") as project:
        left: list[Path] = []

        def grpc_ports() -> dict[str, str]:
            lines = (project.last.layout.run / "minio" / "weed.options").read_text().splitlines()
            return dict(line.split(".port.grpc=") for line in lines if ".port.grpc=" in line)

        try:
            assert project.start()["minio"].health == "healthy"
            first = grpc_ports()
            weed = next(p for p in project.processes() if p.name() == "weed")
            project.last.stop(None, progress=quiet)
            until(lambda: not weed.is_running())
            for part, port in first.items():
                assert not Path(f"/tmp/seaweedfs-{part}-grpc-{port}.sock").exists()
            left = [Path(f"/tmp/seaweedfs-{part}-grpc-{first[part]}.sock") for part in ("master", "filer")]
            for path in left:
                with socket.socket(socket.AF_UNIX) as stale:
                    stale.bind(str(path))
            assert project.start()["minio"].health == "healthy"
            assert all(path.exists() for path in left)
            moved = grpc_ports()
            assert moved["master"] != first["master"] and moved["filer"] != first["filer"]
            assert httpx.get(f"http://127.0.0.1:{project.settings['MINIO_PORT']}/uploads/x").status_code in {403, 404}
        finally:
            for path in left:
                path.unlink(missing_ok=True)


def test_as_an_ordinary_user(tmp_path_factory: pytest.TempPathFactory) -> None:
    if os.geteuid() != 0:
        pytest.skip("the other tests run as an ordinary user already")
    user = pwd.getpwnam("nobody")
    python = _python_within_reach(User(user.pw_name, user.pw_uid, user.pw_gid))
    site = Path(psutil.__file__).parents[1]
    home = Path("/tmp") / f"nself-user-{os.getpid()}"
    home.mkdir()
    os.chown(home, user.pw_uid, user.pw_gid)
    try:
        done = subprocess.run(
            [python, "-m", "tests.native_project", str(home / "a project; with #odd name")],
            cwd=REPOSITORY,
            env={"PATH": "/usr/bin:/bin", "HOME": str(home), "PYTHONPATH": f"{REPOSITORY}:{site}"},
            user=user.pw_uid, group=user.pw_gid, extra_groups=[], capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        told = json.loads(done.stdout.splitlines()[-1])
        assert told["uid"] == user.pw_uid
        assert told["health"] == {"postgres": "healthy", "redis": "healthy"}
        assert told["base"].endswith(".nself/native")
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _python_within_reach(user: User) -> str:
    """This Python, else the system's of the same version, as far as ``user`` can run it with these packages."""
    system = shutil.which(f"python{sys.version_info.major}.{sys.version_info.minor}", path="/usr/bin")
    for python in (sys.executable, system):
        if python and reachable(Path(python), user) and reachable(Path(psutil.__file__), user) and reachable(REPOSITORY, user):
            return python
    pytest.skip("no Python that an ordinary user can run with the packages of this environment")
