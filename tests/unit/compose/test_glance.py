"""The quick look says what the engine's list says, and leaves to the long way whatever needs explaining."""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from builtin_plugins.runtimes.docker_glance import look

SERVICES: dict[str, dict[str, Any]] = {"web": {"category": "custom"}, "db": {"category": "core"}}


class ListedEngine:
    """One answer of an engine, on a socket file. What the engine says itself is tested in tests/e2e_docker."""

    def __init__(self, path: Path) -> None:
        self.containers: list[dict[str, Any]] = []
        self.asked = ""
        self._server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._server.bind(str(path))
        self._server.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            with connection:
                self.asked = connection.recv(4096).decode()
                body = json.dumps(self.containers).encode()
                connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n" + body)

    def close(self) -> None:
        self._server.close()


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ListedEngine]:
    path = Path(os.path.relpath(tmp_path / "s"))  # a socket's path may be no longer than 107 bytes
    made = ListedEngine(path)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
    yield made
    made.close()


def container(service: str, status: str, state: str = "running", number: int = 1, **labels: str) -> dict[str, Any]:
    return {
        "Labels": {"nself.service": service, "com.docker.compose.container-number": str(number), **labels},
        "State": state,
        "Status": status,
        "Ports": [{"IP": "127.0.0.1", "PrivatePort": 80, "PublicPort": 8080, "Type": "tcp"}, {"PrivatePort": 443, "Type": "tcp"}],
        "NetworkSettings": {"Networks": {}},
    }


@pytest.mark.parametrize(
    ("status", "state", "health", "up"),
    [
        ("Up 7 minutes (healthy)", "running", "healthy", "7m"),
        ("Up About an hour", "running", "-", "1h"),
        ("Up Less than a second (health: starting)", "starting", "starting", "0s"),
        ("Up 2 weeks (healthy)", "running", "healthy", "14d"),
    ],
)
def test_what_runs(engine: ListedEngine, status: str, state: str, health: str, up: str) -> None:
    engine.containers = [container("web", status)]
    assert look("shop", SERVICES) == [
        ("web", "custom", state, health, up, "127.0.0.1:8080->80"),
        ("db", "core", "stopped", "-", "-", "-"),
    ]
    assert "nself.project=shop" in engine.asked


def test_copies_and_what_was_stopped_or_is_done(engine: ListedEngine) -> None:
    engine.containers = [
        container("web", "Up 3 seconds (healthy)", number=2),
        container("web", "Up 4 seconds (healthy)"),
        container("db", "Exited (137) 3 hours ago", "exited"),
    ]
    found = look("shop", SERVICES)
    assert found is not None
    assert [row[:3] for row in found] == [
        ("web", "custom", "running"),
        ("web #2", "custom", "running"),
        ("db", "core", "stopped"),
    ]
    engine.containers = [container("web", "Exited (0) 3 hours ago", "exited", **{"nself.one-shot": "true"})]
    found = look("shop", SERVICES)
    assert found is not None
    assert found[0][2] == "completed"


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("Up 2 minutes (unhealthy)", "running"),
        ("Exited (1) 2 minutes ago", "exited"),
        ("Restarting (1) 2 seconds ago", "restarting"),
        ("Created", "created"),
        ("Up 2 minutes (Paused)", "paused"),
    ],
)
def test_what_needs_explaining_goes_the_long_way(engine: ListedEngine, status: str, state: str) -> None:
    engine.containers = [container("web", status, state)]
    assert look("shop", SERVICES) is None


def test_another_engine_goes_the_long_way(monkeypatch: pytest.MonkeyPatch, own_home: Path) -> None:
    for host in ("tcp://127.0.0.1:2375", "ssh://there", "unix:///nowhere/docker.sock"):
        monkeypatch.setenv("DOCKER_HOST", host)
        assert look("shop", SERVICES) is None
    monkeypatch.delenv("DOCKER_HOST")
    (own_home / ".docker").mkdir()
    (own_home / ".docker" / "config.json").write_text('{"currentContext": "elsewhere"}')
    assert look("shop", SERVICES) is None
