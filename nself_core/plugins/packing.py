"""Make the wheel of a plugin from its source folder, without pip: equal sources give equal bytes.

The form is the one of https://packaging.python.org/specifications/binary-distribution-format/: the package folder, the
manifest at its top, and beside it what describes the distribution, taken from ``pyproject.toml``.
"""

from __future__ import annotations

import base64
import hashlib
import re
import shutil
import tomllib
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hookspecs.errors import UserError
from nself_core.plugins.manifest import MANIFEST, ManifestError, read

GROUP = "nself.plugins"
#: The earliest date a ZIP file can hold: the same for every file of every build.
EPOCH = (1980, 1, 1, 0, 0, 0)
_LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.pyc", ".*", "node_modules")


def package_folder(source: Path) -> Path:
    """The folder of ``plugin.json`` in a source folder: by its entry point, or the folder itself."""
    if (source / MANIFEST).is_file():
        return source
    points = _project(source).get("entry-points", {}).get(GROUP, {})
    for module in points.values():
        for base in (source, source / "src"):
            if (base / str(module) / MANIFEST).is_file():
                return base / str(module)
    raise UserError(
        f"there is no plugin in {source}", where=str(source),
        remedy=f"a plugin has {MANIFEST} in the package that its entry point in the group {GROUP} names", code="plugin-source",
    )  # fmt: skip


def pack(source: Path, into: Path, finish: Callable[[Path], None] | None = None) -> Path:
    """Write the wheel of the plugin in ``source`` into a folder and return its path.

    ``finish`` is given a copy of the package folder before it is packed, to sign it; the source is never written to.
    ``UserError`` where the folder holds no plugin, or its ``pyproject.toml`` and its manifest disagree.
    """
    package = package_folder(source)
    try:
        manifest = read(str(package / MANIFEST))
    except ManifestError as error:
        raise UserError(f"its manifest cannot be used: {error}", where=str(package), code="plugin-manifest") from None
    project = _project(source)
    name, module = str(manifest["name"]), package.name
    if package == source:
        module = f"nself_plugin_{name.replace('-', '_')}"
    distribution = str(project.get("name", f"nself-plugin-{name}"))
    version = _version(manifest, project, source)
    with TemporaryDirectory(prefix="nself-pack-") as scratch:
        copy = Path(scratch) / module
        _check_links(package)
        shutil.copytree(package, copy, ignore=_LEFT_OUT)
        if finish is not None:
            finish(copy)
        files = {f"{module}/{file.relative_to(copy).as_posix()}": file.read_bytes() for file in _files(copy)}
    stem = f"{_escaped(distribution)}-{version}"
    files |= _info(f"{stem}.dist-info", distribution, version, name, module, manifest, project)
    into.mkdir(parents=True, exist_ok=True)
    wheel = into / f"{stem}-py3-none-any.whl"
    write_wheel(wheel, files, f"{stem}.dist-info/RECORD")
    return wheel


def _project(source: Path) -> Mapping[str, Any]:
    place = source / "pyproject.toml"
    try:
        found = tomllib.loads(place.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise UserError(f"pyproject.toml cannot be read: {error}", where=str(place), code="plugin-source") from None
    project = found.get("project", {})
    return project if isinstance(project, dict) else {}


def _version(manifest: Mapping[str, Any], project: Mapping[str, Any], source: Path) -> str:
    from packaging.version import InvalidVersion, Version

    try:
        version = str(Version(str(manifest["version"])))
        stated = str(Version(str(project.get("version", manifest["version"]))))
    except InvalidVersion as error:
        raise UserError(f"{error}", where=str(source), remedy="use a version as PEP 440 has it", code="plugin-source") from None
    if version != stated:
        raise UserError(
            f"{MANIFEST} says version {manifest['version']} and pyproject.toml {project['version']}",
            where=str(source), remedy="make them equal", code="plugin-source",
        )  # fmt: skip
    return version


def _check_links(package: Path) -> None:
    for place in package.rglob("*"):
        if place.is_symlink():
            raise UserError(
                f"{place.relative_to(package)} is a link, which a wheel cannot hold", where=str(package), code="plugin-source"
            )


def _files(folder: Path) -> Iterator[Path]:
    return (place for place in sorted(folder.rglob("*")) if place.is_file())


def _info(
    info: str, distribution: str, version: str, name: str, module: str, manifest: Mapping[str, Any], project: Mapping[str, Any]
) -> dict[str, bytes]:
    metadata = [
        "Metadata-Version: 2.1",
        f"Name: {distribution}",
        f"Version: {version}",
        f"Summary: {' '.join(str(project.get('description', manifest['summary'])).split())}",
        f"Requires-Python: {project.get('requires-python', '>=3.11')}",
        *(f"Requires-Dist: {requirement}" for requirement in project.get("dependencies", ())),
    ]
    wheel = ["Wheel-Version: 1.0", "Generator: nself", "Root-Is-Purelib: true", "Tag: py3-none-any"]
    points = [f"[{GROUP}]", f"{name} = {module}"]
    texts = {"METADATA": metadata, "WHEEL": wheel, "entry_points.txt": points}
    return {f"{info}/{file}": ("\n".join(lines) + "\n").encode() for file, lines in texts.items()}


def write_wheel(wheel: Path, files: Mapping[str, bytes], record: str) -> None:
    """Write a wheel of these files; ``record`` is the path of its RECORD, which is made here."""
    lines = [f"{path},sha256={_digest(data)},{len(data)}" for path, data in sorted(files.items())]
    content = {**dict(sorted(files.items())), record: ("\n".join([*lines, f"{record},,"]) + "\n").encode()}
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, data in content.items():
            entry = zipfile.ZipInfo(path, EPOCH)
            entry.external_attr = 0o100644 << 16
            entry.create_system = 3  # Unix, whatever builds it
            archive.writestr(entry, data, zipfile.ZIP_DEFLATED, 9)


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def _escaped(distribution: str) -> str:
    return re.sub(r"[-_.]+", "_", distribution).lower()
