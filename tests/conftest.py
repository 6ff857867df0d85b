"""What all tests share: the checkout, the reference folder beside it, a home of their own, and nself as a program."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"

#: The secrets that the demo fixture's staging and prod files ask of the process environment.
FIXTURE_SECRETS = {
    f"{prefix}_{name}": f"{prefix.lower()}-{name.lower().replace('_', '-')}-Zq8vT2mK9xR4wN7p-long-enough"
    for prefix in ("STAGING", "PROD")
    for name in (
        "DB_PASSWORD", "HASURA_SECRET", "JWT_KEY", "MINIO_USER", "MINIO_PASSWORD", "REDIS_PASSWORD", "MEILISEARCH_KEY",
        "GRAFANA_PASSWORD",
    )
}  # fmt: skip


@pytest.fixture(scope="session")
def shared() -> Path:
    """The reference folder beside the checkout; a clone of the repository alone has none."""
    if not SHARED.is_dir():
        pytest.skip("needs the reference folder ../shared, which a clone does not have")
    return SHARED


@pytest.fixture(autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home for each test, so that none sees the developer's plugins, keys or authority."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("NSELF_HOME", str(home / ".nself"))
    for name in ("NSELF_ENV", "NSELF_RUNTIME", "ENV", "NSELF_DEBUG", "NSELF_TRACE_HOOKS"):
        monkeypatch.delenv(name, raising=False)
    return home


@dataclass
class Nself:
    """nself run as a user runs it, in a folder."""

    folder: Path
    environ: dict[str, str] = field(default_factory=dict)

    def __call__(
        self, *arguments: str, check: bool = True, stdin: str | None = None, timeout: float = 240, cwd: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run ``nself`` and return what it did; with ``check`` an exit code other than 0 fails the test with its output."""
        done = subprocess.run(
            [sys.executable, "-m", "nself_core", *arguments],
            cwd=cwd or self.folder,
            env={**os.environ, **self.environ},
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        if check and done.returncode:
            pytest.fail(f"nself {' '.join(arguments)} → {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done


@pytest.fixture
def nself(tmp_path: Path) -> Nself:
    """nself in an empty folder."""
    folder = tmp_path / "project"
    folder.mkdir()
    return Nself(folder)


@pytest.fixture
def fixture_project(nself: Nself, shared: Path) -> Nself:
    """nself in a copy of the original's demo project."""
    for file in (shared / "fixtures" / "nself-demo").iterdir():
        shutil.copy(file, nself.folder / file.name)
        (nself.folder / file.name).chmod(0o600)
    return nself


@pytest.fixture
def write_env(nself: Nself) -> Callable[[str], Nself]:
    """Write ``.env`` of an empty project and return nself there."""

    def write(text: str) -> Nself:
        (nself.folder / ".env").write_text(text, encoding="utf-8")
        return nself

    return write
