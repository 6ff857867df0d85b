"""In dev an edit of a custom service's source counts at once, in its container.

How soon is told and not asserted: it is a program's start that is waited for, and a busy machine makes that slow. The figures of
an idle machine stand in docs/explanation/containers.md.
"""

from __future__ import annotations

import http.client
import time
from pathlib import Path

import pytest

from tests.e2e_docker.conftest import Project
from tests.native_project import until

pytestmark = pytest.mark.timeout(300)

#: File of each service, the text that is edited and what it becomes.
SERVICES = {
    "python-api": ("services/python_api/main.py", '"service": SERVICE, "env', '"edit": "@", "service": SERVICE, "env'),
    "express-api": ("services/express_api/index.js", "({ service, env", "({ edit: '@', service, env"),
}


def answer(port: int) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/")
        return connection.getresponse().read().decode()
    except (OSError, http.client.HTTPException):
        return ""
    finally:
        connection.close()


@pytest.mark.parametrize("service", SERVICES)
def test_an_edit_is_live_in_the_same_container(demo: Project, service: str, capsys: pytest.CaptureFixture[str]) -> None:
    file, old, new = SERVICES[service]
    if service not in demo.containers():
        demo("start", service, timeout=250)
    path: Path = demo.folder / file
    original = path.read_text()
    assert old in original
    before = demo.container(service)
    port = demo.port(service)
    until(lambda: "service" in answer(port))
    took = []
    try:
        for attempt in range(3):
            word = f"edit-{attempt}"
            path.write_text(original.replace(old, new.replace("@", word)))
            began = time.monotonic()
            until(lambda word=word: word in answer(port), 60)
            took.append(time.monotonic() - began)
    finally:
        path.write_text(original)
    with capsys.disabled():
        print(f"\n{service}: an edit is live after {', '.join(f'{seconds:.2f}' for seconds in took)} s")
    assert demo.container(service)["Id"] == before["Id"], "the container is the same"
    assert demo.container(service)["RestartCount"] == before["RestartCount"]
