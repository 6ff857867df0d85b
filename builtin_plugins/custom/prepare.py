"""What the native form needs before it runs: dependencies installed, source built. Harmless when repeated.

What was done is remembered by a stamp over what it came from, so that the next start does nothing.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from builtin_plugins.custom.native import environment_volume

if TYPE_CHECKING:
    from hookspecs.models.runtime import NativeContext

#: Go packages of a Debian machine, used where modules cannot be fetched.
DEBIAN_GO = Path("/usr/share/gocode")


def python(ctx: NativeContext) -> None:
    """A virtual environment of the service's own, with what its ``requirements.txt`` names."""
    folder, volume = _source(ctx), _volume(ctx)
    requirements = folder / "requirements.txt"
    venv = volume / "venv"

    def make() -> None:
        if find_spec("pip") is not None:  # nself's own pip saves unpacking another
            ctx.run([sys.executable, "-m", "venv", "--clear", "--without-pip", str(venv)])
            pip = [sys.executable, "-m", "pip", "--python", str(venv / "bin" / "python")]
        else:
            ctx.run([sys.executable, "-m", "venv", "--clear", str(venv)])
            pip = [str(venv / "bin" / "python"), "-m", "pip"]
        if requirements.exists():
            ctx.run([*pip, "install", "--quiet", "--no-input", "--disable-pip-version-check", "-r", str(requirements)])

    _once(volume / "venv.stamp", [requirements], make, f"{sys.version} {sys.prefix}", venv / "bin" / "python")


def node(ctx: NativeContext) -> None:
    """The service's ``node_modules``, from its lock file where it has one."""
    folder = _source(ctx)
    lock = folder / "package-lock.json"
    words = ["ci"] if lock.exists() else ["install"]
    install = [ctx.program("npm"), "--prefix", str(folder), *words, "--no-audit", "--no-fund", "--loglevel=error"]

    def make() -> None:
        ctx.run(_in(folder, install), env=_with_node(ctx))

    _once(_volume(ctx) / "modules.stamp", [folder / "package.json", lock], make, str(folder), folder / "node_modules")


def node_compiled(ctx: NativeContext) -> None:
    """``node_modules``, and the program that ``npm run build`` makes of the source."""
    node(ctx)
    folder = _source(ctx)
    ctx.run(_in(folder, [ctx.program("npm"), "run", "--silent", "build"]), env=_with_node(ctx))


def go(ctx: NativeContext) -> None:
    """The program, built into the service's volume whenever a file of the folder changed."""
    folder, volume = _source(ctx), _volume(ctx)
    inputs = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "go.sum")
    program = volume / "bin" / "service"
    _once(volume / "build.stamp", inputs, lambda: _build_go(ctx, folder, volume, program), ctx.program("go"), program)


def _build_go(ctx: NativeContext, folder: Path, volume: Path, program: Path) -> None:
    from hookspecs.errors import UserError

    build = [ctx.program("go"), "build", "-o", str(program), "."]
    home = {"GOPATH": str(volume / "go"), "GOCACHE": str(volume / "cache"), "GOFLAGS": "-modcacherw", "CGO_ENABLED": "0"}
    try:
        if not (folder / "go.sum").exists():
            ctx.run(_in(folder, [ctx.program("go"), "mod", "tidy"]), env={**ctx.env, **home})
        ctx.run(_in(folder, build), env={**ctx.env, **home})
    except UserError:
        if not DEBIAN_GO.is_dir() or _too_old(folder):
            raise
        # No module can be fetched, but the machine has Go packages of its distribution: build with those.
        packages = {"GO111MODULE": "off", "GOPATH": f"{home['GOPATH']}:{DEBIAN_GO}", "GOFLAGS": ""}
        ctx.run(_in(folder, build), env={**ctx.env, **home, **packages})


def _too_old(folder: Path) -> bool:
    """Whether the distribution's protobuf (before 1.4) would compile what protoc made, and panic when it is called."""
    old = DEBIAN_GO / "src/github.com/golang/protobuf/proto/table_unmarshal.go"
    return old.exists() and any(folder.glob("*.pb.go"))


def _once(stamp: Path, inputs: Iterable[Path], make: Callable[[], None], more: str, result: Path) -> None:
    """Call ``make`` unless the stamp says it was done for these very inputs and its result is still there."""
    digest = hashlib.sha256(more.encode())
    for path in inputs:
        digest.update(path.read_bytes() if path.exists() else b"-")
    seen = digest.hexdigest()
    if result.exists() and stamp.exists() and stamp.read_text(encoding="utf-8") == seen:
        return
    stamp.unlink(missing_ok=True)
    make()
    stamp.write_text(seen, encoding="utf-8")


def _source(ctx: NativeContext) -> Path:
    """The service's own folder in the project."""
    from hookspecs.errors import UserError
    from hookspecs.models.values import Place

    spec = ctx.stack.find(ctx.service)
    place = spec.native.cwd if spec is not None and spec.native is not None else None
    if not isinstance(place, Place):
        raise TypeError(f"{ctx.service} has no folder of its own")
    folder = ctx.project.root / place.name
    if not folder.is_dir():
        raise UserError(f"there is no folder {place.name}", where=ctx.service, remedy="nself build makes it from the template")
    return folder


def _volume(ctx: NativeContext) -> Path:
    return ctx.place("volume", environment_volume(ctx.service))


def _in(folder: Path, argv: list[str]) -> list[str]:
    """The same command, run in a folder (``ctx.run`` has none of its own)."""
    return ["sh", "-c", 'cd "$1" && shift && exec "$@"', "sh", str(folder), *argv]


def _with_node(ctx: NativeContext) -> dict[str, str]:
    """The process's environment with this Node first on PATH, and dev dependencies whatever ``NODE_ENV`` says."""
    import os

    path = f"{Path(ctx.program('node')).parent}{os.pathsep}{ctx.env.get('PATH') or os.environ.get('PATH', os.defpath)}"
    return {**ctx.env, "PATH": path, "NODE_ENV": "development"}
