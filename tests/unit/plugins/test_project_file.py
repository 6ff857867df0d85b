"""``nselffile.py``: a project's own hooks, which run once these very bytes were allowed in this folder, and not before."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from hookspecs import UserError
from nself_core.plugins.model import PluginEntry, State
from tests.conftest import Nself

from .conftest import Site

CODE = """
from pathlib import Path
from hookspecs import hookimpl
Path({mark!r}).write_text("imported")

@hookimpl
def pre_deploy(project, target, stack):
    from hookspecs import Finding
    yield Finding(level="note", message="{word} " + project.name)
"""


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    return tmp_path / "mark"


@pytest.fixture
def file(site: Site, mark: Path) -> Path:
    place = site.project / "nselffile.py"
    place.write_text(CODE.format(mark=str(mark), word="hello"))
    return place


def entry(site: Site) -> PluginEntry:
    found = site.open().find("nselffile")
    assert found is not None
    return found


def messages(site: Site, project: Any) -> list[str]:
    return [finding.message for _, finding in site.open().pre_deploy(project, "local", None)]  # type: ignore[arg-type]


def told(site: Site) -> list[tuple[str, str]]:
    return [(one.message, one.remedy) for one in site.open().findings if "nselffile" in one.message]


def test_no_file_no_plugin(site: Site) -> None:
    assert site.open().find("nselffile") is None


def test_it_runs_once_it_is_allowed_and_until_it_changes(site: Site, file: Path, mark: Path, make_project: Any) -> None:
    assert entry(site).state is State.UNSIGNED
    assert messages(site, make_project) == []
    remedy = f"read {file}, then nself plugin allow nselffile"
    assert told(site) == [
        ("plugin nselffile is left out: you have not allowed this project's nselffile.py on this machine", remedy)
    ]
    assert not mark.exists(), "none of it ran"

    allowed = site.open().allow("nselffile")
    assert (allowed.state, allowed.usable, allowed.reason) == (State.ALLOWED, True, "")
    assert not (site.project / "plugins.lock").exists(), "that it lies there enables it"
    assert messages(site, make_project) == ["hello demo"]
    assert told(site) == []

    mark.unlink()
    file.write_text(file.read_text().replace("hello", "good bye"))
    assert entry(site).state is State.MODIFIED
    assert messages(site, make_project) == []
    assert told(site) == [("plugin nselffile is left out: nselffile.py is not as you allowed it", remedy)]
    assert not mark.exists()
    site.open().allow("nselffile")
    assert messages(site, make_project) == ["good bye demo"]


def test_what_is_allowed_in_one_folder_is_not_in_another(site: Site, file: Path, make_project: Any, tmp_path: Path) -> None:
    site.open().allow("nselffile")
    other = Site(site.folder, site.home, tmp_path / "other")
    shutil.copytree(site.project, other.project)
    assert entry(other).state is State.UNSIGNED
    other.open().allow("nselffile")
    from nself_core.plugins.choice import disallow

    disallow(other.open(), "nselffile")
    assert (entry(site).state, entry(other).state) == (State.ALLOWED, State.UNSIGNED)


def test_it_can_be_switched_off_and_on_for_the_project(site: Site, file: Path, make_project: Any) -> None:
    site.open().allow("nselffile")
    assert not site.open().choose("nselffile", False).enabled
    assert messages(site, make_project) == []
    assert site.open().choose("nselffile", True).enabled
    assert messages(site, make_project) == ["hello demo"]
    assert '"plugins": {}' in (site.project / "plugins.lock").read_text()


def test_a_change_between_judging_and_import_is_noticed(site: Site, file: Path, mark: Path, make_project: Any) -> None:
    site.open().allow("nselffile")
    manager = site.open()
    assert manager.names() == {"nselffile"}
    file.write_text(file.read_text() + "\n")
    assert manager.pre_deploy(make_project, "local", None) == []  # type: ignore[arg-type]
    assert "changed while it was being loaded" in manager.reason("nselffile")
    assert not mark.exists()


def test_calls_are_traced(
    site: Site, file: Path, make_project: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    site.open().allow("nselffile")
    monkeypatch.setenv("NSELF_TRACE_HOOKS", "1")
    messages(site, make_project)
    assert "hook pre_deploy nselffile done" in capsys.readouterr().err


HEAD = "from hookspecs import hookimpl\n"


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("def x(:\n", "nselffile.py, line 1: invalid syntax"),
        ("", "nselffile.py has no hook: a function under `@hookimpl`"),
        ("x = '\0'", "nselffile.py"),
        (HEAD + "@hookimpl\ndef contribute_service(project): ...\n", "line 3: there is no hook 'contribute_service'"),
        (HEAD + "@hookimpl\ndef contribute_routes(project, host): ...\n", "contribute_routes needs a plugin with a manifest"),
    ],
)  # fmt: skip
def test_what_cannot_be_a_file_of_hooks(site: Site, code: str, reason: str) -> None:
    (site.project / "nselffile.py").write_text(code)
    ((message, _),) = told(site)
    assert message.startswith("plugin nselffile is left out: ")
    assert reason in message
    with pytest.raises(UserError, match="cannot be used"):
        site.open().allow("nselffile")


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("1 / 0\n", "it cannot be imported: ZeroDivisionError: division by zero"),
        ("raise SystemExit(3)\n", "it cannot be imported: SystemExit: 3"),
        ("import helper_beside_it\n", "it cannot be imported: ModuleNotFoundError"),
    ],
)
def test_what_fails_when_it_is_imported(site: Site, make_project: Any, code: str, reason: str) -> None:
    (site.project / "helper_beside_it.py").write_text("")
    hook = HEAD + "@hookimpl\ndef pre_deploy(project, target, stack): ...\n"
    (site.project / "nselffile.py").write_text(code + hook)
    manager = site.allow("nselffile")
    assert manager.pre_deploy(make_project, "local", None) == []  # type: ignore[arg-type]
    assert reason in manager.reason("nselffile")


def test_a_hook_that_raises_is_named(site: Site, make_project: Any) -> None:
    (site.project / "nselffile.py").write_text(HEAD + "@hookimpl\ndef pre_deploy(project, target, stack):\n    [][0]\n")
    with pytest.raises(UserError, match="plugin nselffile failed in pre_deploy: IndexError"):
        site.allow("nselffile").pre_deploy(make_project, "local", None)  # type: ignore[arg-type]


def test_a_link_is_refused(site: Site, file: Path, tmp_path: Path) -> None:
    file.rename(tmp_path / "elsewhere.py")
    file.symlink_to(tmp_path / "elsewhere.py")
    assert "no ordinary file" in told(site)[0][0]


def test_an_installed_plugin_of_that_name_gives_way(site: Site, file: Path) -> None:
    site.add("nselffile", "")
    reasons = {one.source: one.reason for one in site.open().known() if one.name == "nselffile"}
    assert "its name is that of this project's nselffile.py" in reasons["entry-point"]
    assert site.open().allow("nselffile").source == "project"


def test_on_the_command_line(nself: Nself) -> None:
    (nself.folder / ".env").write_text("PROJECT_NAME=shop\n")
    (nself.folder / "nselffile.py").write_text(
        HEAD + "@hookimpl\ndef render_config(project, stack):\n    from hookspecs import File\n"
        "    yield File(path='generated/greeting.txt', content=b'hello ' + project.name.encode())\n"
    )
    assert "left out: you have not allowed this project's nselffile.py" in nself("build").stderr
    assert not (nself.folder / "generated").exists()
    assert "allowed on this machine" in nself("plugin", "allow", "nselffile").stdout
    nself("build")
    assert (nself.folder / "generated" / "greeting.txt").read_text() == "hello shop"
    assert "state       allowed" in nself("plugin", "status", "nselffile").stdout
    assert "loaded without a signature, as you said" in nself("plugin", "status").stdout
    traced = Nself(nself.folder, {"NSELF_TRACE_HOOKS": "1"})("build", "--force")
    assert "hook render_config nselffile done" in traced.stderr
