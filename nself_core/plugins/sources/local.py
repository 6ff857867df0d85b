"""A wheel or a folder on this machine as a source, and a distribution of the package index, fetched as a wheel."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hookspecs.errors import UserError
from nself_core.plugins.install.unpack import PACKAGE, UnpackError, unpack
from nself_core.plugins.manifest import MANIFEST, ManifestError, check_whole, read
from nself_core.plugins.pip import run_pip
from nself_core.plugins.sources.model import Progress, Release

#: Bytes of a wheel that is taken at all.
MAX_WHEEL = 100_000_000


class WheelSource:
    """One wheel. It is copied before it is looked at, so that what was verified is what is installed."""

    def __init__(self, wheel: Path, staging: Path, name: str = "wheel") -> None:
        self.name = name
        self._copy = staging / "given" / wheel.name
        self._copy.parent.mkdir(exist_ok=True)
        try:
            if wheel.stat().st_size > MAX_WHEEL:
                raise UserError(f"it is larger than {MAX_WHEEL // 1_000_000} MB", where=str(wheel), code="plugin-wheel")
            shutil.copyfile(wheel, self._copy)
            folder = unpack(self._copy, staging / f"look-{wheel.name}")
            manifest = _manifest(folder)
        except (UnpackError, ManifestError) as error:
            raise UserError(f"the wheel is refused: {error}", where=str(wheel), code="plugin-wheel") from None
        self.release = _release(self.name, manifest, str(self._copy), self._copy)

    def releases(self, name: str) -> list[Release]:
        return [self.release] if self.release.name == name else []

    def catalogue(self) -> list[Release]:
        return [self.release]

    def download(self, release: Release, into: Path, progress: Progress) -> Path:
        progress(release.length)
        return self._copy


def from_index(distribution: str, version_range: str, staging: Path) -> WheelSource:
    """Fetch a distribution from the package index that pip is set up for."""
    into = staging / f"pypi-{distribution}"
    only = ("--quiet", "--no-deps", "--only-binary", ":all:", "--dest", str(into))
    done = run_pip(["download", *only, f"{distribution}{version_range}"])
    wheels = list(into.glob("*.whl")) if into.is_dir() else []
    if done.returncode or len(wheels) != 1:
        said = [line.removeprefix("ERROR: ") for line in done.stderr.splitlines() if line.startswith("ERROR")]
        remedy = f"pip download {distribution}{version_range} shows more"
        raise UserError(f"{distribution} cannot be had: {said[-1] if said else 'no wheel of it'}", remedy=remedy, code="pypi")
    return WheelSource(wheels[0], staging, "pypi")


def package_folder(folder: Path) -> Path:
    """The package folder in a source tree: ``folder`` itself, or the one ``nself_plugin_…`` in it or in its ``src``."""
    if (folder / MANIFEST).is_file():
        return folder
    places = [path for base in (folder, folder / "src") if base.is_dir() for path in base.iterdir() if PACKAGE.match(path.name)]
    found = [path for path in places if (path / MANIFEST).is_file()]
    if len(found) != 1:
        raise UserError(
            f"there is no {MANIFEST} here",
            where=str(folder),
            remedy=f"name the folder that holds {MANIFEST}, or the one above it",
            code="plugin-folder",
        )
    return found[0]


class FolderSource:
    """A folder of the user's: it is linked, not copied, and each run takes it as it is."""

    name = "folder"

    def __init__(self, folder: Path) -> None:
        self.folder = package_folder(folder)
        try:
            manifest = _manifest(self.folder)
        except ManifestError as error:
            raise UserError(f"the folder is refused: {error}", where=str(folder), code="plugin-folder") from None
        self.release = _release(self.name, manifest, str(self.folder), None)

    def releases(self, name: str) -> list[Release]:
        return [self.release] if self.release.name == name else []

    def catalogue(self) -> list[Release]:
        return [self.release]

    def download(self, release: Release, into: Path, progress: Progress) -> Path:
        return self.folder


def _manifest(folder: Path) -> dict[str, Any]:
    manifest = read(str(folder / MANIFEST))
    check_whole(manifest)
    return manifest


def _release(registry: str, manifest: Mapping[str, Any], file: str, wheel: Path | None) -> Release:
    data = wheel.read_bytes() if wheel else b""
    return Release(
        registry=registry,
        publisher=manifest.get("publisher", ""),
        name=manifest["name"],
        version=manifest["version"],
        tier=manifest.get("tier", "free"),
        bundles=tuple(manifest.get("bundles", ())),
        summary=manifest["summary"],
        manifest=manifest,
        file=file,
        length=len(data),
        sha256=hashlib.sha256(data).hexdigest() if wheel else "",
    )
