"""The questions of ``nself init``, answered on a real terminal."""

from __future__ import annotations

import os
import pty
import select
import signal
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")


class Terminal:
    """``nself init`` on a pseudo-terminal."""

    def __init__(self, folder: Path) -> None:
        self.text = ""
        self.pid, self.handle = pty.fork()
        if self.pid == 0:
            os.chdir(folder)
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # a shell's background job hands on that it is ignored
            os.execv(sys.executable, [sys.executable, "-m", "nself_core", "init"])

    def read(self) -> bool:
        """Read what is there; false once the program has ended."""
        ready, _, _ = select.select([self.handle], [], [], 0.2)
        if not ready:
            return True
        try:
            found = os.read(self.handle, 4096)
        except OSError:
            return False
        self.text += found.decode()
        return bool(found)

    def answer(self, question: str, reply: str) -> None:
        """Wait for a question that was not there before, and answer it."""
        seen, deadline = len(self.text), time.monotonic() + 120
        while question not in self.text[seen:]:
            assert time.monotonic() < deadline and self.read(), f"never asked {question!r}:\n{self.text}"
        os.write(self.handle, reply.encode())

    def question(self) -> str:
        """What is asked next: what ends as a question does, with nothing more to come."""
        seen, deadline = len(self.text), time.monotonic() + 120
        while True:
            before = len(self.text)
            alive = self.read()
            if not alive or (len(self.text) == before and self.text[seen:].endswith(": ")):
                return self.text[seen:]
            assert time.monotonic() < deadline, f"asks nothing more:\n{self.text}"

    def end(self, *, interrupt: bool = False) -> int:
        """Wait for the end; the exit code. ``interrupt``: press control-C again where one came too early."""
        deadline = time.monotonic() + 120
        pressed = time.monotonic()
        while self.read():
            now = time.monotonic()
            assert now < deadline, f"does not end:\n{self.text}"
            if interrupt and now - pressed > 10:  # far longer than an interrupted program takes to leave
                os.write(self.handle, b"\x03")
                pressed = now
        _, status = os.waitpid(self.pid, 0)
        os.close(self.handle)
        return os.waitstatus_to_exitcode(status)


def test_the_wizard_asks_again_for_a_bad_value_and_writes_what_was_said(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path)
    terminal.answer("Name of the project", "Corner Shop\n")
    terminal.answer("Root domain", "bad domain\n")
    terminal.answer("Root domain", "shop.example.com\n")
    for _ in range(40):
        asked = terminal.question()
        if "Write it?" in asked:
            os.write(terminal.handle, b"\n")
            break
        if "[y/N]" in asked:
            os.write(terminal.handle, b"y\n" if "redis (" in asked else b"n\n")
        elif "1:" in asked:
            os.write(terminal.handle, b"web\n" if "Frontends" in terminal.text else b"api:fastapi::api\n")
        else:
            os.write(terminal.handle, b"\n")
    assert terminal.end() == 0, terminal.text
    written = [line for line in (tmp_path / ".env.dev").read_text().splitlines() if line and not line.startswith("#")]
    assert written == [
        "PROJECT_NAME=corner-shop", "BASE_DOMAIN=shop.example.com", "REDIS_ENABLED=true", "CS_1=api:fastapi::api",
        "FRONTEND_APP_1_NAME=web",
    ]  # fmt: skip
    assert (tmp_path / ".environments/dev/.env.secrets").exists()


def test_control_c_leaves_the_folder_as_it_was(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path)
    terminal.answer("Name of the project", "\x03")
    assert terminal.end(interrupt=True) != 0
    assert "Traceback" not in terminal.text
    assert not list(tmp_path.iterdir())
