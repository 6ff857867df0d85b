"""A volume's files go out as a tar and come back; one that is broken off replaces nothing."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from builtin_plugins.runtimes.native import volumes


def test_out_and_in_again(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    (here / "deep").mkdir(parents=True)
    (here / "deep" / "file").write_text("kept")
    there.mkdir()
    (there / "older").write_text("gone")
    packed = io.BytesIO()
    volumes.read(here, packed)
    packed.seek(0)
    volumes.write(there, packed, None)
    assert (there / "deep" / "file").read_text() == "kept"
    assert not (there / "older").exists()
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def test_a_tar_that_breaks_off_or_leads_out_replaces_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "mine").write_text("kept")
    with pytest.raises(volumes.with_filters().TarError):
        volumes.write(folder, io.BytesIO(b"no tar at all" * 100), None)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("../out"), io.BytesIO())
    packed.seek(0)
    with pytest.raises(volumes.with_filters().TarError):
        volumes.write(folder, packed, None)
    assert (folder / "mine").read_text() == "kept"
    assert not (tmp_path / "out").exists()
