"""Rules of the house that a program can check."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

#: Services whose names the core must not know.
SERVICES = ("postgres", "hasura", "minio", "grafana", "prometheus", "nginx", "redis", "mailpit", "meilisearch")
#: What start-up may not import.
HEAVY = ("pydantic", "jinja2", "docker", "httpx", "paramiko", "cryptography", "yaml", "rich", "psutil", "importlib.metadata")


def sources(package: str, *patterns: str) -> Iterator[Path]:
    for pattern in patterns:
        yield from (path for path in (ROOT / package).rglob(pattern) if "__pycache__" not in path.parts)


def test_the_core_names_no_service() -> None:
    named = re.compile("|".join(SERVICES), re.I)
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in sources("nself_core", "*.py", "*.json")
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if named.search(line)
    ]
    assert found == []


def imports(path: Path) -> set[str]:
    """Every module a file imports, at its top and inside functions."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.add(node.module)
    return names


def test_built_in_plugins_use_nothing_private() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in sources("builtin_plugins", "*.py")
        if "templates" not in path.parts
        for name in sorted(imports(path))
        if name.partition(".")[0] == "nself_core"
    ]
    assert found == []


def test_hookspecs_use_neither_the_core_nor_a_plugin() -> None:
    found = {name.partition(".")[0] for path in sources("hookspecs", "*.py") for name in imports(path)}
    assert not found & {"nself_core", "builtin_plugins"}


def imported_by(code: str, *, cwd: Path) -> set[str]:
    """The modules that are there after running some code in a Python of its own, less those of a bare one."""
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\nbefore = set(sys.modules)\n{code}\nprint(*sorted(set(sys.modules) - before))"],
        capture_output=True, text=True, check=True, cwd=cwd,
    )  # fmt: skip
    return set(done.stdout.splitlines()[-1].split())


def heavy(modules: set[str]) -> set[str]:
    return {module for module in modules if module in HEAVY or module.partition(".")[0] in HEAVY}


def test_marking_a_hook_imports_pluggy_alone(tmp_path: Path) -> None:
    modules = imported_by("from hookspecs import hookimpl", cwd=tmp_path)
    assert heavy(modules) == set()
    ours = {module for module in modules if module.partition(".")[0] in {"hookspecs", "nself_core", "builtin_plugins"}}
    assert ours == {"hookspecs"}
    assert {module.partition(".")[0] for module in modules} - set(sys.stdlib_module_names) == {"pluggy", "hookspecs"}


def test_the_hook_specifications_import_no_model(tmp_path: Path) -> None:
    assert heavy(imported_by("import hookspecs.specs", cwd=tmp_path)) == set()


RUN = "from nself_core.cli.main import main\nassert main({arguments!r}) == 0"


def test_the_version_is_answered_before_click_is_imported(tmp_path: Path) -> None:
    for arguments in (["version"], ["--version"]):
        modules = imported_by(RUN.format(arguments=arguments), cwd=tmp_path)
        assert not {"click", "json", "pluggy"} & modules
        assert heavy(modules) == set()


@pytest.mark.parametrize("arguments", [["--help"], ["plugin", "list", "--json"], ["plugin", "--help"], ["completion", "bash"]])
def test_start_up_imports_nothing_heavy(arguments: list[str], tmp_path: Path) -> None:
    for _ in range(2):  # the first compiles the index
        modules = imported_by(RUN.format(arguments=arguments), cwd=tmp_path)
        assert heavy(modules) == set()
        assert not {module for module in modules if module.startswith("builtin_plugins.")}


def test_the_help_of_every_command_imports_nothing_heavy(tmp_path: Path) -> None:
    from nself_core.cli.table import COMMANDS

    code = "\n".join(RUN.format(arguments=[entry.name, "--help"]) for entry in COMMANDS)
    assert heavy(imported_by(code, cwd=tmp_path)) == set()


def test_warm_start_up_needs_no_plugin_machinery(tmp_path: Path) -> None:
    imported_by(RUN.format(arguments=["--help"]), cwd=tmp_path)
    modules = imported_by(RUN.format(arguments=["--help"]), cwd=tmp_path)
    assert not {"pluggy", "hookspecs.specs", "nself_core.workspace", "tempfile"} & modules
