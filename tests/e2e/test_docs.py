"""Every shell command in the documentation is run, page by page, as a reader would."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(p for p in (ROOT / "docs").rglob("*.md") if "```sh\n" in p.read_text())
BIN = Path(sys.executable).parent

pytestmark = pytest.mark.slow


def commands(page: Path) -> str:
    return "\n".join(re.findall(r"^```sh\n(.*?)^```$", page.read_text(), re.S | re.M))


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_the_commands_of_a_page_work(page: Path, tmp_path: Path) -> None:
    environ = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"}
    try:
        done = subprocess.run(
            ["bash", "-euxo", "pipefail", "-c", commands(page)],
            cwd=tmp_path,
            env=environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    finally:
        for project in tmp_path.iterdir():
            subprocess.run([BIN / "nself", "destroy", "--yes"], cwd=project, env=environ, capture_output=True, check=False)


def test_the_readme_names_the_two_commands_and_the_second_is_what_ci_runs() -> None:
    readme = (ROOT / "README.md").read_text()
    assert "python3 dev.py demo" in readme
    assert "python3 dev.py test" in readme
    assert (ROOT / ".ci" / "run").read_text().rstrip().endswith("python3 dev.py test")


def test_links_between_pages_lead_somewhere() -> None:
    broken = []
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
            if "://" not in target and not (page.parent / target).exists():
                broken.append(f"{page.relative_to(ROOT)}: {target}")
    assert broken == []
