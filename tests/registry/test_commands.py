"""A plugin is signed with a new key, published to a registry that is served over HTTP, and installed by another home."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.registry.operator import Operator

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Person:
    """Somebody with a home of their own, who types commands."""

    place: Path

    @property
    def environ(self) -> dict[str, str]:
        return {**os.environ, "HOME": str(self.place), "NSELF_HOME": str(self.place / ".nself")}

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        self.place.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "nself_core", *arguments]
        done = subprocess.run(
            command, cwd=self.place, env=self.environ, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
        )
        assert "Traceback" not in done.stderr, done.stderr
        return done

    def __call__(self, *arguments: str) -> str:
        done = self.run(*arguments)
        assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
        return done.stdout

    def refused(self, *arguments: str) -> str:
        done = self.run(*arguments)
        assert done.returncode == 1, f"{arguments}: {done.stdout}{done.stderr}"
        return done.stderr

    def state(self, name: str) -> str:
        return str(json.loads(self("plugin", "status", name, "--json"))["state"])

    @contextmanager
    def serving(self, tree: Path) -> Iterator[str]:
        """``nself registry serve`` while the block runs; it ends on an interrupt."""
        command = [sys.executable, "-m", "nself_core", "registry", "serve", str(tree), "--port", "0"]
        environ = {**self.environ, "PYTHONUNBUFFERED": "1"}
        process = subprocess.Popen(command, cwd=self.place, env=environ, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        try:
            found = re.search(r"http://\S+", process.stdout.readline())
            assert found is not None
            yield found[0]
        finally:
            process.send_signal(signal.SIGINT)
            process.stdout.close()
            assert process.wait(20) == 0


def test_from_a_new_key_to_another_home(tmp_path: Path) -> None:
    alice, bob = Person(tmp_path / "alice"), Person(tmp_path / "bob")
    source = Operator(tmp_path)
    alice("plugin", "keygen", "alice")
    public = (alice.place / ".nself" / "keys" / "alice.pub").read_text().strip()
    registry, tree = str(tmp_path / "registry"), tmp_path / "public"
    alice("registry", "init", "--name", "acme", "--dir", registry)
    assert "no --report" in alice("registry", "add", str(source.plugin("notes")), "--dir", registry)
    alice("registry", "publish", str(tree), "--dir", registry)
    assert "1 releases" in alice("registry", "verify", str(tree))

    with alice.serving(tree) as url:
        bob("registry", "connect", "acme", url, "--root", str(tree / "root.json"))
        assert [one["name"] for one in json.loads(bob("registry", "list", "--json"))] == ["acme"]
        assert "alice" in bob.refused("plugin", "install", "notes", "--yes"), "nobody trusts alice here so far"
        bob("plugin", "trust", "add", "alice", public)
        bob("plugin", "install", "notes", "--yes")
        assert bob.state("notes") == "signed"

        alice("registry", "add", str(source.plugin("notes", "1.1.0")), "--dir", registry)
        alice("registry", "publish", str(tree), "--dir", registry)
        wheel = next(place for place in tree.rglob("*notes-1.1.0*.whl"))
        data = wheel.read_bytes()
        wheel.write_bytes(data[:-1] + b"\1")
        told = bob.refused("plugin", "update", "notes", "--yes")
        assert "not the one that was signed" in told
        assert json.loads(bob("plugin", "status", "notes", "--json"))["version"] == "1.0.0"
        wheel.write_bytes(data)
        bob("plugin", "pin", "notes")
        assert bob("plugin", "update", "--yes") == "nothing to update\n", "a newer one is there, and left out"
        bob("plugin", "pin", "notes", "--off")
        bob("plugin", "update", "notes", "--yes")
        assert json.loads(bob("plugin", "status", "notes", "--json"))["version"] == "1.1.0"

        alice("registry", "revoke", "notes", "1.1.0", "--reason", "sends notes away", "--yes", "--dir", registry)
        alice("registry", "publish", str(tree), "--dir", registry)
        bob("registry", "refresh")
    assert bob.state("notes") == "revoked", "also when the registry is gone"
    assert "up to date" not in bob("registry", "refresh")


def test_wrong_use_is_told_without_a_traceback(tmp_path: Path) -> None:
    person = Person(tmp_path / "eve")
    assert "there is no registry here" in person.refused("registry", "show")
    assert "there is no registry here" in person.refused("registry", "publish", "out")
    assert "no registry 'x' is connected" in person.refused("registry", "disconnect", "x")
    assert person.run("registry", "connect", "x", "http://127.0.0.1:9").returncode == 2
    assert "not reached" in person.refused("registry", "connect", "x", "http://127.0.0.1:9", "--fingerprint", "0" * 64)
    assert person.run("registry", "revoke", "x").returncode == 2
    assert "nothing waits" not in person.run("registry", "init", "--name", "UPPER", "--dir", "r").stdout


def test_a_fingerprint_stands_for_a_root_file(tmp_path: Path) -> None:
    import hashlib

    operator = Operator(tmp_path).start()
    operator.publish()
    person = Person(tmp_path / "bob")
    with person_of(tmp_path).serving(operator.tree) as url:
        good = hashlib.sha256((operator.tree / "root.json").read_bytes()).hexdigest()
        assert "another one than you gave" in person.refused("registry", "connect", "acme", url, "--fingerprint", "0" * 64)
        person("registry", "connect", "acme", url, "--fingerprint", f"sha256:{good}")
        assert "acme" in person("registry", "list")


def person_of(place: Path) -> Person:
    person = Person(place / "server")
    person.place.mkdir(exist_ok=True)
    return person
