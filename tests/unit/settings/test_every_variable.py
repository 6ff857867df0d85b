"""Every variable of the reference and of the demo fixture is known to someone: none is silently ignored."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from nself_core.settings import Declarations
from nself_core.settings.fold import generic_name
from tests.conftest import ROOT

#: In the reference's text, but no variables of a project: parts of names, placeholders of templates, values.
NOT_SETTINGS = frozenset(
    """
    ACCESS_KEY AI_RPS ALERT_ON_FAILURE AUTH_METHOD AUTH_RPS BUILD_TARGET CODE_CACHE CRITICAL_TABLES CS_N
    CUSTOM_SERVICE_N DEFAULT_POOL_SIZE DEPENDS_ON DEV_MODE DISPLAY_NAME EFFECTIVE_CACHE_SIZE ENABLED_LOG_TYPES
    ENV_FILE ENV_PASSTHROUGH FROM_NAME FRONTEND_APP_N INTERNAL_ROUTE_1 MAINTENANCE_WORK_MEM MIN_POOL_SIZE
    NUM_WORKERS QUEUE_NAME RATE_LIMIT REDIS_PREFIX RESERVE_POOL_SIZE RESTART_POLICY RESTORE_TEST_SCHEDULE
    RETENTION_DAILY SECRET_KEY SERVER_IDLE_TIMEOUT SERVICE_NAME SERVICE_NAME_UPPER SERVICE_PORT SERVICE_ROUTE
    SHARED_BUFFERS START_COMMAND STATS_USERS SYSTEM_NAME TABLE_PREFIX UNAUTHORIZED_ROLE VIRUS_SCAN
    WAL_INTERVAL_SECONDS WEBHOOK_SECRET WORK_MEM X_ENABLED REMOTE_SCHEMA_N_NAME
    """.split()  # noqa: SIM905  sixty names as a list are sixty lines
)


@pytest.fixture(scope="module")
def declarations() -> Declarations:
    manifests = [json.loads(path.read_text()) for path in sorted((ROOT / "builtin_plugins").glob("**/plugin.json"))]
    return Declarations.of(manifests)


def known(declarations: Declarations, name: str) -> bool:
    return bool(declarations.meanings(name) or generic_name(name) or declarations.owner_elsewhere(name))


@pytest.mark.shared
def test_every_variable_of_the_fixture(declarations: Declarations, shared: Path) -> None:
    names = {
        match[1]
        for file in (shared / "fixtures" / "nself-demo").glob(".env*")
        for match in re.finditer(r"^([A-Z][A-Z0-9_]*)=", file.read_text(), re.MULTILINE)
    }
    assert len(names) > 80
    assert not sorted(name for name in names if not known(declarations, name))


@pytest.mark.shared
def test_every_variable_of_the_reference(declarations: Declarations, shared: Path) -> None:
    text = (shared / "reference" / "services-and-settings.md").read_text()
    names = set(re.findall(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b", text)) - NOT_SETTINGS
    names = {re.sub(r"_N(?=_|$)", "_1", name) for name in names}
    assert len(names) > 300
    assert not sorted(name for name in names if not known(declarations, name))


def test_no_variable_has_two_owners_and_every_use_is_declared(declarations: Declarations) -> None:
    assert not declarations.clashes
    for path in sorted((ROOT / "builtin_plugins").glob("**/plugin.json")):
        manifest = json.loads(path.read_text())
        undeclared = [
            name for name in manifest.get("uses", ()) if not declarations.meanings(name) and name not in declarations.patterns()
        ]
        assert not undeclared, manifest["name"]


def test_every_declaration_is_sound(declarations: Declarations) -> None:
    """A default fits its own type, a switch is declared, and each line of help is one."""
    from nself_core.settings.coerce import coerce

    for declared in declarations:
        for text in (declared.default, *declared.defaults.values()):
            if text is not None and "${" not in text:
                coerce(declared, text)
        for switch in (declared.when or "").split("|"):
            name = switch.strip()
            assert not name or declarations.meanings(name) or name in declarations.patterns(), (
                declared.owner,
                declared.name,
                name,
            )
        assert declared.help and "\n" not in declared.help, (declared.owner, declared.name)
