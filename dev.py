#!/usr/bin/env python3
"""The developer's commands; needs nothing but Python 3.11 or later.

    python3 dev.py demo     make the environment, scaffold a demo project, build it and start it natively
    python3 dev.py test     make the environment and run every check and test (--fast: without starting services;
                            --no-docker: without those on a Docker Engine)
    python3 dev.py venv     make the environment alone

The environment is ``.venv`` beside this file and the demo project is ``demo``. On Debian, run as root, ``test`` installs the
packages that tests need (Docker, Compose, Go and monitoring programs); what cannot be had is skipped by name. A Docker Engine is
started where none answers; its images are kept in ``~/.cache/nself-tests`` (``NSELF_TEST_CACHE``).
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree

from tests.e2e_docker import engine  # standard library alone

ROOT = Path(__file__).resolve().parent
VENV = Path(os.environ.get("NSELF_DEV_VENV", ROOT / ".venv"))
PYTHON = VENV / "bin" / "python"
DEMO = ROOT / "demo"
PYTEST = (PYTHON, "-m", "pytest", "-p", "no:cacheprovider")
#: pytest's exit code where it was asked for tests and none matched.
NO_TESTS = 5

#: So many modules that failed are run again at most: with more, something is wrong with the program.
MOST_AGAIN = 6

#: Debian packages that tests use where they can be had.
DEBIAN_TEST_PACKAGES = (
    *engine.PACKAGES,
    "busybox-static",
    "golang-go",
    "golang-github-gin-gonic-gin-dev",
    "golang-google-grpc-dev",
    "golang-github-golang-protobuf-1-5-dev",
    "golang-github-lib-pq-dev",
    "golang-github-gomodule-redigo-dev",
    "prometheus",
    "prometheus-node-exporter",
    "chromium",
    "chromium-driver",
    "postgresql",
    "postgresql-15-postgis-3",
    "locales",
)


def run(*argv: str | Path, cwd: Path = ROOT, check: bool = True, quiet: bool = False) -> int:
    """Run a command; with ``check`` end with its exit code when it fails."""
    out = subprocess.DEVNULL if quiet else None
    code = subprocess.run([str(a) for a in argv], cwd=cwd, stdout=out, check=False).returncode
    if code and check:
        print(f"dev.py: {' '.join(str(a) for a in argv)} failed with exit code {code}", file=sys.stderr)
        raise SystemExit(code)
    return code


def make_venv() -> None:
    """Make ``.venv``; Debian's Python may come without ``ensurepip``, which root can mend and others are told of."""
    if PYTHON.exists():
        return
    print(f"Making the environment in {VENV} …", flush=True)
    if subprocess.run([sys.executable, "-m", "venv", str(VENV)], capture_output=True, check=False).returncode == 0:
        return
    shutil.rmtree(VENV, ignore_errors=True)
    package = f"python3.{sys.version_info.minor}-venv"
    if os.geteuid() == 0 and shutil.which("apt-get"):
        apt("python3-venv", package)
        run(sys.executable, "-m", "venv", VENV)
        return
    raise SystemExit(f"dev.py: this Python cannot make environments; install {package} (or virtualenv) and try again")


