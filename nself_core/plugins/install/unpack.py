"""Take a plugin's package out of a wheel that may have been made to do harm.

A wheel is a zip archive (https://packaging.python.org/specifications/binary-distribution-format/). Only the one package
``nself_plugin_<name>`` is taken; a wheel that brings anything else beside its metadata is refused, for it would be code that
nobody signed.
"""

from __future__ import annotations

import re
import stat
import unicodedata
import zipfile
from collections.abc import Iterator
from pathlib import Path

from nself_core.plugins.manifest import MANIFEST

MAX_FILES = 5_000
MAX_SIZE = 200_000_000
"""Bytes of all files together, unpacked."""
MAX_RATIO = 200
"""Unpacked to packed size of a file larger than ``RATIO_FROM``; text of source code stays below 20."""
RATIO_FROM = 1_000_000
PACKAGE = re.compile(r"nself_plugin_[a-z0-9_]+\Z")
_PIECE = 1 << 16


class UnpackError(Exception):
    """A wheel that is not taken, with the reason in words for the user."""


def unpack(wheel: Path, into: Path) -> Path:
    """Unpack the plugin's package below ``into`` and return its folder; what an ``UnpackError`` leaves there is the caller's."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            package, members = _checked(archive)
            left = MAX_SIZE
            for member in members:
                left -= _extract(archive, member, into, left)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError, OSError) as error:
        raise UnpackError(f"it is no sound wheel: {error}") from None
    except Exception as error:  # zlib.error and its like are no subclass of the above
        if type(error).__module__ not in {"zlib", "lzma", "bz2", "builtins"}:
            raise
        raise UnpackError(f"it is no sound wheel: {error}") from None
    return into / package


def _checked(archive: zipfile.ZipFile) -> tuple[str, list[zipfile.ZipInfo]]:
    members = archive.infolist()
    if len(members) > MAX_FILES:
        raise UnpackError(f"it holds {len(members)} files; no plugin needs more than {MAX_FILES}")
    seen: set[str] = set()
    tops: set[str] = set()
    taken = []
    for member in members:
        _check_member(member)
        folded = unicodedata.normalize("NFC", member.filename).casefold().rstrip("/")
        if folded in seen:
            raise UnpackError(f"it holds {member.filename!r} twice")
        seen.add(folded)
        top = member.filename.partition("/")[0]
        if top.endswith(".dist-info"):
            continue
        tops.add(top)
        if not member.is_dir():
            taken.append(member)
    if sum(member.file_size for member in taken) > MAX_SIZE:
        raise UnpackError(f"it unpacks to more than {MAX_SIZE // 1_000_000} MB")
    packages = [top for top in tops if PACKAGE.match(top)]
    if len(tops) != 1 or not packages:
        others = ", ".join(sorted(top for top in tops if not PACKAGE.match(top))[:3])
        raise UnpackError(f"it must hold one package nself_plugin_… and nothing else{f', and brings {others}' if others else ''}")
    if f"{packages[0]}/{MANIFEST}" not in {member.filename for member in taken}:
        raise UnpackError(f"it holds no {packages[0]}/{MANIFEST}")
    return packages[0], taken


def _check_member(member: zipfile.ZipInfo) -> None:
    name = member.filename
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind == stat.S_IFLNK:
        raise UnpackError(f"it holds a link: {name!r}")
    if kind not in {0, stat.S_IFREG, stat.S_IFDIR}:
        raise UnpackError(f"it holds something that is neither a file nor a folder: {name!r}")
    if member.flag_bits & 0x1:
        raise UnpackError(f"it holds an encrypted file: {name!r}")
    parts = name.rstrip("/").split("/")
    if any(part in {"", ".", ".."} for part in parts) or re.search(r"[\x00-\x1f\x7f\\:]", name):
        raise UnpackError(f"it holds a file that would land elsewhere: {name!r}")
    if member.file_size > RATIO_FROM and member.file_size > MAX_RATIO * max(member.compress_size, 1):
        raise UnpackError(f"{name!r} grows more than {MAX_RATIO} times when unpacked")


def _extract(archive: zipfile.ZipFile, member: zipfile.ZipInfo, into: Path, left: int) -> int:
    """Write one file and return its size, counted as it comes: the sizes an archive tells of itself may be lies."""
    target = into.joinpath(*member.filename.split("/"))
    target.parent.mkdir(parents=True, exist_ok=True)
    size = 0
    allowed = min(left, max(RATIO_FROM, MAX_RATIO * max(member.compress_size, 1)))
    with archive.open(member) as packed, target.open("xb") as file:
        for piece in _pieces(packed):
            size += len(piece)
            if size > allowed:
                raise UnpackError(f"{member.filename!r} unpacks to more than it says")
            file.write(piece)
    target.chmod(0o644)
    return size


def _pieces(file: object) -> Iterator[bytes]:
    while piece := file.read(_PIECE):  # type: ignore[attr-defined]
        yield piece
