"""A headless Chromium spoken to by the WebDriver protocol, with a virtual authenticator (WebAuthn Level 3, section 11)."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from types import TracebackType
from typing import Any, Self

import httpx

from tests.ports import free_port

PROGRAMS = ("chromedriver", "chromium")


def missing() -> str:
    """Which program a browser test lacks, or nothing."""
    return ", ".join(program for program in PROGRAMS if shutil.which(program) is None)


class Browser:
    """One browser window; `arguments` are more of Chromium's own."""

    def __init__(self, *arguments: str) -> None:
        self._arguments = arguments

    def __enter__(self) -> Self:
        port = free_port()
        self._folder = tempfile.mkdtemp(prefix="nself-auth-browser-", dir="/tmp")
        self._driver = subprocess.Popen(
            [shutil.which("chromedriver") or "", f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self._http = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60)
        for _ in range(100):
            try:
                self._http.get("/status")
                break
            except httpx.TransportError:
                time.sleep(0.05)
        arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            f"--user-data-dir={self._folder}",
            *self._arguments,
        ]
        options = {"browserName": "chrome", "goog:chromeOptions": {"binary": shutil.which("chromium"), "args": arguments}}
        self._path = ""
        session = self._command("POST", "/session", {"capabilities": {"alwaysMatch": options}})["sessionId"]
        self._path = f"/session/{session}"
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._path:
            self._http.delete(self._path)
        self._http.close()
        self._driver.terminate()
        self._driver.wait(20)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _command(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        answer = self._http.request(method, self._path + path, json=body if method == "POST" else None).json()["value"]
        if isinstance(answer, dict) and "error" in answer:
            raise RuntimeError(f"{path}: {answer['error']}: {answer['message'][:500]}")
        return answer

    def open(self, url: str) -> None:
        """Go to a page."""
        self._command("POST", "/url", {"url": url})

    @property
    def url(self) -> str:
        """Where the window is."""
        return self._command("GET", "/url")

    def run(self, script: str, *arguments: Any) -> Any:
        """The value an async function body returns in the page."""
        wrapped = f"""const done = arguments[arguments.length - 1];
            (async (...given) => {{ {script} }})(...Array.from(arguments).slice(0, -1))
              .then(done, (error) => done({{failed: String(error)}}));"""
        value = self._command("POST", "/execute/async", {"script": wrapped, "args": list(arguments)})
        if isinstance(value, dict) and "failed" in value:
            raise RuntimeError(value["failed"])
        return value

    def add_authenticator(self) -> None:
        """A platform authenticator that holds passkeys and always finds its user present and verified."""
        traits = {"hasResidentKey": True, "hasUserVerification": True, "isUserVerified": True}
        self._command("POST", "/webauthn/authenticator", {"protocol": "ctap2", "transport": "internal", **traits})
