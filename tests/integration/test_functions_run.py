"""The functions folder: its first sample, and the native runner with real requests."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from builtin_plugins.custom import programs
from builtin_plugins.optional.functions import contribute_services, pre_deploy, render_config
from builtin_plugins.optional.functions.folder import prepare
from builtin_plugins.optional.functions.service import RUNNER
from hookspecs import Service, Stack
from tests.ports import free_port
from tests.template_runner import Context, Laid, get, project_with, running, stop, wait_for

needs_node = pytest.mark.skipif(programs.node() is None, reason="Node.js and npm are not here")
ON = {
    "FUNCTIONS_ENABLED": True, "FUNCTIONS_VERSION": "22-1.4.0", "FUNCTIONS_PORT": 3008, "FUNCTIONS_ROUTE": "functions",
    "FUNCTIONS_ENV_PASSTHROUGH": None,
}  # fmt: skip


def stack(addressing: str = "names") -> Stack:
    return Stack(project="demo", environment="dev", runtime="compose", addressing=addressing, services=())  # type: ignore[arg-type]


def laid_out(root: Path, environment: str = "prod") -> Laid:
    project = project_with(root, environment=environment, **ON)
    for file in render_config(project, stack()):
        path = root / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(str(file.content), encoding="utf-8")
    spec = next(item for item in contribute_services(project) if isinstance(item, Service))
    context = Context(project, SimpleNamespace(find=lambda _: spec), spec.name, root / ".nself" / "native")
    laid = Laid(spec, context, root / "functions")
    prepare(context)  # type: ignore[arg-type]
    return laid


def test_the_sample_is_made_once_and_passes_the_check(tmp_path: Path) -> None:
    project = project_with(tmp_path, **ON)
    assert list(pre_deploy(project, "local", stack()))
    laid_out(tmp_path)
    assert {p.name for p in (tmp_path / "functions").iterdir()} == {".gitignore", "hello.js", "package.json", "package-lock.json"}
    assert list(pre_deploy(project, "local", stack())) == []
    assert list(render_config(project, stack())) == []
    (tmp_path / "functions" / "package-lock.json").unlink()
    assert "lock file" in next(iter(pre_deploy(project, "local", stack()))).message
    assert list(render_config(project, stack())) == [], "a folder with content is the user's"


def test_the_port_in_the_container_is_where_the_image_listens(tmp_path: Path) -> None:
    spec = next(item for item in contribute_services(project_with(tmp_path, **ON)) if isinstance(item, Service))
    assert (spec.ports[0].container, spec.ports[0].host) == (3000, 3008)
    assert spec.image and spec.image.ref == "nhost/functions:22-1.4.0"


@needs_node
@pytest.mark.slow
def test_functions_answer(tmp_path: Path) -> None:
    laid = laid_out(tmp_path)
    folder = laid.folder
    (folder / "sub").mkdir()
    (folder / "sub" / "index.js").write_text("exports.default = (q, s) => s.status(201).json({got: q.body, method: q.method});")
    (folder / "modern.mjs").write_text("export default async () => { throw new Error('inside'); };")
    (folder / "broken.js").write_text("module.exports = (")
    (folder / "_hidden.js").write_text("module.exports = (q, s) => s.send('never');")
    port = free_port()
    with running(laid, port) as process:
        assert get(port, "/hello") == (200, {"message": "Hello, world!"})
        assert get(port, "/hello?name=you") == (200, {"message": "Hello, you!"})
        assert get(port, "/sub/", b'{"a": 1}') == (201, {"got": {"a": 1}, "method": "POST"})
        assert get(port, "/hello", b"{")[0] == 400
        assert get(port, "/modern") == (500, {"error": "internal error"})
        assert get(port, "/broken")[0] == 500
        assert get(port, "/_hidden")[0] == 404
        assert get(port, "/hello", b'"' + b"x" * (7 << 20) + b'"')[0] == 413
        assert stop(process) == 0
    log = (tmp_path / "out.log").read_text()
    assert all(json.loads(line) for line in log.splitlines()) and "inside" in log
    assert "inside" not in json.dumps({"error": "internal error"})


@pytest.fixture
def reloaded(tmp_path: Path) -> Iterator[Callable[[], list[str]]]:
    """A program under the reloader that writes its number down; what it wrote."""
    folder = tmp_path / "source"
    folder.mkdir()
    seen = tmp_path / "seen"
    program = folder / "program.py"
    program.write_text(PROGRAM.format(number=1, seen=str(seen)))
    argv = [sys.executable, "-m", "builtin_plugins.custom.reload", "--folder", str(folder), "--", sys.executable, str(program)]
    process = subprocess.Popen(argv)
    reader: Any = lambda: seen.read_text().split() if seen.exists() else []  # noqa: E731
    reader.process, reader.program, reader.seen = process, program, seen
    try:
        yield reader
    finally:
        process.kill()
        process.wait(30)


PROGRAM = """
import os, time
open({seen!r}, "a").write("{number}:" + str(os.getpid()) + "\\n")
time.sleep(600)
"""


@pytest.mark.slow
def test_an_edit_starts_the_program_again_and_a_kill_leaves_no_orphan(reloaded: Any) -> None:
    wait_for(lambda: len(reloaded()) == 1, lambda: "it did not start")
    reloaded.program.write_text(PROGRAM.format(number=2, seen=str(reloaded.seen)))
    wait_for(lambda: [line[0] for line in reloaded()] == ["1", "2"], lambda: f"no reload: {reloaded()}")
    first, second = (int(line.split(":")[1]) for line in reloaded())
    assert not alive(first) and alive(second)
    if sys.platform.startswith("linux"):
        reloaded.process.kill()
        wait_for(lambda: not alive(second), lambda: "the program outlived its reloader")


def alive(pid: int) -> bool:
    import psutil

    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


@needs_node
@pytest.mark.slow
def test_the_runner_answers_again_after_an_edit(tmp_path: Path) -> None:
    laid = laid_out(tmp_path, environment="dev")
    assert str(RUNNER) in laid.command() and "builtin_plugins.custom.reload" in laid.command()
    port = free_port()
    with running(laid, port) as process:
        (laid.folder / "late.js").write_text("module.exports = (q, s) => s.json({late: true});")
        wait_for(lambda: answer(port) == (200, {"late": True}), lambda: str(answer(port)))
        assert stop(process) == 0


def answer(port: int) -> tuple[int, Any]:
    try:
        return get(port, "/late")
    except OSError as error:
        return 0, str(error)
