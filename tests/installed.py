"""nself as users have it: a wheel built from this checkout, installed into an environment of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PARTS = (
    "pyproject.toml", "MANIFEST.in", "README.md", "LICENSE", "scripts", "registry", "plugin_template", "hookspecs", "nself_core",
    "builtin_plugins",
)  # fmt: skip


def build_wheel(source: Path, into: Path) -> Path:
    """Build the wheel of a distribution whose folder is ``source``, with what the environment of the tests has."""
    pip(sys.executable, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(into), str(source))
    (made,) = into.glob("*.whl")
    return made


def copy_of_checkout(into: Path) -> Path:
    """The sources alone: a build in the checkout would leave folders there that a later build takes up again."""
    into.mkdir(parents=True)
    for part in PARTS:
        place = ROOT / part
        if place.is_dir():
            shutil.copytree(place, into / part, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info", "node_modules"))
        else:
            shutil.copy(place, into / part)
    return into


def pip(python: str | Path, *arguments: str) -> None:
    """Run this environment's pip upon another Python's packages; a failure shows what pip wrote."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(python), *arguments, "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"pip {' '.join(arguments)}:\n{done.stdout}{done.stderr}")


@dataclass
class Installed:
    """An environment with nself installed from its wheel."""

    folder: Path

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    @property
    def site(self) -> Path:
        return next((self.folder / "lib").glob("python3.*")) / "site-packages"

    def pip(self, *arguments: str) -> None:
        pip(self.python, *arguments)

    def nself(
        self, *arguments: str, cwd: Path, home: Path, check: bool = True, **environ: str
    ) -> subprocess.CompletedProcess[str]:
        """Run the installed program; with ``check`` a failure raises with its output."""
        done = subprocess.run(
            [self.folder / "bin" / "nself", *arguments],
            cwd=cwd,
            env={"PATH": os.environ["PATH"], "HOME": str(home.parent), "NSELF_HOME": str(home), **environ},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if check and done.returncode:
            raise RuntimeError(f"nself {' '.join(arguments)} → {done.returncode}\n{done.stdout}{done.stderr}")
        return done


def install(folder: Path, wheel: Path, *, with_dependencies: bool = False) -> Installed:
    """Make an environment with nself in it.

    Its dependencies are those of the environment the tests run in, by a path file, and not this checkout's own nself, as
    path files of path files are not read. ``with_dependencies`` installs them properly, from a package index.
    """
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    made = Installed(folder)
    made.pip("install", *([] if with_dependencies else ["--no-deps"]), str(wheel))
    if not with_dependencies:
        (made.site / "dependencies-of-tests.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return made
