"""The hash of every file of a plugin. It is taken before each import, so it reads with as few calls as it can."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping

from nself_core.plugins.signing import SIGNATURE

Files = Mapping[str, str]
"""Relative POSIX path to the SHA-256 of its bytes, in hexadecimal."""

_CACHE = "__pycache__"
#: What pip leaves beside the modules it installs, with the module's name.
_COMPILED = re.compile(r"(\w+)\.[a-z]+-?[0-9]+t?(\.opt-[12])?\.pyc\Z")


def hash_files(folder: str, *, compiled: bool = False) -> dict[str, str]:
    """The SHA-256 of every file below ``folder`` but ``signature.json`` at its top.

    ``ValueError`` for what cannot be vouched for: links, whose target could be anything, pipes and devices, and
    ``__pycache__``. ``compiled`` passes over a ``__pycache__`` with what pip makes of the modules beside it (nself
    never reads it); anything else in it is refused.
    """
    hashes: dict[str, str] = {}
    _walk(folder, "", hashes, compiled)
    hashes.pop(SIGNATURE, None)
    return hashes


def _walk(folder: str, prefix: str, hashes: dict[str, str], compiled: bool) -> None:
    with os.scandir(folder) as found:
        entries = sorted(found, key=lambda entry: entry.name)
    for entry in entries:
        name = prefix + entry.name
        if entry.is_file(follow_symlinks=False):
            hashes[name] = hashlib.sha256(_read(entry.path)).hexdigest()
        elif entry.is_symlink():
            kind = "folder" if entry.is_dir() else "file"
            raise ValueError(f"{name} is a link to a {kind}")
        elif not entry.is_dir(follow_symlinks=False):
            raise ValueError(f"{name} is neither a file nor a folder")
        elif entry.name != _CACHE:
            _walk(entry.path, f"{name}/", hashes, compiled)
        elif not compiled:
            raise ValueError(f"{name} holds compiled files, which nobody signed")
        else:
            _check_compiled(entry.path, name, {other.name for other in entries})


def _check_compiled(folder: str, name: str, beside: set[str]) -> None:
    with os.scandir(folder) as found:
        for entry in found:
            match = _COMPILED.match(entry.name)
            if match is None or f"{match[1]}.py" not in beside or not entry.is_file(follow_symlinks=False):
                raise ValueError(f"{name}/{entry.name} was compiled from nothing that is there")


def _read(path: str) -> bytes:
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        size = os.fstat(handle).st_size
        data = os.read(handle, size + 1)
        while len(data) < size or len(data) > size:  # a large file comes in pieces, a growing one has more
            more = os.read(handle, 1 << 20)
            if not more:
                break
            data += more
        return data
    finally:
        os.close(handle)


def total(files: Files) -> str:
    """One hash for a set of files."""
    lines = "".join(f"{digest}  {name}\n" for name, digest in sorted(files.items()))
    return f"sha256:{hashlib.sha256(lines.encode()).hexdigest()}"
