"""A Docker Engine for the tests: the one that answers, else one of our own. Standard library alone, since ``dev.py`` uses it.

The engine of our own keeps its images and build cache between runs in ``cache()``; everything else of it is in a folder that
goes away with it. Starting one takes root on Linux, and Debian's ``docker.io``.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

#: What an engine of our own and its images are made with.
PACKAGES = ("docker.io", "docker-compose", "mmdebstrap", "iptables")
#: Debian 13, the first release whose package is Compose v2.
NEXT_RELEASE = "trixie"
_PATIENCE = 60


def cache() -> Path:
    """What is kept between runs; removing it costs a few minutes of the next one."""
    given = os.environ.get("NSELF_TEST_CACHE")
    folder = Path(given) if given else Path.home() / ".cache" / "nself-tests"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def answers(host: str) -> bool:
    """Whether an engine answers at a ``unix://`` address (others are taken at their word)."""
    if not host.startswith("unix://"):
        return True
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(5)
            connection.connect(host.removeprefix("unix://"))
            connection.sendall(b"GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n")
            return b" 200 " in connection.recv(256)
    except OSError:
        return False


def present() -> str:
    """The address of an engine that answers already, else empty."""
    host = os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"
    return host if answers(host) else ""


def why_not() -> str:
    """Why no engine can be started here; empty where it can."""
    if sys.platform != "linux":
        return f"an engine is started on Linux alone, and this is {sys.platform}; start Docker Desktop"
    if os.geteuid() != 0:
        return "no Docker Engine answers, and starting one takes root"
    if not shutil.which("dockerd"):
        return "no Docker Engine answers, and dockerd is not installed (Debian: docker.io)"
    return ""


def why_no_images() -> str:
    """Why the stand-in images cannot be made here; empty where they can."""
    if os.geteuid() != 0 or not shutil.which("mmdebstrap"):
        return "the stand-in images are made by root with mmdebstrap"
    if not Path("/etc/debian_version").exists() or not shutil.which("apt-get"):
        return "the stand-in images are made of Debian's packages, on Debian"
    return ""


@contextmanager
def running(data: Path | None = None, *options: str) -> Iterator[str]:
    """The address of an engine for the time of the block. ``RuntimeError`` where none can be had, or no images for it.

    ``data``: a further engine with its data there, started with ``options`` in a network of its own, as two would fight for one.
    """
    lacking = why_no_images()
    if lacking:
        raise RuntimeError(lacking)
    found = "" if data else present()
    if found:
        yield found
        return
    reason = why_not()
    if reason:
        raise RuntimeError(reason)
    folder = Path(tempfile.mkdtemp(prefix="nself-engine-"))
    host = f"unix://{folder / 'docker.sock'}"
    log = folder / "log"
    with log.open("w") as written:
        process = subprocess.Popen(
            [
                *(("unshare", "--net") if data else ()), "dockerd", "--data-root", str(data or cache() / "engine"),
                "--exec-root", str(folder / "exec"), "--pidfile", str(folder / "pid"), "--host", host, *options,
            ],
            stdin=subprocess.DEVNULL, stdout=written, stderr=written, start_new_session=True,
        )  # fmt: skip
    try:
        deadline = time.monotonic() + _PATIENCE
        while not answers(host):
            if process.poll() is not None or time.monotonic() > deadline:
                lines = log.read_text(errors="replace").splitlines()
                raise RuntimeError("dockerd does not start: " + "; ".join(lines[-3:]))
            time.sleep(0.1)
        yield host
    finally:
        process.terminate()
        try:
            process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(timeout=10)
        shutil.rmtree(folder, ignore_errors=True)


def compose_v2() -> str:
    """Compose v2, where this Debian has v1: the next release's package, unpacked and not installed. Empty where there is none."""
    for known in ("/usr/libexec/docker/cli-plugins/docker-compose", "/usr/lib/docker/cli-plugins/docker-compose"):
        if os.access(known, os.X_OK):
            return known
    folder = cache() / "compose-v2"
    program = folder / "usr" / "libexec" / "docker" / "cli-plugins" / "docker-compose"
    if not program.exists() and shutil.which("apt-get"):
        _unpack_compose(folder)
    return str(program) if program.exists() else ""


def mirror() -> str:
    """The address of Debian's packages that this machine uses."""
    asked = ["apt-get", "indextargets", "--format", "$(ORIGIN) $(REPO_URI)", "Created-By: Packages"]
    said = subprocess.run(asked, capture_output=True, text=True, check=False).stdout
    found = sorted({line.split()[1] for line in said.splitlines() if line.startswith("Debian ")}, key=len)
    if not found:
        raise RuntimeError("apt knows no Debian packages here; run apt-get update")
    return found[0]


def _unpack_compose(folder: Path) -> None:
    """The package from the release after this one, by apt with lists of its own."""
    with tempfile.TemporaryDirectory(prefix="nself-compose-") as scratch:
        place = Path(scratch)
        (place / "lists" / "partial").mkdir(parents=True)
        (place / "cache" / "archives" / "partial").mkdir(parents=True)
        key = "/usr/share/keyrings/debian-archive-keyring.gpg"
        (place / "sources").write_text(f"deb [signed-by={key}] {mirror()} {NEXT_RELEASE} main\n")
        options = [
            f"Dir::Etc::SourceList={place / 'sources'}", "Dir::Etc::SourceParts=/dev/null",
            f"Dir::State::Lists={place / 'lists'}", f"Dir::Cache={place / 'cache'}", "APT::Sandbox::User=root",
        ]  # fmt: skip
        apt = ["apt-get", "-qq", *(part for option in options for part in ("-o", option))]
        for command in ("update",), ("download", "docker-compose"):
            if subprocess.run([*apt, *command], cwd=place, capture_output=True, check=False).returncode:
                return
        for package in place.glob("*.deb"):
            subprocess.run(["dpkg-deb", "-x", str(package), str(folder)], check=True)
