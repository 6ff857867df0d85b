"""Import built-in plugins of a release from the very bytes its signed list names.

Before a built-in's first import all its files are held against the list. Then one finder answers for ``builtin_plugins``: it
compiles what it has just hashed, and knows no file that is not listed. What ``pip`` compiled beside the source is never read;
as compiling all of it anew would double the time of a build, code is kept by the hash of its source in the user's own home,
readable and writable by nobody else: whoever can write there can also say whom to trust.
"""

from __future__ import annotations

import hashlib
import marshal
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock
from types import CodeType

from nself_core import paths
from nself_core.plugins.model import Found

PACKAGE = "builtin_plugins"
_ONCE = Lock()
_verified: set[str] = set()


def ready(found: Found) -> None:
    """Verify a built-in before its import; in a checkout there is nothing to verify. ``ImportError`` says what differs."""
    from nself_core import release

    if not release.is_release() or found.folder in _verified:
        return
    with _ONCE, _as_import_error():
        if not _verified:
            _install()
            release.verify_release()
        release.verify_release(found.folder)
        _verified.add(found.folder)


def guard(module: str) -> None:
    """For a process that runs a built-in's module: verify that plugin, and have no built-in imported but from verified bytes.

    What built-ins share is verified file by file as it is imported: an image holds only a part of it.
    """
    from nself_core import release

    if not release.is_release() or not module.startswith(f"{PACKAGE}."):
        return
    folder = release.SITE.joinpath(*module.split("."))
    while not (folder / "plugin.json").is_file() and folder != release.SITE:
        folder = folder.parent
    with _ONCE, _as_import_error():
        _install()
        if folder != release.SITE:
            release.verify_release(folder)


@contextmanager
def _as_import_error() -> Iterator[None]:
    from nself_core.signed_list import ListError

    try:
        yield
    except ListError as error:
        raise ImportError(f"{error}; install nself again from where you had it") from None


def _install() -> None:
    from nself_core import release
    from nself_core.plugins.loading import VerifyingFinder

    listed = release.signed_list()
    if listed is None or any(getattr(one, "package", None) == PACKAGE for one in sys.meta_path):
        return
    files, kept = listed.below(PACKAGE), paths.home() / "cache" / "code" / f"{sys.implementation.cache_tag}"
    finder = VerifyingFinder(PACKAGE, str(release.SITE / PACKAGE), files, lambda path, data: _compiled(kept, path, data))
    sys.meta_path.insert(0, finder)


def _compiled(kept: Path, path: str, data: bytes) -> CodeType:
    name = hashlib.sha256(path.encode() + b"\0" + data).hexdigest()
    place = os.path.join(kept, name)  # noqa: PTH118
    with suppress(OSError, ValueError, EOFError, TypeError):
        with open(place, "rb") as file:  # noqa: PTH123
            code = marshal.load(file)  # noqa: S302  see above: our own file, in the user's own home
        if isinstance(code, CodeType):
            return code
    code = compile(data, path, "exec", dont_inherit=True)
    with suppress(OSError):
        os.makedirs(kept, mode=0o700, exist_ok=True)  # noqa: PTH103
        temporary = f"{place}.{os.getpid()}"
        with open(temporary, "wb") as file:  # noqa: PTH123
            marshal.dump(code, file)
        os.replace(temporary, place)  # noqa: PTH105
    return code
