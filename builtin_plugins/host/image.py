"""The build context of the Host's image: nself's own packages, the enabled plugins' files as they were verified, requirements."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from hookspecs import Build, File, Mount, UserError

if TYPE_CHECKING:
    from hookspecs import InstalledPlugin, Project

CONTEXT = ".nself/host/image"
#: Where the image has the plugins, and where its containers find what they are told.
PLUGINS, TOLD = "/opt/nself/plugins", "/etc/nself/host.json"
#: Of nself itself, what the Host runs on.
_SOURCES = ("hookspecs", "nself_core", "builtin_plugins/__init__.py", "builtin_plugins/egress.py", "builtin_plugins/host")
#: Of nself's requirements, what the Host's process imports beside the extra ``host``.
_BASE = frozenset({"pluggy", "pydantic", "httpx", "cryptography", "packaging", "click"})
_SKIPPED = frozenset({"__pycache__"})
#: Beside a plugin's manifest; it lists the other files, and was looked at when they were verified.
_SIGNATURE = "signature.json"


def build(project: Project) -> Build:
    """How the image is built."""
    settings = project.settings
    args = {"BASE_IMAGE": str(settings["HOST_BASE_IMAGE"])}
    return Build(context=CONTEXT, args=args | ({"PIP_ARGS": str(settings["HOST_PIP_ARGS"])} if settings["HOST_PIP_ARGS"] else {}))


def told_mount(service: str) -> Mount:
    """The file a container is told by."""
    return Mount(kind="bind", source=f".nself/host/{service}.json", target=TOLD, read_only=True)


def files(plugins: list[InstalledPlugin]) -> Iterator[File]:
    """The context. ``UserError`` where a plugin's file is not the one that was verified."""
    here = Path(__file__).parent
    yield _file("Dockerfile", (here / "Dockerfile").read_bytes())
    yield _file("requirements.txt", "".join(f"{line}\n" for line in _requirements(plugins)).encode())
    root = here.parents[1]
    for name in _SOURCES:
        for path in _below(root / name):
            yield _file(f"nself/{path.relative_to(root)}", path.read_bytes())
    for plugin in plugins:
        folder = Path(plugin.folder)
        for path in _files_of(folder):
            content, inner = path.read_bytes(), path.relative_to(folder).as_posix()
            if plugin.files is not None and plugin.files.get(inner) != hashlib.sha256(content).hexdigest():
                raise UserError(
                    f"{inner} of plugin {plugin.name} is not the file that was verified", where=str(path),
                    remedy=f"nself plugin verify {plugin.name}", code="plugin-modified",
                )  # fmt: skip
            yield _file(f"plugins/{plugin.name}/{inner}", content)


def pinned(plugin: InstalledPlugin) -> InstalledPlugin:
    """The plugin as it is in the image: a folder under development is held to the bytes that were copied."""
    files = plugin.files
    if files is None:
        folder = Path(plugin.folder)
        files = {p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in _files_of(folder)}
    return plugin.model_copy(update={"folder": f"{PLUGINS}/{plugin.name}", "files": files})


def _file(path: str, content: bytes) -> File:
    return File(path=f"{CONTEXT}/{path}", content=content, header="")


def _below(place: Path) -> Iterator[Path]:
    if place.is_file():
        yield place
        return
    for path in sorted(place.rglob("*")):
        if path.is_file() and not _SKIPPED & set(path.relative_to(place).parts):
            yield path


def _files_of(plugin: Path) -> Iterator[Path]:
    return (path for path in _below(plugin) if path != plugin / _SIGNATURE)


def _requirements(plugins: list[InstalledPlugin]) -> list[str]:
    """What nself and the plugins ask of other people's packages, sorted; pip finds versions that suit them all."""
    from importlib.metadata import requires

    from packaging.requirements import Requirement

    found: set[str] = set()
    for text in requires("nself") or ():
        one = Requirement(text)
        if one.marker is not None and "extra" in str(one.marker):
            wanted = one.marker.evaluate({"extra": "host"}) and not one.marker.evaluate({"extra": ""})
        else:
            wanted = one.name in _BASE
        if wanted:
            found.add(f"{one.name}{f'[{chr(44).join(sorted(one.extras))}]' if one.extras else ''}{one.specifier}")
    for plugin in plugins:
        found |= set() if plugin.manifest.own_environment else set(plugin.manifest.requires)
    return sorted(found)
