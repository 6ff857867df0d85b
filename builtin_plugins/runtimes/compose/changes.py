"""What Compose does not see: that mounted configuration changed, or the sources an image is built from."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from hookspecs import Service

_FILE = "seen.json"


class Seen:
    """The digests of each service's read-only mounts and build sources, as they were at its last start or build."""

    def __init__(self, root: Path, place: Path) -> None:
        self._root = root
        self._path = place / "compose" / _FILE
        try:
            self._known: dict[str, dict[str, str]] = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            self._known = {}

    def built_from(self, service: Service) -> bool:
        """Whether the image was last built from the sources of now."""
        return self._known.get("build", {}).get(service.name) == sources_digest(self._root, service)

    def mounted(self, service: Service) -> bool:
        """Whether the mounts are what they were at the last start; a service never started counts as unchanged."""
        return self._known.get("mounts", {}).get(service.name, "") in {"", mounts_digest(self._root, service)}

    def remember(self, *, mounts: Iterable[Service] = (), build: Iterable[Service] = ()) -> None:
        """Take the digests of now."""
        for kind, services, digest in (("mounts", mounts, mounts_digest), ("build", build, sources_digest)):
            found = self._known.setdefault(kind, {})
            found |= {service.name: made for service in services if (made := digest(self._root, service))}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._path.with_suffix(".new")
        fresh.write_text(json.dumps(self._known, sort_keys=True), encoding="utf-8")
        fresh.replace(self._path)


def mounts_digest(root: Path, service: Service) -> str:
    """A hash over the files that a service mounts read-only from the project; empty where it mounts none."""
    paths = [root / m.source for m in service.mounts if m.kind == "bind" and m.read_only and not m.source.startswith("/")]
    files = [file for path in sorted(paths) for file in ([path] if path.is_file() else _files(path, frozenset()))]
    return _digest(root, files) if paths else ""


def sources_digest(root: Path, service: Service) -> str:
    """A hash over what an image is built from, less the names that its ``.dockerignore`` leaves out."""
    if service.build is None:
        return ""
    context = root / service.build.context
    try:
        lines = (context / ".dockerignore").read_text(encoding="utf-8").split()
    except OSError:
        lines = []
    plain = frozenset(line.strip("/") for line in lines if not set(line) & set("*!?[#"))
    return _digest(root, _files(context, plain), service.build.model_dump_json())


def _files(folder: Path, left_out: frozenset[str]) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(set(folders) - left_out)
        yield from (Path(place, name) for name in sorted(names) if name not in left_out)


def _digest(root: Path, files: Iterable[Path], more: str = "") -> str:
    digest = hashlib.sha256(more.encode())
    for file in files:
        if file.is_file():
            digest.update(str(file.relative_to(root)).encode() + b"\0" + hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()
