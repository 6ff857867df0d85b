"""Errors in the shape of Hasura's: a code, a message and the JSON path they belong to."""

from __future__ import annotations

from typing import Any

import asyncpg


class EngineError(Exception):
    """An error a client may see. `status` is the HTTP status of the metadata and v1alpha1 endpoints."""

    def __init__(self, code: str, message: str, path: str = "$", status: int = 400, internal: Any = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.path = path
        self.status = status
        self.internal = internal

    def graphql(self) -> dict[str, Any]:
        """The body of a GraphQL answer."""
        extensions: dict[str, Any] = {"path": self.path, "code": self.code}
        if self.internal is not None:
            extensions["internal"] = self.internal
        return {"errors": [{"message": self.message, "extensions": extensions}]}

    def plain(self) -> dict[str, Any]:
        """The body of a metadata API answer."""
        body: dict[str, Any] = {"path": self.path, "error": self.message, "code": self.code}
        if self.internal is not None:
            body["internal"] = self.internal
        return body


class DatabaseDown(EngineError):  # noqa: N818 - a state, read as such
    """The database cannot be reached."""

    def __init__(self, message: str = "connection error") -> None:
        super().__init__("postgres-error", message, "$", 503)


def validation(message: str, path: str = "$") -> EngineError:
    """The error for an operation that does not fit the schema."""
    return EngineError("validation-failed", message, path)


VIOLATIONS = {
    "23505": "Uniqueness violation. ",
    "23503": "Foreign key violation. ",
    "23502": "Not-NULL violation. ",
    "23514": "Check constraint violation. ",
    "23P01": "Exclusion constraint violation. ",
}


def from_postgres(error: asyncpg.PostgresError, path: str = "$") -> EngineError:
    """Translate an error of PostgreSQL: violations and bad data keep its message, the rest is internal."""
    state = error.sqlstate or ""
    message = str(error.args[0]) if error.args else ""
    if state in VIOLATIONS:
        code = "permission-error" if state == "23514" else "constraint-violation"
        return EngineError(code, VIOLATIONS[state] + message, path)
    if state.startswith("22"):
        return EngineError("data-exception", message, path)
    if state == "57014":
        return EngineError("time-limit-exceeded", "the operation took longer than its time limit", path)
    if state.startswith(("57P", "08", "53")):
        return DatabaseDown(message)
    return EngineError("postgres-error", "database query error", path, internal=postgres_detail(error))


def postgres_detail(error: asyncpg.PostgresError) -> dict[str, Any]:
    """What PostgreSQL says, in the fields Hasura reports it in."""
    return {
        "error": {
            "exec_status": "FatalError",
            "hint": error.hint if hasattr(error, "hint") else None,
            "message": str(error.args[0]) if error.args else "",
            "status_code": error.sqlstate,
            "description": error.detail if hasattr(error, "detail") else None,
        }
    }
