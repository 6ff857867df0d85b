"""The help contract: `--help` of every command works with no project, no home and no network, and changes nothing."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import click
import pytest

from nself_core.cli.lazy import LazyGroup
from nself_core.cli.main import main
from nself_core.cli.root import root
from nself_core.cli.table import BY_WORD, COMMANDS, SECTIONS

#: Issue of the first milestone, and the spellings that stay.
WORDS = [
    "init",
    "build",
    "start",
    "stop",
    "restart",
    "status",
    "logs",
    "urls",
    "exec",
    "health",
    "doctor",
    "env",
    "config",
    "secrets",
    "trust",
    "clean",
    "destroy",
    "plugin",
    "runtime",
    "completion",
    "version",
    "explain",
    "eject",
    "up",
    "down",
]


def walk(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    context = click.Context(command)
    yield path, command
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            assert child is not None, (*path, name)
            yield from walk(child, (*path, name))


def every_command() -> list[tuple[tuple[str, ...], click.Command]]:
    found: list[tuple[tuple[str, ...], click.Command]] = []
    for word in root.list_commands(click.Context(root)):  # the core's and those that our plugins claim
        command = root.get_command(click.Context(root), word)
        assert command is not None
        found += walk(command, (word,))
    return found


def contents(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_the_table_names_what_must_be_there() -> None:
    assert set(WORDS) <= set(BY_WORD)
    assert {entry.section for entry in COMMANDS} == set(SECTIONS)


@pytest.mark.parametrize("entry", COMMANDS, ids=lambda entry: entry.name)
def test_each_entry_has_its_module(entry: object) -> None:
    module = import_module(entry.module)  # type: ignore[attr-defined]
    assert isinstance(module.command, click.Command)


def test_the_help_of_every_command_works_anywhere_and_has_no_effect(
    tmp_path: Path, own_home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    commands = every_command()
    before = contents(own_home)
    for path, _ in commands:
        for spelling in ("--help", "-h"):
            assert main([*path, spelling]) == 0, path
            captured = capsys.readouterr()
            assert captured.out.startswith(f"Usage: nself {' '.join(path)}"), path
            assert captured.err == "", path
    assert contents(tmp_path) == set()
    assert contents(own_home) == before


def test_every_command_has_a_line_of_help_and_an_example() -> None:
    lacking = [
        " ".join(path)
        for path, command in every_command()
        if not command.get_short_help_str()
        or (not isinstance(command, click.Group) and "nself" not in f"{command.help}{command.epilog or ''}")
    ]
    assert lacking == []


def test_every_listing_speaks_json() -> None:
    plain = [
        " ".join(path)
        for path, command in every_command()
        if path[-1] in {"list", "status", "health", "urls", "doctor", "show", "explain", "diff", "validate", "version"}
        and not isinstance(command, click.Group)
        and "--json" not in [spelling for param in command.params for spelling in param.opts]
    ]
    assert plain == []


#: Every listing and what it must be given. Nothing runs in the project, and no registry is asked.
LISTINGS = {
    "status": [], "health": [], "urls": [], "doctor": [], "explain": ["services.postgres.ports"], "env list": [],
    "env diff": ["dev", "staging"], "env validate": [], "config list": [], "config validate": [], "secrets list": [],
    "config explain": ["POSTGRES_PORT"], "plugin list": [], "plugin status": [], "plugin outdated": [],
    "plugin search": [], "plugin trust list": [], "plugin verify": [], "license status": [],
    "runtime show": [], "version": [],
}  # fmt: skip
#: Those that know nothing before the stack runs: one line of why, exit code 1.
NEED_A_STACK = {"health", "plugin migrate status"}
#: Those whose exit code is an answer too.
ANSWERS = {"doctor", "license status"}


@pytest.fixture(scope="module")
def built(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The original's demo project, built once."""
    folder = tmp_path_factory.mktemp("built") / "demo"
    shutil.copytree(shared / "fixtures" / "nself-demo", folder)
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("NSELF_HOME", str(folder.parent / "home"))
        patched.chdir(folder)
        assert main(["build"]) == 0
    return folder


LEAVES = [path for path, command in every_command() if not isinstance(command, click.Group)]
GROUPS = [path for path, command in every_command() if isinstance(command, click.Group)]


def test_the_listings_are_all_known() -> None:
    named = {*LISTINGS, *NEED_A_STACK}
    words = {"list", "status", "health", "urls", "doctor", "show", "explain", "diff", "validate", "version", "outdated", "search"}
    assert {" ".join(path) for path in LEAVES if path[0] in BY_WORD and path[-1] in words} <= named


@pytest.mark.parametrize("listing", sorted({*LISTINGS, *NEED_A_STACK}))
def test_the_json_of_a_listing_parses(
    listing: str, built: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(built)
    code = main([*listing.split(), *LISTINGS.get(listing, ()), "--json"])
    out, err = capfd.readouterr()
    assert "Traceback" not in err
    if listing in NEED_A_STACK:
        assert code == 1
        assert json.loads(out) is not None if out else err.startswith("error: ")
    else:
        assert code == 0 or (code == 1 and listing in ANSWERS), err
        json.loads(out)


@pytest.mark.parametrize("where", ["an empty folder", "a built project"])
@pytest.mark.parametrize("path", LEAVES, ids=" ".join)
def test_wrong_arguments_are_wrong_usage(
    path: tuple[str, ...],
    where: str,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path if where == "an empty folder" else request.getfixturevalue("built")
    monkeypatch.chdir(folder)
    before = contents(folder)
    capfd.readouterr()  # what a build says that was made for this test
    command = dict(every_command())[path]
    arguments = [param for param in command.params if isinstance(param, click.Argument)]
    wrong = [["--no-such-option"], ["--json=maybe"]]
    if any(argument.required for argument in arguments):
        wrong.append([])
    if all(argument.nargs == 1 for argument in arguments):
        wrong.append(["one-too-many"] * (len(arguments) + 1))
    for given in wrong:
        assert main([*path, *given]) == 2, given
        out, err = capfd.readouterr()
        assert err.startswith("error: ") or "Usage: " in err, given
        assert "Traceback" not in out + err
    assert contents(folder) == before


@pytest.mark.parametrize("path", [(), *GROUPS], ids=lambda path: " ".join(path) or "nself")
def test_an_unknown_word_is_wrong_usage(
    path: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([*path, "no-such-word"]) == 2
    out, err = capfd.readouterr()
    assert "no-such-word" in err
    assert "Traceback" not in out + err


def test_words_for_the_same_thing_are_the_same_command() -> None:
    context = click.Context(root)
    for entry in COMMANDS:
        for alias in entry.aliases:
            assert root.get_command(context, alias) is root.get_command(context, entry.name)


def test_the_root_help_lists_every_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert isinstance(root, LazyGroup)
    assert main([]) == 0
    bare = capsys.readouterr().out
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    assert bare == text
    for entry in COMMANDS:
        assert f"  {', '.join((entry.name, *entry.aliases))} " in text
    for section in SECTIONS:
        assert f"\n{section}:\n" in text


def test_the_help_needs_no_home_that_can_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NSELF_HOME", os.devnull)
    assert main(["--help"]) == 0
