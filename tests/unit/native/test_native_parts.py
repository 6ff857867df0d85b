"""The native runtime's parts that need no process."""

from __future__ import annotations

import configparser
import itertools
import json
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from threading import Barrier
from types import SimpleNamespace
from typing import Any

import pytest

from builtin_plugins.core.postgres import migrate
from builtin_plugins.core.postgres.prepare import check_major
from builtin_plugins.optional.redis.native import quoted
from builtin_plugins.optional.redis.service import _START
from builtin_plugins.runtimes.native import logs, stopping
from builtin_plugins.runtimes.native.daemon import Program, configuration
from builtin_plugins.runtimes.native.inside import Interface
from builtin_plugins.runtimes.native.layout import Layout, User, instance_key
from builtin_plugins.runtimes.native.programs import missing, reachable
from hookspecs import Migration, Native, NativeProgram, Need, PluginMigration, Service, UserError


def layout(root: Path) -> Layout:
    return Layout(root=root, state=root / ".nself", project="shop")


def test_services_that_share_a_volume_are_prepared_at_the_same_time(tmp_path: Path) -> None:
    """The Host and a plugin that runs by itself: both find the folder missing, and one is the first to make it."""
    layout = Layout(root=tmp_path, state=tmp_path / ".nself", project="shop")
    together = Barrier(4, timeout=10)

    def prepare(number: int) -> list[bool]:
        made = []
        for volume in range(200):
            together.wait()
            made.append(layout.place("volume", f"v{volume}", f"s{number}", 1, None).is_dir())
        return made

    try:
        with ThreadPoolExecutor(4) as threads:
            assert all(all(made) for made in threads.map(prepare, range(4)))
    finally:
        layout.remove(data=True)


def test_a_project_too_deep_for_a_socket_has_it_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    assert len(str(layout(deep).socket)) < 90
    short = Layout(root=Path("/p"), state=Path("/p/.nself"), project="shop")
    assert short.socket == Path("/p/.nself/native/run/supervisor.sock")


def test_two_projects_of_one_name_have_places_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert layout(tmp_path / "a").base != layout(tmp_path / "b").base
    assert str(layout(tmp_path / "a").base).startswith("/var/lib/nself/shop-")


def test_the_supervisors_configuration_names_no_command_of_a_service(tmp_path: Path) -> None:
    programs = [Program("db", False, "unless-stopped", "INT", 60), Program("job", True, "on-failure", "TERM", 5)]
    read = configparser.RawConfigParser()
    read.read_string(configuration(layout(tmp_path), programs))
    assert read["program:db"]["command"].endswith("launch.py specs/db.json")
    assert read["program:db"]["autorestart"] == "true"
    assert read["program:db"]["stopsignal"] == "INT"
    assert read["program:job"]["autorestart"] == "unexpected"


def test_an_instance_has_a_name_no_service_can_have() -> None:
    assert instance_key("api", 1) == "api"
    assert instance_key("api", 2) == "api.2"
    with pytest.raises(ValueError, match="DNS label"):
        Service(name="api.2")


def test_services_stop_before_what_they_need() -> None:
    services = [
        Service(name="db"),
        Service(name="api", needs=(Need(service="db"),)),
        Service(name="web", needs=(Need(service="api"), Need(service="db"))),
        Service(name="cache"),
    ]
    assert [[s.name for s in wave] for wave in stopping.waves(services)] == [["web", "cache"], ["api"], ["db"]]


def test_a_missing_program_is_told_with_its_remedy() -> None:
    program = NativeProgram(name="frob", names=("no-such-frob",), install="apt-get install frob")
    assert (
        missing(Service(name="x", native=Native(command=("x",), programs=(program,)))) == "frob not found: apt-get install frob"
    )
    assert missing(Service(name="x", no_native="made for containers")) == "made for containers"


def test_reach_ends_at_a_closed_folder(tmp_path: Path) -> None:
    stranger = User("stranger", 987654, 987654)
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    (closed / "program").write_text("")
    assert not reachable(closed / "program", stranger)
    assert reachable(Path("/etc/passwd"), stranger)


@pytest.mark.parametrize(
    ("text", "written"), [("plain", '"plain"'), ('a"b\\c', '"a\\"b\\\\c"'), ("é\n", '"\\xc3\\xa9\\x0a"'), ("x y", '"x y"')]
)
def test_a_password_in_redis_configuration(text: str, written: str) -> None:
    assert quoted(text) == written


def test_data_of_another_major_and_foreign_data(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="something else"):
        check_major(tmp_path)
    (tmp_path / "PG_VERSION").write_text("16\n")
    with pytest.raises(UserError, match=r"PostgreSQL 16.*PostgreSQL 18") as raised:
        check_major(tmp_path)
    assert "POSTGRES_VERSION=16" in raised.value.remedy


# -- logs


def inside(tmp_path: Path) -> Interface:
    return Interface(SimpleNamespace(process_groups={}), tmp_path)


def output(name: str, data: bytes, channel: str = "stdout") -> Any:
    return SimpleNamespace(process=SimpleNamespace(config=SimpleNamespace(name=name)), channel=channel, data=data)


