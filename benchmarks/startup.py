#!/usr/bin/env python3
"""How long nself takes to answer, as ratios to a bare Python, with 112 plugins installed beside it.

    .venv/bin/python benchmarks/startup.py [--runs 15] [--keep FOLDER]

Builds the wheel, installs it with its dependencies into an environment of its own, installs 112 small generated plugins
with pip, and measures in turns, so that a busy moment strikes all alike. Prints medians and ratios; judges nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.installed import Installed, build_wheel, copy_of_checkout, install  # noqa: E402

FIXTURE = ROOT.parent / "shared" / "fixtures" / "nself-demo"
PLUGINS = 112
LIBRARIES = "import pydantic, yaml, jinja2, click, pluggy"


def plugin_wheel(folder: Path, number: int) -> Path:
    """A small plugin as a wheel: a manifest with settings and a command, and a hook."""
    name, package = f"sample-{number:03}", f"nself_plugin_sample_{number:03}"
    manifest = {
        "name": name,
        "version": "1.0.0",
        "summary": f"Sample {number} of {PLUGINS}.",
        "hooks": ["contribute_services", "register_commands"],
        "commands": [{"name": "show", "help": "Show the sample."}],
        "settings": [{"name": f"SAMPLE_{number:03}_{part}", "help": "A setting."} for part in ("ENABLED", "PORT", "TOKEN")],
        "tables": [f"np_sample_{number:03}_items"],
    }
    code = "from hookspecs import hookimpl\n\n\n@hookimpl\ndef contribute_services(project):\n    return []\n\n\n"
    code += "@hookimpl\ndef register_commands(cli):\n    return None\n"
    info = f"{package}-1.0.0.dist-info"
    files = {
        f"{package}/__init__.py": code,
        f"{package}/plugin.json": json.dumps(manifest, indent=2),
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: nself-plugin-{name}\nVersion: 1.0.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: benchmark\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": f"[nself.plugins]\n{name} = {package}\n",
    }
    wheel = folder / f"{package}-1.0.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
        archive.writestr(f"{info}/RECORD", "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"]))
    return wheel


def prepare(folder: Path) -> Installed:
    """The environment to measure in; made once where ``--keep`` names its folder."""
    made = Installed(folder / "venv")
    if made.python.exists():
        return made
    print("building the wheel, installing it and the plugins …", file=sys.stderr)
    made = install(folder / "venv", build_wheel(copy_of_checkout(folder / "checkout"), folder), with_dependencies=True)
    (folder / "plugins").mkdir()
    wheels = [str(plugin_wheel(folder / "plugins", number)) for number in range(1, PLUGINS + 1)]
    made.pip("install", "--no-deps", "--no-index", *wheels)
    return made


def clock(command: list[str], cwd: Path, environ: dict[str, str]) -> float:
    """Milliseconds that a command takes; its failure ends the benchmark with what it wrote."""
    started = time.perf_counter()
    done = subprocess.run(command, cwd=cwd, env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    spent = (time.perf_counter() - started) * 1000
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} → {done.returncode}\n{done.stdout}{done.stderr}")
    return spent


def fresh_project(folder: Path) -> None:
    """A copy of the demo cascade, without anything generated."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for file in FIXTURE.iterdir():
        shutil.copy(file, folder / file.name)
        (folder / file.name).chmod(0o600)


def forget_build(project: Path, home: Path, *, caches: bool = True) -> None:
    """Remove what a build writes and what it remembers; keys, secrets and certificates stay, as they are made once.

    ``caches``: also the user's: the index of plugins and the code of verified built-ins, which any command before filled.
    """
    kept = {".nself", ".environments", *(file.name for file in FIXTURE.iterdir())}
    for entry in project.iterdir():
        if entry.name not in kept:
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    for name in ("native", "compose"):
        shutil.rmtree(project / ".nself" / name, ignore_errors=True)
    (project / ".nself" / "build.json").unlink(missing_ok=True)
    if caches:
        shutil.rmtree(home / "cache", ignore_errors=True)


def measure(made: Installed, folder: Path, runs: int, *, builds: bool) -> dict[str, float]:
    """The median of each case, all cases taken in turns."""
    home, empty, project = folder / "home" / ".nself", folder / "empty", folder / "project"
    empty.mkdir(exist_ok=True)
    environ = {"PATH": os.environ["PATH"], "HOME": str(home.parent), "NSELF_HOME": str(home)}
    python, nself = str(made.python), str(made.folder / "bin" / "nself")
    cases: dict[str, tuple[Callable[[], None] | None, list[str], Path]] = {
        "python -c pass": (None, [python, "-c", "pass"], empty),
        "nself version": (None, [nself, "version"], empty),
        "nself --help": (None, [nself, "--help"], empty),
        "nself --help, no index yet": (lambda: shutil.rmtree(home / "cache", ignore_errors=True), [nself, "--help"], empty),
        "import of five libraries": (None, [python, "-c", LIBRARIES], empty),
    }
    if builds:
        cases |= {
            "first build": (lambda: fresh_project(project), [nself, "build"], project),
            "build, no caches either": (lambda: forget_build(project, home), [nself, "build"], project),
            "build, nothing but keys": (lambda: forget_build(project, home, caches=False), [nself, "build"], project),
            "build, unchanged": (None, [nself, "build"], project),
        }
    taken: dict[str, list[float]] = {name: [] for name in cases}
    for turn in range(runs + 1):
        for name, (before, command, cwd) in cases.items():
            if before is not None:
                before()
            spent = clock(command, cwd, environ)
            if turn:  # the first turn fills the file cache
                taken[name].append(spent)
    return {name: statistics.median(values) for name, values in taken.items()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--keep", type=Path, help="keep the environment here and use it again")
    parser.add_argument("--no-builds", action="store_true", help="measure version and help alone")
    options = parser.parse_args()
    builds = FIXTURE.is_dir() and not options.no_builds
    folder = options.keep or Path(tempfile.mkdtemp(prefix="nself-startup-"))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        medians = measure(prepare(folder), folder, options.runs, builds=builds)
    finally:
        if options.keep is None:
            shutil.rmtree(folder, ignore_errors=True)
    bare, libraries = medians["python -c pass"], medians["import of five libraries"]
    goals = {
        "nself version": ("bare Python", bare, "< 4"),
        "nself --help": ("bare Python", bare, "< 8"),
        "build, nothing but keys": ("the five libraries", libraries, "≤ 2"),
        "build, unchanged": ("bare Python", bare, "≤ 8"),
    }
    print(f"{PLUGINS} plugins, median of {options.runs} runs, Python {sys.version.split()[0]}")
    for name, spent in medians.items():
        against = goals.get(name)
        told = f"{spent / against[1]:5.2f} × {against[0]} (goal {against[2]})" if against else ""
        print(f"{name:28} {spent:8.1f} ms  {told}".rstrip())
    return 0


if __name__ == "__main__":
    sys.exit(main())
