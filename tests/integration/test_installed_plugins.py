"""Other people's plugins, installed with pip beside an nself installed from its wheel. Nothing in this repository knows them."""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import yaml

from tests.installed import Installed, build_wheel, copy_of_checkout, install

pytestmark = [pytest.mark.slow, pytest.mark.network]
FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    place = tmp_path_factory.mktemp("wheels")
    made = {"nself": build_wheel(copy_of_checkout(place / "checkout"), place / "nself")}
    for name in ("example", "notes"):
        copy = place / f"source-{name}"
        _copy(FIXTURES / f"nself-plugin-{name}", copy)
        made[name] = build_wheel(copy, place / name)
    return made


def _copy(source: Path, target: Path) -> None:
    for path in source.rglob("*"):
        if path.is_file() and path.suffix != ".pyc":
            (target / path.relative_to(source)).parent.mkdir(parents=True, exist_ok=True)
            (target / path.relative_to(source)).write_bytes(path.read_bytes())


@pytest.fixture(scope="module")
def environment(wheels: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Installed:
    made = install(tmp_path_factory.mktemp("environment") / "venv", wheels["nself"])
    made.pip("install", "--no-deps", str(wheels["example"]), str(wheels["notes"]))
    return made


@dataclass
class Room:
    """A project and a home of one test."""

    environment: Installed
    project: Path
    home: Path

    def __call__(self, *arguments: str, check: bool = True, **environ: str) -> str:
        done = self.environment.nself(*arguments, cwd=self.project, home=self.home, check=check, **environ)
        return done.stdout + done.stderr

    def json(self, *arguments: str) -> object:
        done = self.environment.nself(*arguments, "--json", cwd=self.project, home=self.home)
        return json.loads(done.stdout)

    def compose(self) -> dict[str, dict[str, object]]:
        services = yaml.safe_load((self.project / "docker-compose.yml").read_text())["services"]
        assert isinstance(services, dict)
        return services

    def text_of_build(self) -> dict[str, bytes]:
        skipped = {".nself", ".environments"}  # state, keys and secrets differ from machine to machine
        return {
            str(path.relative_to(self.project)): path.read_bytes()
            for path in sorted(self.project.rglob("*"))
            if path.is_file() and not skipped & set(path.relative_to(self.project).parts)
        }


@pytest.fixture
def room(environment: Installed, tmp_path: Path) -> Room:
    project = tmp_path / "project"
    project.mkdir()
    (project / ".env").write_text("PROJECT_NAME=demo\nEXAMPLE_GREETING=good morning\n")
    return Room(environment, project, tmp_path / "home" / ".nself")


def test_the_wheel_carries_every_file_of_our_packages(wheels: dict[str, Path]) -> None:
    checkout = wheels["nself"].parents[1] / "checkout"
    there = set(zipfile.ZipFile(wheels["nself"]).namelist())
    ours = {
        path.relative_to(checkout).as_posix()
        for package in ("hookspecs", "nself_core", "builtin_plugins")
        for path in (checkout / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert sorted(ours - there) == []


def test_ours_are_core_in_a_wheel(room: Room) -> None:
    entries = room.json("plugin", "list")
    assert isinstance(entries, list)
    ours = [one for one in entries if one["source"] == "core"]
    assert len(ours) >= 20
    assert {one["state"] for one in ours} == {"core"}
    assert [one["name"] for one in ours if not one["in_use"]] == []
    assert str(room.environment.site) in ours[0]["path"]


def test_a_plugin_is_not_imported_before_it_is_allowed(room: Room, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    for arguments in (("--help",), ("plugin", "list"), ("plugin", "status", "example"), ("build",), ("example", "greet")):
        room(*arguments, check=False, NSELF_EXAMPLE_MARK=str(mark))
        assert not mark.exists(), arguments
    assert "greeter" not in room.compose()
    room("plugin", "allow", "example", NSELF_EXAMPLE_MARK=str(mark))
    assert not mark.exists(), "allowing reads and hashes, and imports nothing"
    room("build", NSELF_EXAMPLE_MARK=str(mark))
    assert mark.read_text() == "imported"


def test_build_says_in_one_line_what_is_installed_and_not_enabled(room: Room) -> None:
    told = [line for line in room("build").splitlines() if "without effect" in line]
    assert len(told) == 1
    assert "example, notes" in told[0]


def test_an_allowed_plugin_gives_service_route_file_migration_and_command(room: Room) -> None:
    room("plugin", "allow", "example")
    room("build")
    service = room.compose()["greeter"]
    assert service["image"] == "python:3.13-alpine"
    assert any("8790" in str(port) for port in service["ports"])  # type: ignore[attr-defined]
    assert json.loads((room.project / "example" / "greeting.json").read_text()) == {"greeting": "good morning"}
    assert "hello, you" in room("example", "greet", "--name", "you")
    assert "greeter." in room("explain", "routes.greeter")
    rendered = "".join(path.read_text(errors="replace") for path in (room.project / "nginx").rglob("*") if path.is_file())
    assert "server_name greeter." in rendered


def test_the_allowed_plugins_migration_is_in_the_plan(room: Room) -> None:
    room("plugin", "allow", "example")
    room("plugin", "allow", "notes")
    code = (
        "from nself_core.workspace import Workspace\nw = Workspace.open()\n"
        "for name, m in w.plugins.migrate_schema(w.project('compose')): print(name, m.id, m.up.split()[2])\n"
    )
    import subprocess

    done = subprocess.run(
        [room.environment.python, "-c", code], cwd=room.project, capture_output=True, text=True, check=True,
        env={"NSELF_HOME": str(room.home), "HOME": str(room.home.parent)},
    )  # fmt: skip
    assert "example 001_greetings np_example_greetings" in done.stdout.splitlines()
    assert "notes 001_notes np_notes_notes" in done.stdout.splitlines()


def test_a_plugin_without_code(room: Room) -> None:
    room("plugin", "allow", "notes")
    room("build")
    service = room.compose()["notes"]
    assert service["image"] == "registry.example.org/notes:1.0.0"
    assert "DATABASE_URL" in json.dumps(service) or list((room.project / ".nself" / "compose" / "env").glob("notes.env"))
    entry = room.json("plugin", "status", "notes")
    assert isinstance(entry, dict)
    assert (entry["hooks"], entry["in_use"]) == ([], True)


def test_the_order_of_installation_and_permission_changes_no_byte(wheels: dict[str, Path], room: Room, tmp_path: Path) -> None:
    other = install(tmp_path / "venv", wheels["nself"])
    for name in ("notes", "example"):
        other.pip("install", "--no-deps", str(wheels[name]))
    built = []
    for environment, order in ((room.environment, ("example", "notes")), (other, ("notes", "example"))):
        here = Room(environment, room.project, tmp_path / order[0] / ".nself")
        (here.project / "plugins.lock").unlink(missing_ok=True)
        for name in order:
            here("plugin", "allow", name)
        here("build", "--force")
        built.append(here.text_of_build())
    assert built[0].keys() == built[1].keys()
    assert [name for name in built[0] if built[0][name] != built[1][name]] == []
    assert "docker-compose.yml" in built[0]


def test_a_start_up_cannot_be_told_the_plugin_is_allowed_by_the_project(room: Room, tmp_path: Path) -> None:
    room("plugin", "allow", "example")
    stranger = Room(room.environment, room.project, tmp_path / "stranger" / ".nself")
    mark = tmp_path / "mark"
    told = stranger("build", NSELF_EXAMPLE_MARK=str(mark))
    assert not mark.exists()
    assert "plugin example is left out" in told
    assert "nself plugin allow example" in told


def test_the_plugins_service_runs_natively_and_answers(room: Room) -> None:
    room("plugin", "allow", "example")
    room("build")
    try:
        room("start", "greeter", "--runtime", "native")
        ports = json.loads((room.project / ".nself" / "ports.json").read_text())
        port = ports["native"]["dev"]["greeter/http"]
        answer = httpx.get(f"http://127.0.0.1:{port}/", timeout=30)
        assert answer.json() == {"greeting": "good morning"}
    finally:
        room("stop")
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{port}/", timeout=30)


def test_a_built_in_that_was_changed_is_not_imported(room: Room, wheels: dict[str, Path], tmp_path: Path) -> None:
    import py_compile

    assert "core" in room("plugin", "status", "core-adminer")
    room("plugin", "verify", "core-adminer", "core-nginx")
    other = Room(install(tmp_path / "venv", wheels["nself"]), room.project, tmp_path / "other" / ".nself")
    folder = other.environment.site / "builtin_plugins" / "optional" / "adminer"
    source, mark = folder / "__init__.py", tmp_path / "mark"
    original = source.read_bytes()
    planted = original + f"\nfrom pathlib import Path\nPath({str(mark)!r}).write_text('run')\n".encode()
    # Compiled from other source and dressed as what belongs there: it is never read.
    source.write_bytes(planted)
    py_compile.compile(str(source))
    (compiled,) = (folder / "__pycache__").glob("__init__.*.pyc")
    data, stamp = bytearray(compiled.read_bytes()), source.stat()
    source.write_bytes(original)
    data[8:16] = int(stamp.st_mtime).to_bytes(4, "little") + len(original).to_bytes(4, "little")
    import os

    os.utime(source, (stamp.st_mtime, stamp.st_mtime))
    compiled.write_bytes(bytes(data))
    other("build")
    assert not mark.exists()
    for change, told in (
        (lambda: source.write_bytes(planted), "__init__.py changed"),
        (lambda: (folder / "extra.py").write_text(""), "extra.py is new"),
        (source.unlink, "compiled from nothing that is there"),
    ):
        change()
        assert told in other("build", "--force", check=False)
        assert told in other("plugin", "verify", "core-adminer", check=False)
        assert not mark.exists()
        source.write_bytes(original)
        (folder / "extra.py").unlink(missing_ok=True)
    other("plugin", "verify", "core-adminer")
