"""``nself plugin new``: what it makes passes its own tests and reaches the levels it should; what it refuses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from nself_core.cli.commands.plugin import command
from nself_core.plugins.template import render

KINDS = ("service", "integration", "engine", "infra")


def run(*arguments: str, cwd: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=cwd,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", KINDS)
def test_a_new_plugin_passes_its_own_tests(kind: str, tmp_path: Path) -> None:
    made = run("nself_core", "plugin", "new", f"my-{kind}", "--kind", kind, "--publisher", "acme", cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    done = run("pytest", "-q", "-p", "no:cacheprovider", cwd=tmp_path / f"my-{kind}")
    assert done.returncode == 0, done.stdout[-4000:]
    assert " passed" in done.stdout


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("kind", "level"), [("service", 8), ("engine", 8)])
def test_a_new_plugin_reaches_every_level(kind: str, level: int, tmp_path: Path) -> None:
    render("fresh", kind, publisher="acme", summary="", into=tmp_path / "fresh")
    done = run("nself_core", "plugin", "check", "fresh", "--json", cwd=tmp_path)
    report = json.loads(done.stdout)
    assert [rule["reason"] for rule in report["rules"] if rule["outcome"] == "missing"] == []
    assert (report["level"], report["hash"][:7]) == (level, "sha256:")


def test_all_or_nothing(tmp_path: Path) -> None:
    files = render("hello-there", "service", publisher="acme", summary='Says "hello".', into=tmp_path / "made")
    assert "nself_plugin_hello_there/plugin.json" in files
    manifest = json.loads((tmp_path / "made" / "nself_plugin_hello_there" / "plugin.json").read_text())
    assert (manifest["summary"], manifest["tables"]) == ('Says "hello".', ["np_hello_there_items"])
    assert [path.name for path in tmp_path.iterdir()] == ["made"]
    assert not [path for path in (tmp_path / "made").rglob("*") if path.suffix == ".j2"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("Hello",), 2, "no name for a plugin"),
        (("core-x",), 2, "no name for a plugin"),
        (("../x",), 2, "no name for a plugin"),
        (("hello", "--publisher", "No One"), 2, "no name of a publisher"),
        (("hello", "--kind", "toy"), 2, "toy"),
        (("there",), 1, "something already"),
    ],
)
def test_what_is_refused(
    arguments: tuple[str, ...], code: int, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "mine.txt").write_text("keep")
    done = run("nself_core", "plugin", "new", *arguments, cwd=tmp_path)
    assert (done.returncode, message in done.stderr) == (code, True), done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["there"]


def test_check_wants_a_plugin(tmp_path: Path) -> None:
    done = CliRunner().invoke(command, ["check", str(tmp_path)])
    assert "no plugin.json" in str(done.exception)
