"""A service's HTTP port from inside its container, by the program its probe uses: it need not be published."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping

from builtin_plugins.runtimes.compose.engine import Engine
from builtin_plugins.runtimes.compose.shell import exec_argv
from hookspecs import HttpProbe, Service, UserError

_SECONDS = 60
#: Reads the request as JSON from standard input, so that no secret is an argument; prints the body, then the status on a line.
_PYTHON = """\
import json, sys, urllib.error, urllib.request
ask = json.load(sys.stdin)
request = urllib.request.Request(ask["url"], ask["body"].encode(), ask["headers"], method="POST")
try:
    answer = urllib.request.urlopen(request, timeout=60)
except urllib.error.HTTPError as error:
    answer = error
sys.stdout.write(answer.read().decode() + "\\n" + str(answer.status))
"""


class ContainerHttp:
    """See ``hookspecs.HttpAccess``."""

    def __init__(self, engine: Engine, service: Service) -> None:
        self._engine = engine
        self._service = service
        self._base = f"http://127.0.0.1:{service.port('http').container}"

    def post(self, path: str, body: str, headers: Mapping[str, str]) -> tuple[int, str]:
        """See ``hookspecs.HttpAccess``."""
        tool = self._service.probe.tool if isinstance(self._service.probe, HttpProbe) else ""
        if tool == "python":
            program = ["python", "-c", _PYTHON]
            told = json.dumps({"url": self._base + path, "body": body, "headers": dict(headers)})
        elif tool == "curl":
            program = ["curl", "-sS", "--max-time", str(_SECONDS), "-w", "\\n%{http_code}", "-K", "-"]
            told = _curl_options(self._base + path, body, headers)
        else:
            raise UserError(f"{self._service.name} has no program that could ask it", where=self._service.name, code="http")
        command, environment = exec_argv(self._engine, self._service.name, program, tty=False, user=None, env={})
        done = subprocess.run(command, input=told, capture_output=True, text=True, env=environment, check=False)
        text, _, status = done.stdout.rpartition("\n")
        if done.returncode or not status.strip().isdigit():
            raise UserError(f"it does not answer: {done.stderr.strip()[-300:]}", where=self._service.name, code="http")
        return int(status), text


def _curl_options(url: str, body: str, headers: Mapping[str, str]) -> str:
    """A request as curl's configuration file (https://curl.se/docs/manpage.html#-K)."""
    lines = [("url", url), ("data-binary", body), *(("header", f"{name}: {value}") for name, value in headers.items())]
    return "".join(f'{name} = "{_quoted(value)}"\n' for name, value in lines)


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t")
