"""Small plugins as signed wheels, and a folder of wheels as a source of them."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from nself_core.plugins.signing import SigningKey, sign
from nself_core.plugins.sources.model import Progress, Release

ACME = SigningKey("acme", bytes(31) + b"a")
MALLORY = SigningKey("mallory", bytes(31) + b"m")

HOOK = """from hookspecs import hookimpl
from .words import WORD


@hookimpl
def pre_deploy(project, target, stack):
    from hookspecs import Finding

    yield Finding(level="note", message=WORD)
"""


def package(into: Path, name: str, version: str = "1.0.0", *, key: SigningKey | None = ACME, **manifest: Any) -> Path:
    """A plugin's package folder, signed with ``key`` where there is one."""
    folder = into / f"nself_plugin_{name.replace('-', '_')}"
    folder.mkdir(parents=True)
    publisher = {"publisher": key.publisher} if key else {}
    content = {
        "name": name, "version": version, "summary": f"{name} does something.", "hooks": ["pre_deploy"], **publisher, **manifest,
    }  # fmt: skip
    (folder / "plugin.json").write_text(json.dumps(content, indent=2))
    (folder / "__init__.py").write_text(HOOK)
    (folder / "words.py").write_text(f'WORD = "{name} {version}"\n')
    if key is not None:
        sign(folder, key)
    return folder


def pack(folder: Path, into: Path, version: str = "1.0.0", *, change: Callable[[dict[str, bytes]], None] | None = None) -> Path:
    """A wheel of a package folder. ``change`` may tamper with its files (path → bytes) once they are signed."""
    into.mkdir(parents=True, exist_ok=True)
    files = {
        f"{folder.name}/{path.relative_to(folder).as_posix()}": path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }
    info = f"{folder.name}-{version}.dist-info"
    name = folder.name.replace("_", "-")
    files[f"{info}/METADATA"] = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode()
    files[f"{info}/WHEEL"] = b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    files[f"{info}/entry_points.txt"] = f"[nself.plugins]\n{name.removeprefix('nself-plugin-')} = {folder.name}\n".encode()
    if change is not None:
        change(files)
    files[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"]).encode()
    wheel = into / f"{folder.name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in files.items():
            archive.writestr(path, data)
    return wheel


def wheel(into: Path, name: str, version: str = "1.0.0", *, key: SigningKey | None = ACME, **manifest: Any) -> Path:
    """A plugin as a signed wheel in a folder."""
    change = manifest.pop("change", None)
    return pack(package(into / f".{name}-{version}", name, version, key=key, **manifest), into, version, change=change)


class WheelFolder:
    """A source of plugins: every wheel in a folder. It vouches for length and hash, as a registry does."""

    name = "folder-of-wheels"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.marks: dict[str, Mapping[str, Any]] = {}
        """File name → fields of its ``Release`` to set."""
        self.downloads: list[str] = []

    def releases(self, name: str) -> list[Release]:
        return [one for one in self.all() if one.name == name]

    def catalogue(self) -> list[Release]:
        newest = {
            one.full_name: one for one in sorted(self.all(), key=lambda one: one.version) if not one.revoked and not one.yanked
        }
        return list(newest.values())

    def all(self) -> list[Release]:
        return [self._release(path) for path in sorted(self.folder.glob("*.whl"))]

    def download(self, release: Release, into: Path, progress: Progress) -> Path:
        data = (self.folder / release.file).read_bytes()
        assert hashlib.sha256(data).hexdigest() == release.sha256
        self.downloads.append(release.file)
        progress(len(data))
        place = into / release.file
        place.write_bytes(data)
        return place

    def _release(self, path: Path) -> Release:
        with zipfile.ZipFile(path) as archive:
            inner = next(name for name in archive.namelist() if name.endswith("/plugin.json"))
            manifest = json.loads(archive.read(inner))
        data = path.read_bytes()
        fields: dict[str, Any] = {
            "registry": self.name, "publisher": manifest.get("publisher", ""), "name": manifest["name"],
            "version": manifest["version"], "tier": manifest.get("tier", "free"), "bundles": tuple(manifest.get("bundles", ())),
            "summary": manifest["summary"], "manifest": manifest, "file": path.name, "length": len(data),
            "sha256": hashlib.sha256(data).hexdigest(), **self.marks.get(path.name, {}),
        }  # fmt: skip
        return Release(**fields)
