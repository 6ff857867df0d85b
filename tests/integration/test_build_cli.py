"""``nself build`` from outside: what it refuses, and that it leaves nothing half-written."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Nself

BASE = "PROJECT_NAME=shop\nBASE_DOMAIN=localhost\n"


def generated(folder: Path) -> dict[str, bytes]:
    return {
        str(p.relative_to(folder)): p.read_bytes()
        for p in sorted(folder.rglob("*"))
        if p.is_file() and p.name not in {".env", "lock", "lock.holder"} and ".nself/cache" not in str(p)
    }


def test_outside_a_project_it_says_what_to_do(nself: Nself) -> None:
    done = nself("build", check=False)
    assert done.returncode == 1
    assert "nself init" in done.stderr
    assert "Traceback" not in done.stderr


def test_it_works_from_a_subfolder(write_env: Callable[[str], Nself]) -> None:
    nself = write_env(BASE)
    below = nself.folder / "a" / "b"
    below.mkdir(parents=True)
    nself("build", cwd=below)
    assert (nself.folder / "docker-compose.yml").exists()
    assert not any(below.iterdir())


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("POSTGRES_PROT=5433", "POSTGRES_PORT"),
        ("REDIS_ENABLD=true", "REDIS_ENABLED"),
        ("CS_0=api:flask", "did you mean CS_1?"),
    ],
)
def test_a_misspelt_variable_is_warned_of_with_the_nearest_and_refused_when_strict(
    write_env: Callable[[str], Nself], line: str, expected: str
) -> None:
    nself = write_env(f"{BASE}{line}\n")
    done = nself("build")
    assert expected in done.stderr
    assert ".env:3" in done.stderr
    assert nself("build", "--strict", check=False).returncode == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"{BASE}POSTGRES_PORT=notaport\n", ".env:3"),
        (f"{BASE}POSTGRES_PORT=70000\n", "POSTGRES_PORT"),
        (f"{BASE}POSTGRES_PORT=8099\nHASURA_PORT=8099\n", ".env:3: POSTGRES_PORT asks for port 8099, which hasura (HASURA_PORT)"),
        (f"{BASE}CS_1=api:flask\nCS_1_DEPENDS_ON=ghost\n", "CS_1_DEPENDS_ON (.env:4): api needs the service 'ghost'"),
        (f"{BASE}CS_1=a:flask\nCS_2=b:flask\nCS_1_DEPENDS_ON=b\nCS_2_DEPENDS_ON=a\n", "CS_1_DEPENDS_ON (.env:5): services need"),
        (f"{BASE}HASURA_REPLICAS=100000\n", ".env:3: HASURA_REPLICAS=100000 is more than 1000"),
        (f"{BASE}CS_1=api:flask\nCS_1_REPLICAS=100000\n", ".env:4: CS_1_REPLICAS: 100000 is more than 1000"),
        (f"{BASE}AUTH_CLIENT_URL=${{NOWHERE}}\n", "NOWHERE"),
        (f"{BASE}POSTGRES_DB='unclosed\n", ".env:3"),
        ("PROJECT_NAME=shop\nBASE_DOMAIN=not a domain!\n", "BASE_DOMAIN"),
        (f"{BASE}CS_1=api:fastpai\n", "fastapi"),
        (f"{BASE}CS_1=a:b:c:d:e\n", "CS_1"),
        (f"{BASE}CS_1=api:fastapi:8001\nCS_2=api:fastapi:8002\n", "CS_2"),
        (f"{BASE}CS_1=one:fastapi:8001\nCS_2=two:fastapi:8001\n", "8001"),
        (f"{BASE}CS_1=Bad Name:fastapi\n", "CS_1"),
    ],
)
def test_bad_input_is_one_clear_error_and_nothing_is_written(write_env: Callable[[str], Nself], text: str, expected: str) -> None:
    nself = write_env(text)
    done = nself("build", check=False)
    assert done.returncode == 1
    assert expected in done.stderr
    assert "Traceback" not in done.stderr
    assert not (nself.folder / "docker-compose.yml").exists()
    assert not (nself.folder / ".environments").exists()


def test_all_faults_are_told_at_once(write_env: Callable[[str], Nself]) -> None:
    nself = write_env(f"{BASE}POSTGRES_PORT=x\nREDIS_ENABLED=perhaps\n")
    done = nself("build", check=False)
    assert "POSTGRES_PORT" in done.stderr
    assert "REDIS_ENABLED" in done.stderr


@pytest.mark.parametrize(
    ("content", "expected"),
    [(b"A=\x00\x01\xff\xfe", ".env"), (b"\xef\xbb\xbfPROJECT_NAME=shop\r\nBASE_DOMAIN=localhost\r\n", None)],
)
def test_odd_files(nself: Nself, content: bytes, expected: str | None) -> None:
    (nself.folder / ".env").write_bytes(content)
    done = nself("build", check=False)
    assert "Traceback" not in done.stderr
    assert (done.returncode == 0) == (expected is None), done.stderr
    if expected:
        assert expected in done.stderr


@pytest.mark.parametrize("what", ["link", "pipe", "device", "folder"])
def test_a_settings_file_that_is_no_file(write_env: Callable[[str], Nself], what: str) -> None:
    nself = write_env(BASE)
    path = nself.folder / ".env.dev"
    if what == "link":
        path.symlink_to(nself.folder / "gone")
    elif what == "pipe":
        os.mkfifo(path)
    elif what == "device":
        path.symlink_to("/dev/zero")
    else:
        path.mkdir()
    done = nself("build", check=False)
    assert done.returncode == 1
    expected = {"link": f"is a link to {nself.folder / 'gone'}", "folder": "a folder"}.get(what, "a pipe or a device")
    assert f"error: .env.dev: {'' if what == 'link' else 'this is '}{expected}" in done.stderr
    assert not (nself.folder / "docker-compose.yml").exists()


@pytest.mark.parametrize("document", ["[", "[1]", '{"native": 1}', '{"compose": {"dev": {"db/sql": "x"}}, "native": 3}'])
def test_state_that_something_spoilt_is_named_or_counts_as_none(write_env: Callable[[str], Nself], document: str) -> None:
    nself = write_env(BASE)
    nself("build")
    for path in (nself.folder / ".nself").glob("*.json"):
        if path.name != "ports.json":
            path.write_text('{"files": 3, "stamp": 4}')
    nself("build")
    ports = nself.folder / ".nself" / "ports.json"
    ports.write_text(document)
    done = nself("build", "--force", check=False)
    assert done.returncode == (0 if document == "[1]" else 1), done.stderr
    assert "fault in nself" not in done.stderr
    assert document == "[1]" or f"{ports}: cannot be read" in done.stderr


def test_an_environment_that_nobody_made_is_refused(write_env: Callable[[str], Nself]) -> None:
    nself = write_env(BASE)
    done = nself("build", "--env", "prdo", check=False)
    assert done.returncode == 1
    assert "--env: there is no environment prdo" in done.stderr
    (nself.folder / ".env").write_text(f"{BASE}ENV=prdo\n")
    assert ".env:3: there is no environment prdo" in nself("build", check=False).stderr
    assert not (nself.folder / ".environments").exists()
    nself("env", "create", "prdo")
    nself("build", "--env", "prdo", check=False)
    assert (nself.folder / ".environments" / "prdo").is_dir()


def test_two_at_once_and_the_second_names_the_first(write_env: Callable[[str], Nself]) -> None:
    nself = write_env(BASE)
    (nself.folder / ".nself").mkdir()
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, time; from pathlib import Path; from nself_core.lock import project_lock\n"
            f"with project_lock(Path({str(nself.folder / '.nself')!r}), 'deploy'): print('held', flush=True); time.sleep(60)",
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        done = nself("build", check=False)
        assert done.returncode == 1
        assert "nself deploy" in done.stderr
        assert str(holder.pid) in done.stderr
    finally:
        holder.kill()
        holder.wait()
    nself("build")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder(write_env: Callable[[str], Nself]) -> None:
    nself = write_env(BASE)
    nself.folder.chmod(0o555)
    try:
        done = nself("build", check=False)
        assert done.returncode == 1
        assert "Traceback" not in done.stderr
    finally:
        nself.folder.chmod(0o755)


def test_who_holds_the_lock_is_for_messages_alone(write_env: Callable[[str], Nself]) -> None:
    nself = write_env(BASE)
    (nself.folder / ".nself" / "lock.holder").mkdir(parents=True)  # cannot be written, as on a full disk
    assert nself("build").returncode == 0


@pytest.mark.slow
def test_a_build_killed_at_any_moment_is_finished_by_the_next(write_env: Callable[[str], Nself], tmp_path: Path) -> None:
    nself = write_env(f"{BASE}REDIS_ENABLED=true\nCS_1=api:fastapi\n")
    began = time.monotonic()
    nself("build")
    whole = time.monotonic() - began
    expected = {k for k in generated(nself.folder) if not k.startswith(".nself/edited")}
    for moment in (0.3, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95):
        (nself.folder / ".env").write_text(
            f"{BASE}REDIS_ENABLED=true\nCS_1=api:fastapi\nNGINX_CLIENT_MAX_BODY_SIZE={moment}M\n".replace("0.", "")
        )
        process = subprocess.Popen(
            [sys.executable, "-m", "nself_core", "build"],
            cwd=nself.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(whole * moment)
        process.send_signal(signal.SIGKILL)
        process.wait()
        nself("build")
        left = set(generated(nself.folder))
        assert expected <= left
    assert nself("build", "--check").returncode == 0


def test_a_first_build_killed_while_it_writes_leaves_nothing_of_its_own(write_env: Callable[[str], Nself]) -> None:
    nself = write_env(f"{BASE}CS_1=api:fastapi\nCS_2=web:express-js\n")
    folder = nself.folder

    def unfinished() -> list[Path]:
        return [p for p in folder.rglob(".*.new") if p.is_file()]

    for _ in range(8):
        process = subprocess.Popen(
            [sys.executable, "-m", "nself_core", "build"], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        while process.poll() is None and len(unfinished()) < 20:
            time.sleep(0.001)
        process.kill()
        process.wait()
        if unfinished():
            break
        for path in folder.iterdir():
            if path.name != ".env":
                shutil.rmtree(path) if path.is_dir() else path.unlink()
    else:
        pytest.skip("this machine writes too fast to be stopped")
    nself("build")
    assert not unfinished()
    assert (folder / "docker-compose.yml").read_text().count("target: dev") == 2
    nself("build", "--check")


def test_an_edit_in_a_generated_file_is_reported_and_never_lost(write_env: Callable[[str], Nself]) -> None:
    nself = write_env(BASE)
    nself("build")
    compose = nself.folder / "docker-compose.yml"
    compose.write_text(compose.read_text() + "# mine\n")
    done = nself("build", check=False)
    assert done.returncode == 1
    assert "docker-compose.yml" in done.stderr
    assert compose.read_text().endswith("# mine\n")
    nself("build", "--force")
    assert "# mine" not in compose.read_text()
    assert any("# mine" in p.read_text() for p in (nself.folder / ".nself/edited").rglob("docker-compose.yml"))


def test_a_copy_of_a_built_project_is_built_anew(write_env: Callable[[str], Nself]) -> None:
    nself = write_env(BASE)
    nself("build")
    copy = nself.folder.with_name("copy")
    shutil.copytree(nself.folder, copy)  # keeps times, as cp -a and rsync do
    (copy / ".env").write_text(f"{BASE}POSTGRES_PORT=5999\n")
    nself("build", cwd=copy)
    assert "5999" in (copy / "docker-compose.yml").read_text()
    assert "none changed" in nself("build", cwd=copy).stdout
    assert "none changed" in nself("build").stdout


def test_a_dry_run_writes_nothing_and_its_diff_shows_no_secret(write_env: Callable[[str], Nself]) -> None:
    nself = write_env(f"{BASE}POSTGRES_PASSWORD=correct-horse-battery-staple\n")
    before = generated(nself.folder)
    assert "docker-compose.yml" in nself("build", "--dry-run").stdout
    shown = nself("build", "--diff").stdout
    assert "docker-compose.yml" in shown
    assert "correct-horse" not in shown
    assert generated(nself.folder) == before


def test_json_and_explain(write_env: Callable[[str], Nself]) -> None:
    nself = write_env(f"{BASE}POSTGRES_PORT=5599\n")
    document = json.loads(nself("build", "--json").stdout)
    assert document["changed"] is True
    assert "docker-compose.yml" in document["created"]
    (row,) = json.loads(nself("explain", "services.postgres.ports", "--json").stdout)
    assert row["plugin"] == "core-postgres"
    assert row["hook"] == "contribute_services"
    assert "POSTGRES_PORT (.env:3)" in row["setting"]
    done = nself("explain", "services.postgers", check=False)
    assert "did you mean postgres" in done.stderr


def test_env_in_a_file_that_does_not_choose_is_told(nself: Nself) -> None:
    (nself.folder / ".env.dev").write_text(f"{BASE}ENV=prod\n")
    done = nself("build")
    assert ".env.dev:3: ENV=prod counts in .env alone, and dev is in force" in done.stderr
    (nself.folder / ".env.dev").write_text(f"{BASE}ENV=dev\n")
    assert "ENV=" not in nself("build", "--env", "staging", "--dry-run").stderr


def test_explain_tells_the_port_that_is_really_taken(write_env: Callable[[str], Nself]) -> None:
    nself = write_env(f"{BASE}CS_1=mine:fastapi:5432\n")
    assert "port of postgres is 5433 on this machine, as mine" in nself("build").stderr
    (row,) = json.loads(nself("explain", "services.postgres.ports", "--json").stdout)
    assert row["value"][0]["host"] == 5433


#: Runs the command line where none of these can be imported: the libraries of the extras, which a plain installation lacks.
WITHOUT_EXTRAS = """
import sys
from importlib.machinery import ModuleSpec

LACKING = set(
    "aiosmtplib aiosmtpd argon2 asyncpg authlib bcrypt croniter graphql httptools joserfc orjson prometheus_client pyotp segno"
    " starlette uvicorn uvloop webauthn websockets".split()
)


class Lacking:
    def find_spec(self, name, path=None, target=None):
        return ModuleSpec(name, self) if name.partition(".")[0] in LACKING else None  # to look for one is allowed

    def create_module(self, spec):
        raise ModuleNotFoundError(f"No module named {spec.name!r}", name=spec.name)

    def exec_module(self, module):
        pass


sys.meta_path.insert(0, Lacking())
from nself_core.cli.main import main

sys.exit(main(sys.argv[1:]))
"""


def test_a_build_needs_none_of_the_extras(write_env: Callable[[str], Nself]) -> None:
    nself = write_env("REDIS_ENABLED=true\nMINIO_ENABLED=true\nMAILPIT_ENABLED=true\nMONITORING_ENABLED=true\n")
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_EXTRAS, "build"], cwd=nself.folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert (nself.folder / "docker-compose.yml").exists()