def apt(*packages: str) -> None:
    """Install Debian packages one by one, so that one that is missing leaves the others."""
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", "update", "-qq"], env=env, stdout=subprocess.DEVNULL, check=False)
    command = ["apt-get", "install", "-y", "-qq", "--no-install-recommends"]
    # Services that a package starts by itself would hold the ports the tests look at.
    policy = Path("/usr/sbin/policy-rc.d")
    ours = not policy.exists()
    if ours:
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
    try:
        if subprocess.run(
            [*command, *packages], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False
        ).returncode:
            for package in packages:
                subprocess.run([*command, package], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    finally:
        if ours:
            policy.unlink(missing_ok=True)


def install(*, tests: bool) -> None:
    """Install the project with what the native runtime needs; skipped when nothing changed since the last time."""
    make_venv()
    mark = VENV / f".installed-{'test' if tests else 'demo'}"
    wanted = hashlib.sha256((ROOT / "pyproject.toml").read_bytes()).hexdigest()
    if mark.exists() and mark.read_text() == wanted:
        return
    print("Installing nself and what it runs (about 250 MB the first time) …", flush=True)
    pip = [PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    if tests:
        run(*pip, "--upgrade", "pip>=25.1")  # the first that reads dependency groups
        run(*pip, "--editable", ".[native]", "--group", "test")
    else:
        run(*pip, "--editable", ".[native]")
    # A service that runs as another user could not keep what Python compiles, and would compile anew at every start.
    run(PYTHON, "-m", "compileall", "-q", "nself_core", "hookspecs", "builtin_plugins")
    mark.write_text(wanted)


def demo() -> int:
    """The first README command."""
    install(tests=False)
    nself = VENV / "bin" / "nself"
    if not (DEMO / ".env.dev").exists():
        DEMO.mkdir(exist_ok=True)
        run(nself, "init", "--demo", "--name", "demo-app", "--yes", cwd=DEMO)
    run(nself, "build", cwd=DEMO)
    # the first start installs and compiles what the demo's own services need: minutes on a small or busy machine
    return run(nself, "start", "--runtime", "native", "--timeout", "600", cwd=DEMO, check=False)


def test(fast: bool, docker: bool, rest: list[str]) -> int:
    """The second README command."""
    install(tests=True)
    if not fast and os.geteuid() == 0 and shutil.which("apt-get"):
        print("Installing Debian packages that tests use …", flush=True)
        apt(*DEBIAN_TEST_PACKAGES)
    run(PYTHON, "-m", "ruff", "check", ".")
    run(PYTHON, "-m", "ruff", "format", "--check", ".")
    run(PYTHON, "-m", "mypy")
    quick = run_tests("not slow", "-n", "2", *rest)
    if (quick and not (quick == NO_TESTS and rest)) or fast:
        return quick
    # two modules at a time: they wait more than they work
    slow = run_tests("slow and not docker", "-n", "2", "--dist", "loadfile", "-ra", *rest)
    slow = 0 if slow == NO_TESTS and rest else slow
    if not docker:
        print("The tests on a Docker Engine are left out.", flush=True)
        return slow
    return test_on_docker(rest) or slow


def run_tests(marker: str, *options: str) -> int:
    """The tests of a marker. A module that failed is run once more, alone: what a busy machine upset passes then."""
    with tempfile.TemporaryDirectory() as place:
        report = Path(place) / "report.xml"
        code = run(*PYTEST, "-m", marker, f"--junitxml={report}", *options, check=False)
        failed = failed_modules(report) if code == 1 else []
    if not 0 < len(failed) <= MOST_AGAIN:
        return code
    print(f"\n{'=' * 20} ONCE MORE, ALONE: {', '.join(failed)} {'=' * 20}\n", flush=True)
    return run(*PYTEST, "-m", marker, "-ra", *failed, check=False)


def failed_modules(report: Path) -> list[str]:
    """The files of tests that failed, from a report in JUnit's form."""
    found = set()
    for case in ElementTree.parse(report).iter("testcase"):
        if case.find("failure") is not None or case.find("error") is not None:
            place = Path(*case.get("classname", "").split(".")).with_suffix(".py")
            found.add(str(place))
    return sorted(place for place in found if (ROOT / place).is_file())


def test_on_docker(rest: list[str]) -> int:
    """The tests on a Docker Engine: the one that answers, else one of their own. Where there is none, they skip by name."""
    try:
        with engine.running() as host:
            os.environ |= {"DOCKER_HOST": host, "NSELF_TEST_COMPOSE_V2": engine.compose_v2()}
            print(f"Docker tests run on the engine at {host}", flush=True)
            run(PYTHON, "-m", "tests.e2e_docker.images")
            code = run_tests("docker", "-ra", *rest)
    except RuntimeError as reason:
        print(f"\n{'=' * 20} DOCKER TESTS ARE SKIPPED: {reason} {'=' * 20}\n", flush=True)
        code = run(*PYTEST, "-m", "docker", "-ra", *rest, check=False)
    return 0 if code == NO_TESTS and rest else code


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=("demo", "test", "venv"))
    parser.add_argument("--fast", action="store_true", help="leave out the tests that start services")
    parser.add_argument("--no-docker", action="store_true", help="leave out the tests on a Docker Engine")
    options, rest = parser.parse_known_args()
    if sys.version_info < (3, 11):  # noqa: UP036  an older Python may well run this file
        raise SystemExit(f"dev.py: Python 3.11 or later is needed; this is {sys.version.split()[0]}")
    if options.command == "venv":
        install(tests=True)
        return 0
    return demo() if options.command == "demo" else test(options.fast, not options.no_docker, rest)


if __name__ == "__main__":
    raise SystemExit(main())
