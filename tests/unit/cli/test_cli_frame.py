"""The frame around the commands, as a person at a terminal meets it."""

from __future__ import annotations

import errno
import json
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from hookspecs import Finding, UserError
from nself_core import __version__
from nself_core.cli import lazy
from nself_core.cli.main import main
from nself_core.cli.table import BY_WORD, Entry
from tests.conftest import Nself


@pytest.fixture
def raising(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[BaseException | None], int]:
    """Run a command that raises, and return nself's exit code."""
    monkeypatch.chdir(tmp_path)

    def run(error: BaseException | None) -> int:
        @click.command()
        def command() -> None:
            if error is not None:
                raise error

        monkeypatch.setitem(BY_WORD, "trial", Entry("trial", "Look", "A trial."))
        monkeypatch.setattr(lazy, "_core_command", lambda word: command)
        return main(["trial"])

    return run


Raising = Callable[[BaseException | None], int]
Captured = pytest.CaptureFixture[str]


def test_a_user_error_tells_what_where_and_what_to_do(raising: Raising, capsys: Captured) -> None:
    error = UserError(
        "the port is no number",
        where=".env:3",
        remedy="write PORT=8080",
        findings=[
            Finding(level="error", message="first fault", where=".env:3", remedy="mend it"),
            Finding(level="warning", message="second"),
        ],
    )
    assert raising(error) == 1
    assert capsys.readouterr().err.splitlines() == [
        "error: .env:3: the port is no number",
        "  → write PORT=8080",
        "error: .env:3: first fault",
        "  → mend it",
        "warning: second",
    ]


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (None, 0, ""),
        (UserError("wrong", exit_code=2), 2, "error: wrong"),
        (click.UsageError("no such thing"), 2, "error: no such thing"),
        (click.exceptions.Exit(3), 3, ""),
        (KeyboardInterrupt(), 130, "interrupted"),
        (click.Abort(), 1, "stopped; nothing more was done"),
        (OSError(errno.ENOSPC, "No space left on device", "/x/y"), 1, "no space left on device: /x/y\n  → make room there"),
        (OSError(errno.EACCES, "Permission denied", "/x/y"), 1, "permission denied: /x/y\n  → mend its permissions"),
        (RuntimeError("oh"), 1, "error: RuntimeError: oh"),
    ],
)
def test_exit_codes(raising: Raising, capsys: Captured, error: BaseException | None, code: int, told: str) -> None:
    assert raising(error) == code
    captured = capsys.readouterr().err
    assert told in captured
    assert "Traceback" not in captured


def test_a_traceback_is_shown_on_wish(raising: Raising, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NSELF_DEBUG", "1")
    assert raising(RuntimeError("oh")) == 1
    assert "Traceback" in capsys.readouterr().err


def test_ctrl_c_at_a_prompt_is_an_interruption(raising: Raising) -> None:
    error = click.Abort()
    error.__context__ = KeyboardInterrupt()
    assert raising(error) == 130


@pytest.mark.parametrize(
    ("word", "near"), [("stat", "status"), ("strat", "start"), ("biuld", "build"), ("comfig", "config"), ("dwon", "down")]
)
def test_an_unknown_word_is_refused_with_the_nearest(
    word: str, near: str, capsys: Captured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([word]) == 2
    assert f"did you mean `nself {near}`?" in capsys.readouterr().err


def test_an_unknown_word_with_nothing_near(capsys: Captured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["zzzzqqq", "--yes"]) == 2
    assert main(["--zzzz"]) == 2
    assert "nself --help" in capsys.readouterr().err


def test_the_version_in_three_spellings(nself: Nself) -> None:
    line = f"nself {__version__}\n"
    assert [nself("version").stdout, nself("--version").stdout] == [line, line]
    document = json.loads(nself("version", "--json").stdout)
    assert document["nself"] == __version__
    assert document["python"] == ".".join(map(str, sys.version_info[:3]))


def test_output_that_goes_into_a_pipe_has_no_colour(nself: Nself) -> None:
    for arguments in (("--help",), ("plugin", "list"), ("no-such-word",)):
        done = nself(*arguments, check=False)
        assert "\x1b" not in done.stdout + done.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_its_script(nself: Nself, shell: str) -> None:
    script = nself("completion", shell).stdout
    assert f"_NSELF_COMPLETE={shell}_complete" in script


def test_an_unknown_shell_is_wrong_usage(nself: Nself) -> None:
    done = nself("completion", "tcsh", check=False)
    assert done.returncode == 2
    assert "bash" in done.stderr


def complete(nself: Nself, *words: str) -> list[str]:
    nself.environ.update(_NSELF_COMPLETE="bash_complete", COMP_WORDS=" ".join(("nself", *words)), COMP_CWORD=str(len(words)))
    return [line.partition(",")[2] for line in nself(check=False).stdout.splitlines() if line]


def test_commands_are_completed(nself: Nself) -> None:
    assert complete(nself, "sta") == ["start", "status"]
    assert complete(nself, "plugin", "en") == ["enable"]


def test_services_environments_and_plugins_are_completed(nself: Nself) -> None:
    folder = nself.folder
    (folder / ".env.dev").touch()
    (folder / ".env.local").touch()
    (folder / ".env.qa").touch()
    (folder / ".environments" / "staging").mkdir(parents=True)
    (folder / "docker-compose.yml").write_text("services:\n  database: {}\n  dashboard: {}\n  cache: {}\n")
    (folder / ".nself").mkdir()
    (folder / ".nself" / "ports.json").write_text('{"native": {"dev": {"daemon/http": 8000}}}')
    assert complete(nself, "logs", "da") == ["daemon", "dashboard", "database"]
    assert complete(nself, "build", "--env", "") == ["dev", "qa", "staging"]
    assert "core-custom" in complete(nself, "plugin", "status", "core-")


def test_nothing_is_completed_where_there_is_nothing(nself: Nself) -> None:
    assert complete(nself, "logs", "x") == []
