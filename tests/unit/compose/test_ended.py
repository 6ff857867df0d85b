"""Where nself is ended while Compose works for it, Compose ends too."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

RUN = """
from pathlib import Path
from builtin_plugins.runtimes.compose.command import ComposeCommand
from builtin_plugins.runtimes.compose.engine import Engine
ComposeCommand(Path(), "p", Engine("p")).run("up", deadline=lambda: False, meanwhile=lambda: None)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_compose_ends_with_nself(tmp_path: Path, number: int) -> None:
    plugin = tmp_path / "cli-plugins" / "docker-compose"
    plugin.parent.mkdir()
    plugin.write_text(f"#!/bin/sh\necho $$ >{tmp_path}/pid.new; mv {tmp_path}/pid.new {tmp_path}/pid; exec sleep 60\n")
    plugin.chmod(0o755)
    environment = {**os.environ, "DOCKER_CONFIG": str(tmp_path), "PYTHONPATH": str(Path(__file__).parents[3])}
    nself = subprocess.Popen([sys.executable, "-c", RUN], cwd=tmp_path, env=environment)
    try:
        deadline = time.monotonic() + 30
        while not (tmp_path / "pid").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        compose = psutil.Process(int((tmp_path / "pid").read_text()))
        nself.send_signal(number)
        assert nself.wait(timeout=20) == -number
        assert psutil.wait_procs([compose], timeout=10)[1] == [] or compose.status() == psutil.STATUS_ZOMBIE
    finally:
        nself.kill()
        nself.wait()
