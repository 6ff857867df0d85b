"""Finding the programs that services run, and bringing them within reach of the user they run as."""

from __future__ import annotations

import os
import shutil
import tempfile
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from builtin_plugins.runtimes.native.layout import ROOT_BASE, User

if TYPE_CHECKING:
    from hookspecs import NativeProgram, Service


def load(reference: str) -> Any:
    """What ``"package.module:name"`` names."""
    module, _, name = reference.partition(":")
    return getattr(import_module(module), name)


def find(program: NativeProgram) -> str | None:
    """The absolute path: what ``locate`` says (it need not stand there before ``prepare``), else the first on PATH."""
    if program.locate:
        found = load(program.locate)()
        if found:
            return str(found)
    for name in program.names:
        on_path = shutil.which(name)
        if on_path:
            return str(Path(on_path).absolute())
    return None


def missing(service: Service) -> str:
    """Why a service cannot run on this machine, with the remedy; empty where it can."""
    if service.native is None:
        return service.no_native or "it has no native form"
    lacking = [program for program in service.native.programs if find(program) is None]
    if not lacking:
        return ""
    names = ", ".join(dict.fromkeys(program.name for program in lacking))
    remedies = "; ".join(dict.fromkeys(program.install for program in lacking if program.install))
    return f"{names} not found" + (f": {remedies}" if remedies else "")


def reachable(path: Path, user: User) -> bool:
    """Whether ``user`` may cross every folder down to ``path`` and read (and if it is a program, run) it."""
    real = path.resolve()
    spots = {*path.absolute().parents, *real.parents}
    return all(_may(spot, user, 0o1) for spot in spots) and _may(real, user, 0o5 if os.access(real, os.X_OK) else 0o4)


def _may(path: Path, user: User, bits: int) -> bool:
    try:
        found = path.stat()
    except OSError:
        return False
    shift = 6 if found.st_uid == user.uid else 3 if found.st_gid == user.gid else 0
    return (found.st_mode >> shift) & bits == bits


def within_reach(path: str, user: User) -> str | None:
    """A path of the same program that ``user`` can run; ``None`` where there is none.

    A program of one file is copied below ``/var/lib/nself/programs``. An interpreter or a script is more than its file, so
    what needs one keeps root where the user cannot reach it.
    """
    source = Path(path)
    if not source.exists() or reachable(source, user):
        return path
    if _is_script(source) or source.name.startswith(("python", "node")):
        return None
    found = source.stat()
    folder = ROOT_BASE / "programs" / f"{source.name}-{found.st_size:x}-{found.st_mtime_ns:x}"
    target = folder / source.name
    if not target.exists():
        folder.mkdir(parents=True, exist_ok=True, mode=0o755)
        handle, staged = tempfile.mkstemp(dir=folder)
        os.close(handle)
        shutil.copyfile(source, staged)
        Path(staged).chmod(0o755)
        Path(staged).replace(target)
    return str(target)


def _is_script(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"#!"
