"""The contract, read from beside the checkout: the same operations, the same errors, and no surprise for generated input."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from joserfc import jwt
from joserfc.jwk import OctKey
from starlette.routing import Route

from builtin_plugins.core.auth.server.app import routes
from builtin_plugins.core.auth.server.errors import TABLE
from tests.ports import free_port

from .harness import JWT_KEY, MailSink, variables
from .test_abuse import claims

ROOT = Path(__file__).parents[2]
CONTRACT = ROOT.parent / "shared" / "reference" / "hasura-auth-openapi.yaml"
CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,"
    "negative_data_rejection,unsupported_method,ignored_auth,error_and_status"
)
EVERYTHING_ON = {
    "AUTH_EMAIL_SIGNIN_EMAIL_VERIFIED_REQUIRED": "false",
    "AUTH_WEBAUTHN_ENABLED": "true",
    "AUTH_MFA_ENABLED": "true",
    "AUTH_ANONYMOUS_USERS_ENABLED": "true",
    "AUTH_EMAIL_PASSWORDLESS_ENABLED": "true",
    "AUTH_OTP_EMAIL_ENABLED": "true",
    "AUTH_SMS_PASSWORDLESS_ENABLED": "true",
    "AUTH_SMS_PROVIDER": "dev",
    "AUTH_PROVIDER_GITHUB_ENABLED": "true",
    "AUTH_PROVIDER_GITHUB_CLIENT_ID": "a",
    "AUTH_PROVIDER_GITHUB_CLIENT_SECRET": "b",
}

pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not CONTRACT.exists(), reason="shared/reference/hasura-auth-openapi.yaml is not beside the checkout"),
]


@pytest.fixture(scope="module")
def contract() -> dict[str, Any]:
    return yaml.load(CONTRACT.read_text("utf-8"), yaml.CSafeLoader)


def test_every_operation_and_no_other(contract: dict[str, Any]) -> None:
    said = {(method.upper(), path) for path, item in contract["paths"].items() for method in item}
    ours = {(method, route.path) for route in routes() if isinstance(route, Route) for method in route.methods or ()}
    assert said == ours


def test_errors_are_the_enum(contract: dict[str, Any]) -> None:
    assert set(TABLE) == set(contract["components"]["schemas"]["ErrorResponse"]["properties"]["error"]["enum"])


@pytest.mark.slow
async def test_generated_requests(database_url: str, mail_sink: MailSink) -> None:
    """Schemathesis with every feature on: SCHEMATHESIS_CASES per operation, in SCHEMATHESIS_SECONDS at most."""
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    own = {"PATH": os.environ["PATH"], "AUTH_HOST": "127.0.0.1", "AUTH_PORT": str(port), "AUTH_LOG_LEVEL": "error"}
    env = {**variables(database_url, mail_sink), **own, **EVERYTHING_ON}
    server = subprocess.Popen([sys.executable, "-m", "builtin_plugins.core.auth.server"], env=env)
    try:
        async with httpx.AsyncClient(base_url=base) as client:
            for _ in range(200):
                try:
                    await client.get("/healthz")
                    break
                except httpx.TransportError:
                    await asyncio.sleep(0.05)
            user = {"email": "fuzz@example.com", "password": "fuzz fuzz"}
            made = (await client.post("/signup/email-password", json=user)).json()["session"]["user"]["id"]
        # A token of no session: the run itself signs out of every session it has.
        token = jwt.encode({"alg": "HS256"}, claims(made, exp=int(time.time()) + 3600), OctKey.import_key(JWT_KEY))
        arguments = [Path(sys.executable).with_name("schemathesis"), "run", CONTRACT, "--url", base, "--checks", CHECKS]
        arguments += ["--phases", "examples,coverage,fuzzing", "-n", os.environ.get("SCHEMATHESIS_CASES", "20")]
        arguments += ["--max-time", os.environ.get("SCHEMATHESIS_SECONDS", "90"), "--seed", "1", "--generation-database", "none"]
        arguments += ["-H", f"Authorization: Bearer {token}", "--no-color"]
        hooks = {**os.environ, "SCHEMATHESIS_HOOKS": "tests.auth.fuzz_checks"}
        done = await asyncio.to_thread(
            subprocess.run, arguments, env=hooks, cwd=ROOT, capture_output=True, text=True, timeout=280, check=False
        )
        print(done.stdout[-3000:])
    finally:
        server.terminate()
        server.wait(20)
    assert done.returncode == 0, done.stdout[-6000:]
