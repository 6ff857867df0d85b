"""What schemathesis checks of every answer beside its own: the error body's code, with its status (SCHEMATHESIS_HOOKS)."""

from __future__ import annotations

import schemathesis

from builtin_plugins.core.auth.server.errors import REQUEST_STATUSES, TABLE


@schemathesis.check
def error_and_status(_context: object, response: schemathesis.Response, _case: schemathesis.Case) -> None:
    """An error body names a code of the contract, comes with that code's status, and says it in `status`, too."""
    if response.status_code < 400:
        return
    body = response.json()
    assert set(body) == {"status", "message", "error"}, body
    assert body["status"] == response.status_code
    allowed = {TABLE[body["error"]][0]} | (REQUEST_STATUSES if body["error"] == "invalid-request" else set())
    assert response.status_code in allowed, body
