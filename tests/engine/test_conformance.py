"""Hasura's own server cases, where their folder stands beside the checkout: as the shared runner prepares them, and as they
were written to be prepared.

The shared runner writes the cases' `insert` set-ups as `json_populate_recordset`, which puts NULL where Hasura's own
`insert` leaves a column its default, and GeoJSON text into `geography`, which PostGIS refuses; it runs one configuration,
with the admin's secret in every request; and it leaves out set-ups that are not in a set-up file. 20 of its cases cannot
pass on any server for one of these reasons. The second test sends `insert` as it stands and prepares those cases singly.
"""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import OctKey

from .servers import ROOT, SECRET, Engine, Postgres, debian_programs, running_engine, running_postgres

RUNNER = ROOT.parent / "shared" / "conformance" / "hasura" / "run.py"
#: Cases that match wholly, and error cases with another text.
EXACT, NEAR = 152, 2

pytestmark = [pytest.mark.slow, pytest.mark.shared, pytest.mark.skipif(not RUNNER.exists(), reason="no shared conformance cases")]


@pytest.fixture(scope="module")
def gis() -> Iterator[Postgres]:
    """A cluster with PostGIS, and the American locale that cases write money in."""
    if debian_programs() is None:
        pytest.skip("PostGIS is not installed")
    # Not below pytest's own folder: every session of pytest that starts closes that to other accounts, such as the cluster's.
    with tempfile.TemporaryDirectory(prefix="nself-engine-locales-", dir="/tmp") as locales:
        folder = Path(locales)
        folder.chmod(0o755)
        made = subprocess.run(
            ["localedef", "-i", "en_US", "-f", "UTF-8", folder / "en_US.utf8"], capture_output=True, check=False
        )
        if made.returncode:
            pytest.skip("the sources of locales are not installed")
        with running_postgres(postgis=True, LOCPATH=f"{locales}:/usr/lib/locale") as server:
            yield server


@pytest.fixture(scope="module")
def runner() -> ModuleType:
    """The shared runner as a module that leaves `insert` as it stands."""
    spec = importlib.util.spec_from_file_location("conformance_run", RUNNER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.translate = lambda query: query
    return module


@pytest.fixture(scope="module")
def engine(gis: Postgres) -> Iterator[Engine]:
    """One engine for all but the cases that need another configuration."""
    with running_engine(gis.url, HASURA_GRAPHQL_STRINGIFY_NUMERIC_TYPES="true") as running:
        yield running


def test_the_shared_runner(engine: Engine) -> None:
    """At least as many exact and near cases as are known to pass."""
    argv = [sys.executable, RUNNER, "--url", engine.base, "--admin-secret", SECRET, "-v"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=280, check=False)
    found = re.search(r"conformance: (\d+) exact \+ (\d+) near", done.stdout)
    assert found, done.stdout[-2000:] + done.stderr[-2000:]
    assert int(found[1]) >= EXACT, done.stdout[-4000:]
    assert int(found[1]) + int(found[2]) >= EXACT + NEAR, done.stdout[-4000:]


@pytest.mark.parametrize(
    ("folder", "differing"),
    [
        ("graphql_mutation/delete/basic", set()),
        ("graphql_mutation/delete/permissions", set()),
        # Hasura writes numerics with trailing zeros that its binary encoding of them makes: 12344.5700 for 12344.57.
        ("graphql_mutation/update/basic", {"numerics_inc"}),
    ],
)
def test_with_the_cases_own_inserts(engine: Engine, runner: ModuleType, folder: str, differing: set[str]) -> None:
    """`insert` of the old API does what Hasura's does, so the folders whose set-ups need that work."""
    found = list(runner.run_folder(runner.Server(engine.base, SECRET), RUNNER.parent / "cases" / folder, ""))
    assert {case.stem for case, verdict, _ in found if verdict != "pass"} == differing


def _case(runner: ModuleType, engine: Engine, case: str, *more: dict[str, Any], headers: dict[str, str] | None = None) -> None:
    """Set up the case's folder, send `more`, run it; it must match wholly."""
    file = RUNNER.parent / "cases" / case
    server = runner.Server(engine.base, SECRET)
    server.wipe()
    for name in (*runner.SETUPS, *runner.VALUES):
        if (file.parent / name).exists():
            assert server.apply(file.parent / name) is None
    for request in more:
        assert server.post("/v1/query", request).status_code == 200
    if headers is not None:
        server.post = lambda path, body, given=None: httpx.post(
            engine.base + path, json=body, headers={**(given or {}), **headers}
        )
    assert runner.run_case(server, file) == ("pass", "")


@pytest.mark.parametrize(
    ("case", "function"),
    [("function_as_mutations_permissions", "add_to_score"), ("single_row_function_as_mutation", "add_to_score_by_user_id")],
)
def test_functions_need_their_permission(engine: Engine, runner: ModuleType, case: str, function: str) -> None:
    permission = {"type": "pg_create_function_permission", "args": {"function": function, "role": "anonymous"}}
    _case(runner, engine, f"graphql_mutation/functions/{case}.yaml", permission)


def test_functions_without_inferred_permissions(gis: Postgres, runner: ModuleType) -> None:
    with running_engine(gis.url, HASURA_GRAPHQL_INFER_FUNCTION_PERMISSIONS="false") as engine:
        _case(runner, engine, "graphql_query/functions/permissions/get_articles_without_permission_configured.yaml")


def test_an_identity_column(engine: Engine, runner: ModuleType) -> None:
    sql = "CREATE TABLE table_identity_column (id int GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, name text)"
    made = {"type": "run_sql", "args": {"sql": sql}}
    tracked = {"type": "pg_track_table", "args": {"table": "table_identity_column"}}
    _case(runner, engine, "graphql_mutation/insert/insert_table_identity_column.yaml", made, tracked)


def test_backend_permissions_need_the_admin_secret(gis: Postgres, runner: ModuleType) -> None:
    key = "conformance-tests-only-" + "k" * 32
    claims = {"x-hasura-allowed-roles": ["backend_user_2"], "x-hasura-default-role": "backend_user_2"}
    token = jwt.encode({"alg": "HS256"}, {"https://hasura.io/jwt/claims": claims}, OctKey.import_key(key))
    with running_engine(gis.url, HASURA_GRAPHQL_JWT_SECRET=f'{{"type": "HS256", "key": "{key}"}}') as engine:
        case = "graphql_mutation/insert/permissions/backend_user_no_admin_secret_fail.yaml"
        _case(runner, engine, case, headers={"authorization": f"Bearer {token}"})
