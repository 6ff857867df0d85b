"""The dialect of ``.env`` files, and every way one can be broken: one clear finding with file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from nself_core.settings import dotenv


def parse(text: str | bytes) -> dotenv.DotenvFile:
    return dotenv.parse(text.encode() if isinstance(text, str) else text, ".env")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("A=1", "1"),
        ("export A=1", "1"),
        ("A = 1 ", "1"),
        ("A=a b # note", "a b"),
        ("A=a#b", "a#b"),
        ("A=", ""),
        ("A= # note", ""),
        ('A="x\\ny"', "x\ny"),
        ('A="x # y"  # note', "x # y"),
        ("A='x \"y\" \\'z\\''", "x \"y\" 'z'"),
        ('A="line\nline"', "line\nline"),
        ('A={"type":"HS256"}', '{"type":"HS256"}'),
        ("A=1\nA=2", "2"),
    ],
)
def test_the_dialect(text: str, value: str) -> None:
    file = parse(text)
    line = file.last("A")
    assert line is not None and line.value == value
    assert not file.problems


def test_single_quotes_are_literal_and_others_are_not() -> None:
    file = parse("A='${X}'\nB=\"${X}\"\nC=${X}\nexport D='${X}'\n")
    assert [line.literal for line in file.lines] == [True, False, False, True]


def test_a_line_knows_its_number_after_blanks_comments_and_long_values() -> None:
    file = parse('\n\n# note\nA=1\n\n\nB="x\ny\nz"\nC=3\n')
    assert [(line.name, line.line) for line in file.lines] == [("A", 4), ("B", 7), ("C", 10)]


@pytest.mark.parametrize(
    ("content", "code", "where"),
    [
        (b'A=1\nB="never closed\nC=3\n', "env-quote", ".env:2"),
        (b"A=1\nB='never closed\n", "env-quote", ".env:2"),
        (b'A="x" y\n', "env-quote", ".env:1"),
        (b"A=1\njust words\n", "env-syntax", ".env:2"),
        (b"A=1\nWORD\n", "env-syntax", ".env:2"),
        (b"=1\n", "env-syntax", ".env:1"),
        (b"1A=1\n", "env-syntax", ".env:1"),
        (b"A=1\nB=\x00\x01\n", "env-binary", ".env:2"),
        (b"A=1\nB=caf\xe9\n", "env-encoding", ".env:2"),
        ("A=1\n".encode("utf-16"), "env-encoding", ".env"),
        (b"A=" + b"x" * (1 << 20), "env-binary", ".env"),
    ],
)
def test_one_error_that_says_where(content: bytes, code: str, where: str) -> None:
    (problem,) = parse(content).problems
    assert (problem.level, problem.code, problem.where) == ("error", code, where)
    assert problem.remedy


def test_no_message_holds_a_value() -> None:
    file = parse('TOKEN="hunter2-is-secret\nhunter2 hunter2\nA="x" hunter2\n')
    assert file.problems
    assert not any("hunter2" in f"{p.message}{p.remedy}" for p in file.problems)


def test_windows_lines_are_read_with_a_note() -> None:
    file = parse(b'A=1\r\nB="x\r\ny"\r\nC=${A}\r\n')
    assert [(line.name, line.value, line.line) for line in file.lines] == [("A", "1", 1), ("B", "x\ny", 2), ("C", "${A}", 4)]
    assert [(p.level, p.code) for p in file.problems] == [("note", "env-crlf")]


def test_a_byte_order_mark_is_read_with_a_note() -> None:
    file = parse(b"\xef\xbb\xbfA=1\n")
    assert file.last("A") and [(p.level, p.code) for p in file.problems] == [("note", "env-bom")]


def test_a_quote_that_swallows_an_assignment_is_warned_of() -> None:
    (problem,) = parse('A="open\nDB_PORT=1\nB="\n').problems
    assert (problem.level, problem.code, problem.where) == ("warning", "env-quote", ".env:1")


def test_a_folder_and_a_missing_file(tmp_path: Path) -> None:
    (tmp_path / ".env").mkdir()
    file = dotenv.read(tmp_path / ".env", ".env")
    assert file is not None and [p.code for p in file.problems] == ["env-unreadable"]
    assert dotenv.read(tmp_path / "absent", "absent") is None


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    file = dotenv.read(tmp_path / ".env", ".env")
    assert file is not None
    (problem,) = file.problems
    assert problem.code == "env-unreadable" and "permission denied" in problem.message
