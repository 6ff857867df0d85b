"""The hash of every file of a plugin. It is taken before each import, so it reads with as few calls as it can."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from hashlib import sha256
from typing import NamedTuple

from nself_core.plugins.manifest import MANIFEST
from nself_core.plugins.signing import SIGNATURE

Files = Mapping[str, str]
"""Relative POSIX path to the SHA-256 of its bytes, in hexadecimal."""

_CACHE = "__pycache__"
_KEPT = frozenset({MANIFEST, SIGNATURE})
#: What pip leaves beside the modules it installs, with the module's name.
_COMPILED = re.compile(r"(\w+)\.[a-z]+-?[0-9]+t?(\.opt-[12])?\.pyc\Z")
_PIECE = 1 << 16
_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


class Scan(NamedTuple):
    """A plugin's files as they were read, each once."""

    files: dict[str, str]
    """Hashes of every file but ``signature.json`` at the top."""
    kept: dict[str, bytes]
    """The bytes of ``plugin.json`` and ``signature.json`` at the top, where they are there."""


def hash_files(folder: str, *, compiled: bool = False) -> dict[str, str]:
    """The hashes of ``scan`` alone."""
    return scan(folder, compiled=compiled).files


def scan(folder: str, *, compiled: bool = False) -> Scan:
    """Read and hash every file below ``folder``.

    ``ValueError`` for what cannot be vouched for: links, whose target could be anything, pipes and devices, and
    ``__pycache__``. ``compiled`` passes over a ``__pycache__`` with what pip makes of the modules beside it (nself
    never reads it); anything else in it is refused.
    """
    made = Scan({}, {})
    _walk(folder, "", made, compiled)
    made.files.pop(SIGNATURE, None)
    return made


def _walk(folder: str, prefix: str, made: Scan, compiled: bool) -> None:
    with os.scandir(folder) as found:
        entries = list(found)
    for entry in entries:
        name = prefix + entry.name
        if entry.is_file(follow_symlinks=False):
            data = read_file(entry.path)
            made.files[name] = sha256(data).hexdigest()
            if name in _KEPT:
                made.kept[name] = data
        elif entry.is_symlink():
            kind = "folder" if entry.is_dir() else "file"
            raise ValueError(f"{name} is a link to a {kind}")
        elif not entry.is_dir(follow_symlinks=False):
            raise ValueError(f"{name} is neither a file nor a folder")
        elif entry.name != _CACHE:
            _walk(entry.path, f"{name}/", made, compiled)
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


def read_file(path: str) -> bytes:
    """The bytes of a file that is no link."""
    handle = os.open(path, _FLAGS)
    try:
        data = os.read(handle, _PIECE)
        if len(data) == _PIECE:  # a file is read short only at its end
            pieces = [data]
            while more := os.read(handle, _PIECE):
                pieces.append(more)
            data = b"".join(pieces)
        return data
    finally:
        os.close(handle)


def total(files: Files) -> str:
    """One hash for a set of files."""
    lines = "".join(f"{digest}  {name}\n" for name, digest in sorted(files.items()))
    return f"sha256:{sha256(lines.encode()).hexdigest()}"
