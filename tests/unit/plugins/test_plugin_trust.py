"""No code of a plugin runs before its state allows it, and then only the code that was allowed."""

from __future__ import annotations

import json
import os
import py_compile
from pathlib import Path
from typing import Any

import pytest

from hookspecs import UserError
from nself_core.plugins.model import PluginEntry, State

from .conftest import Site

CODE = """
from pathlib import Path
from hookspecs import hookimpl
Path({mark!r}).write_text("imported")

@hookimpl
def pre_deploy(project, target, stack):
    from hookspecs import Finding
    from {module_of_words} import WORDS
    yield Finding(level="note", message=WORDS)
"""


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    return tmp_path / "mark"


@pytest.fixture
def package(site: Site, mark: Path) -> Path:
    folder = site.add("marked", CODE.format(mark=str(mark), module_of_words=".words"), hooks=["pre_deploy"])
    (folder / "words.py").write_text('WORDS = "as allowed"\n')
    return folder


def entry(site: Site, name: str = "marked") -> PluginEntry:
    found = site.open().find(name)
    assert found is not None
    return found


def messages(site: Site, project: Any) -> list[str]:
    return [finding.message for _, finding in site.open().pre_deploy(project, "local", None)]  # type: ignore[arg-type]


def test_what_is_not_allowed_is_not_imported(site: Site, package: Path, mark: Path, make_project: Any) -> None:
    assert entry(site).state is State.UNSIGNED
    assert messages(site, make_project) == []
    lock = {"format": 1, "plugins": {"marked": {"enabled": True, "hash": "", "version": "1.0.0"}}}
    (site.project / "plugins.lock").write_text(json.dumps(lock))  # a repository cannot permit anything
    assert messages(site, make_project) == []
    assert not mark.exists()
    assert "nself plugin allow marked" in [finding.remedy for finding in site.open().findings]


def test_allow_records_permits_and_enables(site: Site, package: Path, mark: Path, make_project: Any) -> None:
    site.allow("marked")
    assert not mark.exists(), "allowing is not importing"
    assert (entry(site).state, entry(site).enabled) == (State.ALLOWED, True)
    assert messages(site, make_project) == ["as allowed"]
    assert mark.exists()
    assert (site.home / "allowed.json").stat().st_mode & 0o777 == 0o600
    lock = json.loads((site.project / "plugins.lock").read_text())
    assert lock["plugins"]["marked"] == {"enabled": True, "version": "1.0.0", "hash": lock["plugins"]["marked"]["hash"]}


def test_allow_outside_a_project_enables_nothing(site: Site, package: Path) -> None:
    allowed = site.open(project=False).allow("marked")
    assert (allowed.state, allowed.enabled) == (State.ALLOWED, False)
    assert not (site.project / "plugins.lock").exists()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda folder: (folder / "words.py").write_text('WORDS = "changed"'), "words.py changed"),
        (lambda folder: (folder / "more.py").write_text(""), "more.py is new"),
        (lambda folder: (folder / "words.py").unlink(), "words.py is gone"),
        (lambda folder: (folder / "plugin.json").write_text((folder / "plugin.json").read_text() + " "), "plugin.json changed"),
    ],
)
def test_any_change_takes_the_permission_away(
    site: Site, package: Path, mark: Path, make_project: Any, change: Any, told: str
) -> None:
    site.allow("marked")
    change(package)
    assert entry(site).state is State.MODIFIED
    assert told in entry(site).reason
    assert messages(site, make_project) == []
    assert not mark.exists()
    site.allow("marked")
    assert entry(site).state is State.ALLOWED


def test_a_link_to_a_folder_cannot_be_verified(site: Site, package: Path, tmp_path: Path) -> None:
    site.allow("marked")
    (package / "elsewhere").symlink_to(tmp_path)
    assert "link to a folder" in entry(site).reason
    with pytest.raises(UserError, match="link to a folder"):
        site.allow("marked")


def test_compiled_files_are_never_read(site: Site, package: Path, make_project: Any) -> None:
    source = package / "words.py"
    stamp = source.stat()
    source.write_text('WORDS = "not allowed"\n'[: stamp.st_size].ljust(stamp.st_size))
    py_compile.compile(str(source))
    source.write_text('WORDS = "as allowed"\n')
    os.utime(source, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    site.allow("marked")
    assert messages(site, make_project) == ["as allowed"]


def test_a_file_swapped_between_verdict_and_import_is_refused(site: Site, package: Path, make_project: Any) -> None:
    manager = site.allow("marked")
    assert manager.names() == {"marked"}
    (package / "words.py").write_text('WORDS = "swapped"\n')
    with pytest.raises(UserError, match=r"plugin marked failed in pre_deploy: ImportError: words.py changed"):
        manager.pre_deploy(make_project, "local", None)  # type: ignore[arg-type]


def test_a_module_that_was_not_there_does_not_exist(site: Site, make_project: Any) -> None:
    folder = site.add("lazy", CODE.format(mark=os.devnull, module_of_words=".late"), hooks=["pre_deploy"])
    manager = site.allow("lazy")
    assert manager.names() == {"lazy"}
    (folder / "late.py").write_text('WORDS = "added later"')
    with pytest.raises(UserError, match="not among the plugin's files"):
        manager.pre_deploy(make_project, "local", None)  # type: ignore[arg-type]


def test_disallow_takes_it_back(site: Site, package: Path) -> None:
    from nself_core.plugins.choice import disallow

    site.allow("marked")
    disallow(site.open(), "marked")
    assert entry(site).state is State.UNSIGNED
    with pytest.raises(UserError, match="nothing to take back"):
        disallow(site.open(), "marked")


def test_a_linked_folder_is_development(site: Site, mark: Path, make_project: Any, tmp_path: Path) -> None:
    folder = tmp_path / "linked"
    folder.mkdir()
    (folder / "plugin.json").write_text(
        '{"name": "linked-one", "version": "1.0.0", "summary": "linked", "hooks": ["pre_deploy"]}'
    )
    (folder / "words.py").write_text('WORDS = "linked"')
    (folder / "__init__.py").write_text(CODE.format(mark=str(mark), module_of_words=".words"))
    (site.home / "plugins").mkdir(parents=True)
    (site.home / "plugins" / "linked-one").symlink_to(folder)
    assert (entry(site, "linked-one").state, entry(site, "linked-one").enabled) == (State.DEVELOPMENT, False)
    site.open().choose("linked-one", True)
    assert messages(site, make_project) == ["linked"]


def test_an_unreadable_list_of_permissions_permits_nothing(site: Site, package: Path) -> None:
    site.home.mkdir(parents=True, exist_ok=True)
    (site.home / "allowed.json").write_text("[]")
    with pytest.raises(UserError, match="list of allowed plugins cannot be read"):
        site.open().known()


def test_a_manifest_is_held_to_the_whole_contract_before_it_is_allowed(site: Site) -> None:
    site.add("sloppy", settings=[{"name": "SLOPPY_X", "help": "x", "type": "number"}])
    with pytest.raises(UserError, match="manifest of plugin sloppy is not valid") as caught:
        site.allow("sloppy")
    assert caught.value.findings[0].where == "settings.0.type"
    assert entry(site, "sloppy").state is State.UNSIGNED
