"""The files of a data volume as a tar."""

from __future__ import annotations

import os
import shutil
import sys
import tarfile
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from builtin_plugins.runtimes.native.layout import User


def read(folder: Path, into: IO[bytes]) -> None:
    """Write the tar; a volume that was never made is an empty one."""
    with tarfile.open(fileobj=into, mode="w|") as tar:
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            tar.add(path, arcname=path.name)


def write(folder: Path, source: IO[bytes], user: User | None) -> None:
    """Replace the folder's content, owned by ``user``. What is there already goes only once the new files are whole."""
    fresh = folder.with_name(f".{folder.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True, mode=0o700)
    with with_filters().open(fileobj=source, mode="r|") as tar:
        tar.extractall(fresh, filter="data")
    if user is not None:
        for path in (fresh, *fresh.rglob("*")):
            os.chown(path, user.uid, user.gid, follow_symlinks=False)
    shutil.rmtree(folder, ignore_errors=True)
    fresh.replace(folder)


def with_filters() -> Any:
    """The ``tarfile`` whose filters keep members inside the folder: Python before 3.11.4 has none."""
    if sys.version_info >= (3, 11, 4):
        return tarfile
    from backports import tarfile as newer

    return newer
