"""What plugins require of other packages: one set for all, by real pip from a folder of wheels."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from hookspecs import UserError
from nself_core.plugins import shared
from nself_core.plugins.install.removal import uninstall
from nself_core.plugins.install.transaction import rollback

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
    assert shared.shared_path(room.home) == first


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


def test_a_rollback_takes_its_packages_along(room: Room) -> None:
    room.offer("one", "1.0.0", requires=["shapes<2"])
    room.install("one")
    room.offer("one", "2.0.0", requires=["shapes>=2"])
    room.install("one", renew=True)
    assert imported(room, "shapes") == "2.0"
    rollback(room.home, room.project, "one", None, Silent())
    assert imported(room, "shapes") == "1.5"
