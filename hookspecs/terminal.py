"""How a plugin's commands speak with the person at the terminal. Imports click and the standard library alone."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import click

from hookspecs.errors import UserError

env_option = click.option("--env", "-e", metavar="NAME", default=None, help="The environment to use instead of the one in force.")
#: Whose rows, of a plugin that several applications share.
account_option = click.option("--account", default="", help="Whose rows; by default primary.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
yes_option = click.option("--yes", "-y", is_flag=True, help="Do not ask.")
password_option = click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")


def print_json(data: Any) -> None:
    """One JSON document on standard output."""
    click.echo(json.dumps(data, indent=2, ensure_ascii=False, default=str))


def print_table(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Columns under headers, as wide as their content. Control characters are shown as ``?``: cells hold strangers' text."""
    body = [["".join(c if c.isprintable() else "?" for c in str(cell)) for cell in row] for row in [headers, *rows]]
    widths = [max(map(len, column)) for column in zip(*body, strict=True)]
    for number, row in enumerate(body):
        text = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        click.echo(text.upper() if number == 0 else text)


def say(text: str = "") -> None:
    """A line on standard output, control characters shown as ``?``."""
    click.echo("".join(sign if sign.isprintable() or sign == "\n" else "?" for sign in text))


def tell(text: str) -> None:
    """A line for the person at the terminal, on standard error: progress, notes, what to do next."""
    click.echo(text, err=True)


def read_json(text: str, what: str) -> Any:
    """JSON given as an argument, or ``@file``; ``UserError`` (wrong usage) where it is none. ``what`` names it."""
    source = text
    if text.startswith("@"):
        try:
            source = Path(text[1:]).read_text("utf-8")
        except OSError as error:
            raise UserError(f"{what} cannot be read: {error.strerror}", where=text[1:], exit_code=2) from None
    try:
        return json.loads(source)
    except ValueError as error:
        raise UserError(f"{what} is no JSON: {error}", remedy="quote it for the shell, or pass @file", exit_code=2) from None


def require_yes(question: str, *, yes: bool) -> None:
    """Ask before what cannot be taken back; without a terminal only ``--yes`` goes on."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise UserError(f"{question} Not asked, as this is no terminal", remedy="pass --yes to go on", code="declined")
    if not click.confirm(question, err=True):
        raise click.Abort


def password(*, from_stdin: bool, minimum: int) -> str:
    """A new password, typed twice at the terminal or the first line of standard input; never an argument."""
    if from_stdin:
        given = sys.stdin.readline().rstrip("\r\n")
    elif sys.stdin.isatty():
        given = click.prompt("New password", hide_input=True, confirmation_prompt="Again", err=True)
    else:
        raise UserError(
            "there is no terminal to type a password at", remedy="pass --password-stdin", code="password", exit_code=2
        )
    if len(given) < minimum:
        raise UserError(f"the password is shorter than {minimum} characters", code="password")
    return str(given)


def read_text(source: str) -> str:
    """A file, or standard input for ``-``; ``UserError`` where it is not UTF-8."""
    raw = sys.stdin.buffer.read() if source == "-" else Path(source).read_bytes()
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise UserError(f"line {line}: it is not UTF-8", where=source, remedy="save it as UTF-8", code="text") from None
