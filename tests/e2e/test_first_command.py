"""The README's first command, in a copy of the checkout as a clone is, with nothing in the home of who runs it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from builtin_plugins.runtimes.native.processes import strays
from builtin_plugins.runtimes.native.runtime import NativeRuntime
from nself_core.workspace import Workspace
from tests.ports import free_ports

ROOT = Path(__file__).resolve().parents[2]
COMMAND = "python3 dev.py demo"
#: What pip and npm have fetched before, found while the home is still the real one, so that nothing is fetched twice.
CACHES = {
    "PIP_CACHE_DIR": os.environ.get("PIP_CACHE_DIR", str(Path.home() / ".cache" / "pip")),
    "NPM_CONFIG_CACHE": os.environ.get("NPM_CONFIG_CACHE", str(Path.home() / ".npm")),
}
#: What git does not track: at the top, and anywhere.
NOT_CLONED_TOP = {".git", ".venv", "demo", "build", "dist"}
NOT_CLONED = shutil.ignore_patterns("__pycache__", "*.egg-info", "node_modules", ".*_cache")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


def ports_of_its_own() -> dict[str, str]:
    """A free port for every port that a setting of a built-in plugin gives, so that no other stack is in the way."""
    manifests = [json.loads(path.read_text()) for path in (ROOT / "builtin_plugins").rglob("plugin.json")]
    declared = {setting["name"]: setting for manifest in manifests for setting in manifest.get("settings", ())}
    names = [name for name, it in declared.items() if name.endswith("_PORT") and it.get("type") == "port" and "{" not in name]
    elsewhere = {"SMTP_PORT"}  # of somebody's mail server
    ours = [name for name in names if declared[name].get("default") and name not in elsewhere]
    ours += [f"CS_{number}_PORT" for number in range(1, 5)]  # the demo's own services
    return dict(zip(ours, map(str, free_ports(len(ours))), strict=True))


@pytest.fixture
def clone(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "nself"
    shutil.copytree(
        ROOT, place, ignore=lambda where, names: NOT_CLONED(where, names) | (NOT_CLONED_TOP if where == str(ROOT) else set())
    )
    yield place
    if (place / "demo").is_dir():
        subprocess.run([place / ".venv/bin/nself", "destroy", "--yes"], cwd=place / "demo", capture_output=True, check=False)


def shell(command: str, cwd: Path, environ: dict[str, str]) -> str:
    """What a command that must succeed prints."""
    done = subprocess.run(
        ["bash", "-c", command], cwd=cwd, env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command} → {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_it_ends_with_a_healthy_stack_and_again_is_harmless(clone: Path, tmp_path: Path) -> None:
    assert COMMAND in (ROOT / "README.md").read_text()
    home = tmp_path / "empty-home"
    home.mkdir()
    python = Path(sys._base_executable).parent  # type: ignore[attr-defined]
    # the way to the package indexes (certificates, proxies) is the machine's; nothing else of who runs the tests is
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("NSELF_", "XDG_", "VIRTUAL_ENV", "PYTHON"))}
    environ = {**kept, **CACHES, "PATH": f"{python}:{os.environ['PATH']}", "HOME": str(home), **ports_of_its_own()}

    told = shell(COMMAND, clone, environ)
    urls = re.findall(r"https?://\S+", told)
    assert urls, told
    demo = clone / "demo"
    nself = "../.venv/bin/nself"
    status = json.loads(shell(f"{nself} status --json", demo, environ))
    assert status["runtime"] == "native"
    assert status["summary"]["unhealthy"] == status["summary"]["stopped"] == 0, status
    running = {s["name"]: s["container_id"] for s in status["services"] if s["status"] == "running"}
    assert {"postgres", "hasura", "auth", "nginx"} <= set(running)
    for service in status["services"]:
        assert service["status"] != "unavailable" or service["reason"], service
    shell(f"{nself} health", demo, environ)
    assert any(answers(url) for url in urls if "127.0.0.1" in url or "localhost" in url), told

    shell(COMMAND, clone, environ)
    again = json.loads(shell(f"{nself} status --json", demo, environ))
    assert {s["name"]: s["container_id"] for s in again["services"] if s["status"] == "running"} == running

    runtime = Workspace.open(start=demo).runtime("native")
    assert isinstance(runtime, NativeRuntime)
    assert strays(runtime.layout)
    shell(f"{nself} stop", demo, environ)
    assert strays(runtime.layout) == []


def answers(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=5).close()
    except urllib.error.HTTPError:
        return True  # whoever asks for a sign-in is there
    except OSError:
        return False  # a name that only a browser resolves, a certificate that is not trusted here
    return True
