"""The conformance cases, where their folder stands beside the checkout."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from .servers import ROOT, SECRET, debian_programs, running_engine, running_postgres

RUNNER = ROOT.parent / "shared" / "conformance" / "hasura" / "run.py"
EXACT = 152


@pytest.mark.slow
@pytest.mark.shared
def test_conformance_does_not_fall_back() -> None:
    """At least as many exact cases as are known to pass on PostGIS 3.3."""
    if not RUNNER.exists():
        pytest.skip("the shared conformance cases are not beside the checkout")
    if debian_programs() is None:
        pytest.skip("PostGIS is not installed")
    with (
        running_postgres(postgis=True) as server,
        running_engine(server.url, HASURA_GRAPHQL_STRINGIFY_NUMERIC_TYPES="true") as engine,
    ):
        argv = [sys.executable, RUNNER, "--url", engine.base, "--admin-secret", SECRET, "-v"]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=250, check=False)
    found = re.search(r"conformance: (\d+) exact", done.stdout)
    assert found, done.stdout[-2000:] + done.stderr[-2000:]
    assert int(found.group(1)) >= EXACT, done.stdout[-4000:]
