"""In dev an edit of a custom service's source counts at once, in its container."""

from __future__ import annotations

import http.client
import os
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
def test_an_edit_is_live_within_two_seconds(demo: Project, service: str) -> None:
    file, old, new = SERVICES[service]
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
            until(lambda word=word: word in answer(port), 30)
            took.append(time.monotonic() - began)
            if took[-1] < 2:
                break
            time.sleep(1)
    finally:
        path.write_text(original)
    # The best of three, and only where nothing else keeps the processors busy: what is waited for is a program's start.
    busy = os.getloadavg()[0] > 1.5 * (os.cpu_count() or 1)
    assert min(took) < (20 if busy else 2), took
    assert demo.container(service)["Id"] == before["Id"], "the container is the same"
    assert demo.container(service)["RestartCount"] == before["RestartCount"]
