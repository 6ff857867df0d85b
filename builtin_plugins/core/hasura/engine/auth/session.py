"""The identity of a request: role and session variables, from whichever credential it carries."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..config import Config
from ..errors import EngineError
from ..schema.model import ADMIN
from .jwt import JwtVerifier
from .webhook import Webhook

ROLE = "x-hasura-role"
SECRETS = ("x-hasura-admin-secret", "x-hasura-access-key")
BACKEND = "x-hasura-use-backend-only-permissions"


@dataclass(slots=True)
class Session:
    """Who asks. `variables` have lower-case names; `backend` admits backend-only permissions."""

    role: str
    variables: dict[str, str] = field(default_factory=dict)
    backend: bool = False
    expires: float | None = None


def denied(message: str, code: str = "access-denied", status: int = 401) -> EngineError:
    """A refusal."""
    return EngineError(code, message, "$", status)


class Authenticator:
    """Admin secret, then JWT, then webhook, then the unauthorized role."""

    def __init__(self, config: Config, http: Any, logger: Any) -> None:
        self.config = config
        self.verifiers = [JwtVerifier(secret, http, logger) for secret in config.jwt_secrets]
        self.webhook = Webhook(config.auth_hook, config.auth_hook_mode, http, logger) if config.auth_hook else None

    def is_admin_secret(self, given: str) -> bool:
        """Constant-time comparison with every secret."""
        found = False
        for secret in self.config.admin_secrets:
            found |= hmac.compare_digest(given.encode(), secret.encode())
        return found

    async def session(self, headers: Mapping[str, str], body: Any = None) -> Session:
        """The session of these headers (lower-case names); raises a refusal."""
        if not self.config.admin_secrets:
            return from_headers(headers, trusted=True)
        for name in SECRETS:
            given = headers.get(name)
            if given is not None:
                if not self.is_admin_secret(given):
                    raise denied('invalid "x-hasura-admin-secret"/"x-hasura-access-key"')
                return from_headers(headers, trusted=True)
        if self.webhook is not None:
            return await self._hooked(headers, body)
        if self.verifiers:
            return await self._token(headers)
        if self.config.unauthorized_role:
            return Session(self.config.unauthorized_role, {ROLE: self.config.unauthorized_role})
        raise denied("x-hasura-admin-secret/x-hasura-access-key required, but not found")

    async def _token(self, headers: Mapping[str, str]) -> Session:
        problem: EngineError | None = None
        for verifier in self.verifiers:
            token = verifier.token_in(headers)
            if token is None:
                continue
            try:
                variables, expires = await verifier.variables(token)
            except EngineError as error:
                problem = error
                continue
            return chosen_role(variables, headers, expires)
        if problem is not None:
            raise problem
        if self.config.unauthorized_role:
            return Session(self.config.unauthorized_role, {ROLE: self.config.unauthorized_role})
        raise denied("Missing 'Authorization' or 'Cookie' header in JWT authentication mode", "invalid-headers", 400)

    async def _hooked(self, headers: Mapping[str, str], body: Any) -> Session:
        assert self.webhook is not None  # noqa: S101 - the caller has checked
        variables, expires = await self.webhook.ask(headers, body)
        if variables is None:
            if self.config.unauthorized_role:
                return Session(self.config.unauthorized_role, {ROLE: self.config.unauthorized_role})
            raise denied("Authentication hook unauthorized this request")
        role = variables.get(ROLE)
        if not role:
            raise denied("missing x-hasura-role key in webhook response", "unexpected", 500)
        return Session(role, variables, variables.get(BACKEND, "").lower() == "true", expires)


def from_headers(headers: Mapping[str, str], *, trusted: bool) -> Session:
    """The session an admin asks for: any role, any variable."""
    role = headers.get(ROLE) or ADMIN
    variables = {
        name: value for name, value in headers.items() if name.startswith("x-hasura-") and name not in SECRETS and name != BACKEND
    }
    variables[ROLE] = role
    return Session(role, variables, trusted and headers.get(BACKEND, "").lower() == "true")


def chosen_role(variables: dict[str, Any], headers: Mapping[str, str], expires: float | None) -> Session:
    """Apply the role a client asks for, among those its token allows."""
    allowed = variables.pop("x-hasura-allowed-roles", None)
    default = variables.pop("x-hasura-default-role", None)
    if not isinstance(allowed, list) or not all(isinstance(item, str) for item in allowed):
        raise denied("invalid x-hasura-allowed-roles; should be a list of roles", "jwt-invalid-claims", 400)
    if not isinstance(default, str):
        raise denied("JWT claim does not contain x-hasura-default-role", "jwt-missing-role-claims", 400)
    role = headers.get(ROLE) or default
    if role not in allowed:
        raise denied("Your requested role is not in allowed roles", "access-denied", 400)
    found = {name: value for name, value in variables.items() if isinstance(value, str)}
    found[ROLE] = role
    return Session(role, found, False, expires)
