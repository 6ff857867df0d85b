"""Changing a ``.env`` file: any value reads back the same, and everything else stays byte for byte."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookspecs import UserError
from nself_core.settings import dotenv, edit

ODD = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
FILES = st.sampled_from(
    [
        "",
        "# c\nA=1\n",
        "X='old' # keep\nB=2\n",
        'export X="a\nb"   # keep\r\nB=2',
        "\ufeffX=1\r\nB=2\r\n",
        "B=2\nX=1\nX=2\n",
        "X=",
    ]
)


@given(ODD, FILES)
def test_any_value_reads_back(value: str, text: str) -> None:
    try:
        new = edit.assign(text, "X", value)
    except UserError:
        assert "${" in value and "\r" in value  # the one thing that a file with Windows lines cannot hold
        return
    file = dotenv.parse(new.encode(), ".env")
    line = file.last("X")
    assert not [p for p in file.problems if p.level == "error"]
    assert line is not None and line.value == value
    assert "${" not in value or line.literal
    for kept in ("B=2", "# keep", "# c", "A=1"):
        assert (kept in new) == (kept in text) or kept in value


def test_comments_order_and_line_ends_stay() -> None:
    text = "# head\r\nA=1   # one\r\n\r\n# about X\r\nexport X = 'old'   # the old # one\r\nB=2\r\n"
    assert edit.assign(text, "X", "new") == text.replace("X = 'old'", "X=new")
    assert edit.assign(text, "C", "3") == text + "C=3\r\n"
    assert edit.assign("A=1", "B", "2") == "A=1\nB=2\n"


def test_another_spelling_is_replaced_by_the_name() -> None:
    assert edit.assign("OLD=1 # why\n", "NEW", "2", spellings=frozenset({"OLD"})) == "NEW=2 # why\n"


def test_removing_keeps_the_rest() -> None:
    assert edit.remove("# a\nA=1\n\n# b\nB='x\ny'\nC=3\n", frozenset({"B"})) == "# a\nA=1\n\n# b\nC=3\n"


def test_a_reference_is_written_to_be_replaced_only_when_asked() -> None:
    assert edit.quote("a ${B}") == "'a ${B}'"
    assert edit.quote("a ${B}", refer=True) == '"a ${B}"'


def test_a_broken_file_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text('A="open\n')
    with pytest.raises(UserError) as error:
        edit.text_of(path)
    assert error.value.where.endswith(".env:1")


def test_a_file_keeps_its_mode_and_a_link_stays_one(tmp_path: Path) -> None:
    real, link = tmp_path / "real", tmp_path / ".env"
    real.write_text("A=1\n")
    real.chmod(0o640)
    link.symlink_to(real)
    edit.write(link, "A=2\n")
    assert link.is_symlink() and real.read_text() == "A=2\n"
    assert stat.S_IMODE(real.stat().st_mode) == 0o640


def test_nothing_is_left_where_writing_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / ".env"
    path.write_text("A=1\n")

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(UserError, match="No space left"):
        edit.write(path, "A=2\n")
    assert path.read_text() == "A=1\n" and [p.name for p in tmp_path.iterdir()] == [".env"]
