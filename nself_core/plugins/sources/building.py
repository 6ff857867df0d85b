"""Build the repository's own registry, the embedded one, from ``registry/plugins/*``: signed wheels and their catalogue.

The release build puts the result into the wheel, signed with the release key. In a checkout it is built on demand below
nself's home, signed with a key made there, and built anew when a source changed. Neither needs pip.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hookspecs.errors import UserError
from nself_core.plugins import packing
from nself_core.plugins.hashing import hash_files, total
from nself_core.plugins.manifest import MANIFEST, read
from nself_core.plugins.signing import SignatureError, SigningKey, sign

CATALOGUE = "catalogue.json"
LEVELS = "levels.json"


def build(registry: Path, into: Path, key: SigningKey) -> list[str]:
    """Write the wheels of ``registry/plugins/*``, signed by ``key``, and ``catalogue.json`` into an empty folder.

    Returns the names of the plugins. The level of each is the one that ``registry/levels.json`` records for these very
    files, else 0. ``UserError`` where a source is no plugin or names another publisher than the key's.
    """
    into.mkdir(parents=True, exist_ok=True)
    levels = _levels(registry / LEVELS)
    entries = [_entry(source, into, key, levels) for source in sources(registry)]
    names = [str(entry["manifest"]["name"]) for entry in entries]
    for name in {name for name in names if names.count(name) > 1}:
        raise UserError(f"two folders below {registry / 'plugins'} hold a plugin {name}", code="plugin-source")
    catalogue = {"format": 1, "releases": entries}
    text = json.dumps(catalogue, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    (into / CATALOGUE).write_text(text, encoding="utf-8")
    return names


def sources(registry: Path) -> list[Path]:
    """The source folders of the registry's plugins, by name."""
    place = registry / "plugins"
    if not place.is_dir():
        return []
    return [folder for folder in sorted(place.iterdir()) if folder.is_dir() and not folder.name.startswith((".", "_"))]


def stamp(registry: Path) -> str:
    """Changes whenever a source file or what builds it may have changed: by times and sizes, so that asking costs little."""
    digest = hashlib.sha256()
    ours = [Path(packing.__file__), Path(__file__), registry / LEVELS]
    for path in [*ours, *_files(registry / "plugins")]:
        if path.exists():
            status = path.stat()
            digest.update(f"{path}\0{status.st_mtime_ns}\0{status.st_size}\n".encode())
    return digest.hexdigest()[:24]


def _entry(source: Path, into: Path, key: SigningKey, levels: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    hashes: dict[str, str] = {}

    def finish(copy: Path) -> None:
        try:
            sign(copy, key)
        except SignatureError as error:
            raise UserError(str(error), where=str(source), code="plugin-source") from None
        hashes.update(hash_files(str(copy)))

    wheel = packing.pack(source, into, finish)
    manifest = read(str(packing.package_folder(source) / MANIFEST))
    data = wheel.read_bytes()
    recorded = levels.get(manifest["name"], {})
    return {
        "publisher": key.publisher,
        "manifest": manifest,
        "file": wheel.name,
        "length": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "key": key.id,
        "level": int(recorded["level"]) if recorded.get("hash") == total(hashes) else 0,
        "yanked": "",
    }


def _levels(place: Path) -> dict[str, dict[str, Any]]:
    try:
        found = json.loads(place.read_bytes())
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise UserError(f"the record of levels is no JSON: {error}", where=str(place)) from None
    return {str(name): dict(one) for name, one in found.get("plugins", {}).items()}


def _files(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name != "__pycache__")
        yield from (Path(place) / name for name in sorted(names))


def build_for_checkout(registry: Path, home: Path) -> Path:
    """The embedded registry of a source checkout: built below ``home`` where it is not there yet; returns its folder."""
    from filelock import FileLock

    from nself_core.plugins.keys import keygen, load_key
    from nself_core.plugins.publishers import OURS
    from nself_core.signed_list import hash_tree, write

    place = home / "cache" / "embedded"
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    wanted = place / stamp(registry)
    with FileLock(place / "lock"):
        key = load_key(home, OURS) if (home / "keys" / f"{OURS}.pem").exists() else keygen(home, OURS)
        mine = wanted.with_name(f"{wanted.name}-{key.id[:8]}")
        if mine.is_dir():
            return mine
        scratch = place / ".new"
        shutil.rmtree(scratch, ignore_errors=True)
        build(registry, scratch, key)
        write(scratch / "files.json", hash_tree(scratch, [one.name for one in scratch.iterdir()]), key)
        scratch.replace(mine)
        for old in place.iterdir():
            if old.is_dir() and old != mine:
                shutil.rmtree(old, ignore_errors=True)
        return mine
