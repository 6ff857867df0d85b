"""Hand-made projects for the tests of the Compose runtime."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from hookspecs import Environment, Project, Route, Service, Settings, Stack
from nself_core.render.plan import plan_files
from nself_core.stack.assemble import assemble

#: Where the two generations of Compose may be; a test names the one it did not find.
CANDIDATES = {
    "v1": (os.environ.get("NSELF_TEST_COMPOSE_V1"), shutil.which("docker-compose")),
    "v2": (
        os.environ.get("NSELF_TEST_COMPOSE_V2"),
        "/usr/libexec/docker/cli-plugins/docker-compose",
        "/usr/lib/docker/cli-plugins/docker-compose",
        "/usr/local/lib/docker/cli-plugins/docker-compose",
        shutil.which("docker-compose"),
    ),
}


def compose_binary(generation: str) -> str:
    """The path of a Compose of that generation, or the test is skipped by name."""
    for candidate in CANDIDATES[generation]:
        if candidate and os.access(candidate, os.X_OK):
            done = subprocess.run([candidate, "version", "--short"], capture_output=True, text=True, check=False)
            version = done.stdout.strip().removeprefix("v")
            if version.startswith("1.") == (generation == "v1") and version:
                return candidate
    pytest.skip(f"no Docker Compose {generation} here (NSELF_TEST_COMPOSE_{generation.upper()} names one)")


def project(root: Path, *, name: str = "demo", cls: str = "dev") -> Project:
    return Project(
        name=name,
        root=root,
        environment=Environment(name=cls, cls=cls),  # type: ignore[arg-type]
        runtime="compose",
        settings=Settings(entries={}),
        domain="localhost",
    )


def stack(made: Project, *items: Service | Route) -> Stack:
    return assemble(made, [("test", item) for item in items], addressing="names").stack


def write(made: Project, bound: Stack, secrets: Mapping[str, str] | None = None) -> None:
    """Render what the Compose runtime renders, and put it where a build would."""
    from builtin_plugins.runtimes.compose.files import files

    for planned in plan_files([("core-compose", f) for f in files(made, bound)], bound, secrets or {}):
        target = made.root / planned.path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(planned.content)
        target.chmod(planned.mode)