def test_lines_are_put_together_and_merged_by_time(tmp_path: Path) -> None:
    written = inside(tmp_path)
    written._log(output("a", b"first half"))
    written._log(output("a", b" and second\r\nnext"))
    written._log(output("b", b"other\n", "stderr"))
    written._log(output("a", b" line\n"))
    files = [("a", tmp_path / "a.log"), ("b", tmp_path / "b.log")]
    lines = list(logs.read(files, follow=False, tail=None, since=None))
    assert [(line.service, line.text, line.stream) for line in lines] == [
        ("a", "first half and second", "stdout"),
        ("b", "other", "stderr"),
        ("a", "next line", "stdout"),
    ]
    assert [line.text for line in logs.read(files, follow=False, tail=1, since=None)] == ["other", "next line"]
    assert list(logs.read(files, follow=False, tail=None, since=datetime(2999, 1, 1, tzinfo=UTC))) == []
    assert logs.last_line(tmp_path / "a.log") == "next line"


def test_following_tells_each_new_line_once_also_over_a_rotation(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_text("2026-01-01T00:00:00.000000Z O one\n")
    told = logs.read([("a", path)], follow=True, tail=None, since=None)
    assert next(told).text == "one"
    with path.open("a") as file:
        file.write("2026-01-01T00:00:01.000000Z O two\n")
    assert next(told).text == "two"
    path.rename(tmp_path / "a.log.1")
    path.write_text("2026-01-01T00:00:02.000000Z O three\n")
    assert next(told).text == "three"


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (["starting", "panic: no such table", "goroutine 1 [running]:", "main.main()"], "panic: no such table"),
        (
            ["F1124 16:14:14.971344 s3.go:12] Failed to remove x", "goroutine 1:", "  s3.go:12"],
            "F1124 16:14:14.971344 s3.go:12] Failed to remove x",
        ),
        (
            ["Traceback (most recent call last):", "    raise KeyError", "ModuleNotFoundError: No module named 'x'"],
            "ModuleNotFoundError: No module named 'x'",
        ),
        (["Error: Cannot find module 'x'", "    at Module._load (node:1)", "Node.js v20"], "Error: Cannot find module 'x'"),
        (["one", "two"], "two"),
    ],
)
def test_the_cause_is_the_line_that_tells_most_of_the_last_run(tmp_path: Path, said: list[str], told: str) -> None:
    path = tmp_path / "a.log"
    lines = [
        "2026-01-01T00:00:00.000000Z E panic: of an earlier run",
        *(f"2026-01-01T00:01:00.000000Z E {line}" for line in said),
    ]
    path.write_text("".join(f"{line}\n" for line in lines))
    assert logs.cause(path, datetime(2026, 1, 1, 0, 0, 30, tzinfo=UTC).timestamp()) == told


# -- migrations


class Database:
    """Records the scripts, answers with a ledger."""

    def __init__(self, rows: str = "") -> None:
        self.rows = rows
        self.scripts: list[str] = []

    def run(self, sql: str, *, database: str = "") -> str:
        self.scripts.append(sql)
        return self.rows


def of(id_: str, up: str, **fields: Any) -> PluginMigration:
    return PluginMigration(plugin="shop", migration=Migration(id=id_, up=up, **fields))


def test_nothing_new_is_one_question_and_no_change() -> None:
    known = of("001", "CREATE TABLE a ()")
    database = Database(f'["shop", "001", "{migrate.checksum(known.migration)}"]\n')
    assert migrate.apply(database, [known]) == []
    assert len(database.scripts) == 1


def test_names_are_quoted_and_the_role_is_given_back() -> None:
    database = Database()
    migrate.apply(database, [of("o'1", "SELECT 1;", owner='odd"role', extensions=("uuid-ossp",))])
    script = database.scripts[-1]
    assert 'SET ROLE "odd""role";' in script
    assert 'CREATE EXTENSION IF NOT EXISTS "uuid-ossp" CASCADE;' in script
    assert "'o''1'" in script
    order = [script.index(word) for word in ("BEGIN;", "SET ROLE", "SELECT 1", "RESET ROLE", "INSERT INTO nself", "COMMIT;")]
    assert all(a < b for a, b in itertools.pairwise(order))


def test_one_that_may_not_be_in_a_transaction_is_not() -> None:
    database = Database()
    migrate.apply(database, [of("1", "CREATE INDEX CONCURRENTLY i ON t (a)", transactional=False)])
    assert "BEGIN" not in database.scripts[-1]


def test_a_taken_port_is_seen_before_the_start() -> None:
    from builtin_plugins.runtimes.native.probes import _answers

    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        assert _answers(listening.getsockname()[1])
        free = listening.getsockname()[1]
    assert not _answers(free)


@pytest.mark.parametrize("password", ["plain-password", 'a"b\\c $HOME `id` %s é', "'single' #x", 'two\nlines" \\n\nand a third'])
def test_the_containers_start_script_hands_the_password_over_by_standard_input(tmp_path: Path, password: str) -> None:
    """The very script the container runs, with a stand-in for the server that tells what it was given."""
    server = tmp_path / "redis-server"
    server.write_text('#!/bin/sh\nprintf "%s\\n" "$@"; cat\n')
    server.chmod(0o755)
    done = subprocess.run(
        ["sh", "-ec", _START, "redis", "--dir", "/data", "--save", ""],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", "REDIS_PASSWORD": password},
        capture_output=True,
        text=True,
        check=True,
    )
    *arguments, configuration = done.stdout.removesuffix("\n").split("\n")
    assert arguments == ["-", "--dir", "/data", "--save", ""]
    inner = configuration.removeprefix('requirepass "').removesuffix('"')
    assert json.loads(f'"{inner}"') == password, "of redis.conf's escapes, those used here are JSON's too"
