"""Which engine and which Compose are chosen, and what is said where there is none."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import threading
from pathlib import Path

import pytest

from builtin_plugins.runtimes.compose import binaries, endpoint
from builtin_plugins.runtimes.compose.command import explain
from builtin_plugins.runtimes.compose.offer import offer


def context(folder: Path, name: str, host: str) -> None:
    key = hashlib.sha256(name.encode()).hexdigest()
    place = folder / "contexts" / "meta" / key
    place.mkdir(parents=True)
    (place / "meta.json").write_text(json.dumps({"Name": name, "Endpoints": {"docker": {"Host": host}}}))


def test_docker_host_then_context_then_the_usual_socket(tmp_path: Path) -> None:
    context(tmp_path, "far", "tcp://10.0.0.9:2375")
    (tmp_path / "config.json").write_text(json.dumps({"currentContext": "far"}))
    folder = {"DOCKER_CONFIG": str(tmp_path)}
    assert endpoint.current({**folder, "DOCKER_HOST": "unix:///x.sock"}).url == "unix:///x.sock"
    assert endpoint.current(folder) == endpoint.Endpoint("tcp://10.0.0.9:2375", context="far")
    assert endpoint.current({**folder, "DOCKER_CONTEXT": "default"}).url == endpoint.USUAL


def test_a_context_that_is_gone_is_named(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"currentContext": "gone"}))
    with pytest.raises(endpoint.ContextError, match="'gone' is chosen, but does not exist"):
        endpoint.current({"DOCKER_CONFIG": str(tmp_path)})


@pytest.mark.parametrize("host", ["garbage", "tcp://:abc", "tcp://", "unix://relative.sock", "ftp://host"])
def test_a_docker_host_that_is_no_address_is_refused(host: str) -> None:
    with pytest.raises(endpoint.ContextError, match="no address of an engine") as caught:
        endpoint.current({"DOCKER_HOST": host})
    assert "unix:///" in caught.value.remedy


@pytest.mark.parametrize(
    "host", ["unix:///a/b.sock", "tcp://127.0.0.1:2375", "tcp://[::1]:2376", "ssh://me@host", "https://host"]
)
def test_a_docker_host_that_is_an_address_is_taken(host: str) -> None:
    assert endpoint.current({"DOCKER_HOST": host}).url == host


def answering(path: Path, answer: bytes) -> threading.Thread:
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    server.listen(1)

    def serve() -> None:
        connection, _ = server.accept()
        connection.recv(1000)
        connection.sendall(answer)
        connection.close()
        server.close()

    thread = threading.Thread(target=serve)
    thread.start()
    return thread


def test_ping_asks_the_socket(tmp_path: Path) -> None:
    for name, answer, expected in (
        ("good", b"HTTP/1.0 200 OK\r\n\r\nOK", ""),
        ("bad", b"HTTP/1.0 503 Busy\r\n\r\n", "it answers 'HTTP/1.0 503 Busy'"),
    ):
        thread = answering(tmp_path / name, answer)
        assert endpoint.ping(endpoint.Endpoint(f"unix://{tmp_path / name}")) == expected
        thread.join()
    assert "no such socket" in endpoint.ping(endpoint.Endpoint(f"unix://{tmp_path}/none"))
    (tmp_path / "dead").touch()
    assert "refused" in endpoint.ping(endpoint.Endpoint(f"unix://{tmp_path}/dead"))


def test_the_offer_says_why_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none")
    found = offer(20)
    assert (found.name, found.available, found.addressing) == ("compose", False, "names")
    assert f"no Docker Engine answers at unix://{tmp_path}/none" in found.reason


def test_the_users_own_plugin_comes_first(tmp_path: Path) -> None:
    plugin = tmp_path / "config" / "cli-plugins" / "docker-compose"
    plugin.parent.mkdir(parents=True)
    plugin.write_text("#!/bin/sh\necho v2.30.1\n")
    plugin.chmod(0o755)
    found = binaries.find({"DOCKER_CONFIG": str(tmp_path / "config"), "PATH": os.environ["PATH"]})
    assert found is not None
    assert (found.path, found.version, found.is_v1) == (str(plugin), "2.30.1", False)


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("Error response from daemon: driver failed: Bind for 127.0.0.1:5432 failed: port is already allocated", "port-taken"),
        ("Error response from daemon: pull access denied for a/b, repository does not exist", "pull-denied"),
        ("manifest for a/b:9 not found: manifest unknown: manifest unknown", "image-missing"),
        ("write /var/lib/docker/x: no space left on device", "disk-full"),
        ("Cannot connect to the Docker daemon at unix:///x. Is the docker daemon running?", "docker-down"),
        ("invalid mount config: bind source path does not exist: /p/conf", "mount-missing"),
        ("Error response from daemon: Minimum memory limit allowed is 6MB", "memory-limit"),
        ("Error response from daemon: Range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available", "cpu-limit"),
        ('network bridge was found but has incorrect label com.docker.compose.network set to ""', "network-taken"),
        ("something else\nwent wrong", "compose-failed"),
    ],
)
def test_failures_of_compose_have_names(said: str, code: str) -> None:
    error = explain(said)
    assert error.code == code
    assert error.remedy
    assert said.splitlines()[-1][:30] in error.message
