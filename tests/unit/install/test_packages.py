"""What plugins require of other packages: one set for all, by real pip from a folder of wheels."""

from __future__ import annotations

import hashlib
import http.server
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from hookspecs import UserError
from nself_core.plugins import pip, shared
from nself_core.plugins.install.removal import uninstall
from nself_core.plugins.install.transaction import rollback
from tests.plugin_wheels import MALLORY, wheel

from .conftest import Room, Silent

pytestmark = pytest.mark.slow


def library(into: Path, name: str, version: str, requires: tuple[str, ...] = ()) -> None:
    """A small package as a wheel."""
    info = f"{name}-{version}.dist-info"
    needs = "".join(f"Requires-Dist: {one}\n" for one in requires)
    files = {
        f"{name}/__init__.py": f"VERSION = {version!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": "",
    }
    with zipfile.ZipFile(into / f"{name}-{version}-py3-none-any.whl", "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)


@pytest.fixture(autouse=True)
def libraries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only packages pip finds."""
    folder = tmp_path / "libraries"
    folder.mkdir()
    for version in ("1.0", "1.5", "2.0"):
        library(folder, "shapes", version)
    library(folder, "drawing", "1.0", ("shapes>=1.5",))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def imported(room: Room, name: str) -> str:
    place = shared.shared_path(room.home)
    assert place is not None
    code = f"import sys; sys.path.append({str(place)!r}); import {name}; print({name}.VERSION)"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_one_set_that_all_agree_on(room: Room) -> None:
    room.offer("one", requires=["shapes<2"])
    room.offer("two", requires=["drawing"])
    room.install("one")
    first = shared.shared_path(room.home)
    assert imported(room, "shapes") == "1.5"
    room.install("two")
    assert shared.shared_path(room.home) != first
    assert (imported(room, "shapes"), imported(room, "drawing")) == ("1.5", "1.0")
    place = shared.shared_path(room.home)
    assert place is not None
    lock = (place / "requirements.lock").read_text().splitlines()
    assert [line.partition(" ")[0] for line in lock] == ["drawing==1.0", "shapes==1.5"]
    assert all("--hash=sha256:" in line for line in lock)
    uninstall(room.home, room.project, "two", drop=None, say=print)
    assert shared.shared_path(room.home) == place, "a set that meets what is left stays"
    assert imported(room, "shapes") == "1.5"


def test_what_cannot_be_met_together_names_both_and_changes_nothing(room: Room) -> None:
    room.offer("one", requires=["shapes<2"])
    room.offer("two", requires=["shapes>=2"])
    room.install("one")
    before = room.state()
    with pytest.raises(UserError, match="cannot be met together") as caught:
        room.install("two")
    assert "one 1.0.0 requires shapes<2" in caught.value.message
    assert "two 1.0.0 requires shapes>=2" in caught.value.message
    assert room.state() == before
    assert room.versions() == {"one": "1.0.0"}


def test_nselfs_own_versions_are_not_moved(room: Room, libraries: Path) -> None:
    from importlib.metadata import version

    library(libraries, "click", "99.0")
    room.offer("one", requires=["click>=99"])
    with pytest.raises(UserError, match=r"click") as caught:
        room.install("one")
    assert "one 1.0.0 requires click>=99" in caught.value.message
    assert f"nself itself has click=={version('click')}" in caught.value.message
    assert room.versions() == {}


def test_what_nself_has_itself_needs_no_index(room: Room) -> None:
    room.offer("one", requires=["click>=8", "httpx"])
    talk = Silent()
    room.install("one", talk=talk)
    assert shared.shared_path(room.home) is None
    assert talk.said == []


def test_what_is_nowhere_is_told(room: Room) -> None:
    room.offer("one", requires=["no-such-library"])
    with pytest.raises(UserError, match="cannot be had") as caught:
        room.install("one")
    assert "one requires no-such-library" in caught.value.where
    assert room.versions() == {}


def test_an_environment_of_its_own(room: Room) -> None:
    room.offer("one", requires=["shapes<2"])
    room.offer("engine", requires=["shapes>=2"], own_environment=True)
    room.install("one", "engine")
    place = shared.own_environment(room.home, "engine")
    assert place is not None
    code = "import shapes, sys; print(shapes.VERSION, 'click' in sys.modules)"
    done = subprocess.run([place / "bin" / "python", "-I", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["2.0", "False"]
    assert imported(room, "shapes") == "1.5"


def test_what_is_there_needs_no_index(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plugin goes, and one comes that requires nothing new, with the index out of reach."""
    room.offer("engine", requires=["shapes>=2"], own_environment=True)
    for name in ("one", "two"):
        room.offer(name, requires=["shapes<2"])
    room.install("one", "engine")
    monkeypatch.setenv("PIP_FIND_LINKS", str(room.home / "nowhere"))
    room.install("two")
    uninstall(room.home, room.project, "one", drop=None, say=print)
    assert imported(room, "shapes") == "1.5"
    assert shared.own_environment(room.home, "engine") is not None
    room.offer("engine", "2.0.0", requires=["shapes>=1.6"], own_environment=True)
    with pytest.raises(UserError, match="cannot be had"):
        room.install("engine", renew=True)


def test_a_rollback_takes_its_packages_along(room: Room) -> None:
    room.offer("one", "1.0.0", requires=["shapes<2"])
    room.install("one")
    room.offer("one", "2.0.0", requires=["shapes>=2"])
    room.install("one", renew=True)
    assert imported(room, "shapes") == "2.0"
    rollback(room.home, room.project, "one", None, Silent())
    assert imported(room, "shapes") == "1.5"


# Where nself's own environment has no pip, as pipx and uv make them


def test_the_pip_that_comes_with_python_does_where_there_is_none(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    if pip.bundled() is None:
        pytest.skip("this Python comes without ensurepip's wheel of pip")
    monkeypatch.setattr(pip, "has_own", lambda: False)
    room.offer("a", requires=["drawing"])
    room.offer("engine", requires=["shapes<2"], own_environment=True)
    room.install("a", "engine")
    assert imported(room, "shapes") == "2.0"
    assert room.versions() == {"a": "1.0.0", "engine": "1.0.0"}


def test_one_on_the_path_is_told_whose_environment_it_is(room: Room, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pip, "has_own", lambda: False)
    monkeypatch.setattr(pip, "bundled", lambda: None)
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "pip3").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m pip "$@"\n')
    (programs / "pip3").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    room.offer("a", requires=["shapes<2"])
    room.install("a")
    assert imported(room, "shapes") == "1.5"


def test_no_pip_at_all_is_told_and_changes_nothing(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pip, "has_own", lambda: False)
    monkeypatch.setattr(pip, "bundled", lambda: None)
    monkeypatch.setenv("PATH", "/nowhere")
    room.offer("a", requires=["shapes"])
    room.offer("b")
    before = room.state()
    with pytest.raises(UserError, match="there is no pip to fetch them") as refused:
        room.install("a")
    assert "pipx inject nself pip" in refused.value.remedy
    assert room.state() == before
    room.install("b")  # what requires nothing needs none


# ``pypi:nself-plugin-x``, from an index that answers as PyPI does


@pytest.fixture
def package_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder whose wheels a server offers by the simple repository API (https://peps.python.org/pep-0503/)."""
    place = tmp_path / "index"
    place.mkdir()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = [part for part in self.path.split("/") if part]
            wheels = [w for w in place.glob("*.whl") if w.name.partition("-")[0].replace("_", "-") == parts[-1]]
            if parts[0] == "simple" and wheels:
                links = "".join(f'<a href="/files/{w.name}#sha256={_digest(w)}">{w.name}</a>' for w in wheels)
                self._say(200, f"<!DOCTYPE html><html><body>{links}</body></html>".encode(), "text/html")
            elif parts[0] == "files" and (place / parts[-1]).is_file():
                self._say(200, (place / parts[-1]).read_bytes(), "application/octet-stream")
            else:
                self._say(404, b"", "text/plain")

        def _say(self, status: int, body: bytes, kind: str) -> None:
            self.send_response(status)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Be quiet."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    for name in ("PIP_NO_INDEX", "PIP_FIND_LINKS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{server.server_port}/simple/")
    yield place
    server.shutdown()
    server.server_close()
    thread.join()


def _digest(wheel: Path) -> str:
    return hashlib.sha256(wheel.read_bytes()).hexdigest()


def test_from_the_package_index_when_it_is_asked_for_by_name(room: Room, package_index: Path) -> None:
    for version in ("1.0.0", "1.1.0", "2.0.0"):
        wheel(package_index, "acme-crm", version)
    outcome = room.install("pypi:nself-plugin-acme-crm<2")
    assert room.versions() == {"acme-crm": "1.1.0"}
    assert [(one.step.release.registry, str(one.verdict.state)) for one in outcome.done] == [("pypi", "signed")]
    assert room.open().lock.pins["acme-crm"].registry == "pypi"
    room.install("pypi:nself-plugin-acme-crm")
    assert room.versions() == {"acme-crm": "2.0.0"}


def test_a_registry_name_is_never_looked_for_in_the_index(room: Room, package_index: Path) -> None:
    wheel(package_index, "acme-crm")
    with pytest.raises(UserError, match="there is no plugin 'acme-crm' in any registry"):
        room.install("acme-crm")


def _tamper(files: dict[str, bytes]) -> None:
    files["nself_plugin_forged/words.py"] += b"\n"


def test_what_the_index_has_is_refused_for_the_same_reasons(room: Room, package_index: Path) -> None:
    wheel(package_index, "stranger", key=MALLORY)
    wheel(package_index, "forged", change=_tamper)
    before = room.state()
    for name, reason in (
        ("nobody", "nself-plugin-nobody cannot be had"),
        ("forged", "words.py changed"),
        ("stranger", "which you do not trust"),
    ):
        with pytest.raises(UserError, match=reason):
            room.install(f"pypi:nself-plugin-{name}")
    assert room.state() == before
    with pytest.raises(UserError, match="names no plugin"):
        room.install("pypi:requests")
