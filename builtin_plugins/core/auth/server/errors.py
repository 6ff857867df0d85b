"""The errors of the contract: a code from its enum, one status and one text each."""

from __future__ import annotations

from http import HTTPStatus

# code → (status, message, hidden by AUTH_CONCEAL_ERRORS). Codes and statuses are hasura-auth's.
# `oauth-token-echange-failed` is spelt so in the contract.
TABLE: dict[str, tuple[int, str, bool]] = {
    "default-role-must-be-in-allowed-roles": (400, "Default role must be in allowed roles", False),
    "disabled-endpoint": (409, "This endpoint is disabled", False),
    "disabled-user": (401, "User is disabled", True),
    "email-already-in-use": (409, "Email already in use", True),
    "email-already-verified": (400, "User's email is already verified", True),
    "forbidden-anonymous": (403, "Forbidden, user is anonymous.", True),
    "internal-server-error": (500, "Internal server error", False),
    "invalid-email-password": (401, "Incorrect email or password", True),
    "invalid-request": (400, "The request payload is incorrect", False),
    "locale-not-allowed": (400, "Locale not allowed", False),
    "password-too-short": (400, "Password is too short", False),
    "password-in-hibp-database": (400, "Password is in HIBP database", False),
    "redirectTo-not-allowed": (400, 'The value of "options.redirectTo" is not allowed.', False),
    "role-not-allowed": (400, "Role not allowed", True),
    "signup-disabled": (403, "Sign up is disabled.", True),
    "unverified-user": (401, "User is not verified.", True),
    "user-not-anonymous": (400, "Logged in user is not anonymous", False),
    "invalid-pat": (401, "Invalid or expired personal access token", True),
    "invalid-refresh-token": (401, "Invalid or expired refresh token", True),
    "invalid-ticket": (401, "Invalid ticket", True),
    "disabled-mfa-totp": (401, "User does not have TOTP MFA enabled", True),
    "no-totp-secret": (400, "User does not have a TOTP secret", True),
    "invalid-totp": (401, "Invalid TOTP code", True),
    "mfa-type-not-found": (400, "MFA type not found", False),
    "totp-already-active": (400, "TOTP MFA is already active", False),
    "invalid-state": (400, "Invalid state", False),
    "oauth-token-echange-failed": (400, "Failed to exchange token", False),
    "oauth-profile-fetch-failed": (400, "Failed to get user profile", False),
    "oauth-provider-error": (400, "Provider returned an error", False),
    "invalid-otp": (400, "Invalid or expired OTP", True),
    "cannot-send-sms": (400, "Cannot send SMS, check your phone number is correct", False),
}

# What `invalid-request` may be sent with besides 400: it is the enum's only code for refusals by HTTP itself.
REQUEST_STATUSES = frozenset({400, 401, 404, 405, 413, 415, 429})


class ApiError(Exception):
    """A refusal to be sent as the contract's `ErrorResponse`."""

    def __init__(self, code: str, *, status: int | None = None, message: str | None = None) -> None:
        default_status, default_message, self.sensitive = TABLE[code]
        if status is not None and status != default_status and (code != "invalid-request" or status not in REQUEST_STATUSES):
            raise ValueError(f"{code} is not sent with status {status}")
        super().__init__(code)
        self.code = code
        self.status = status or default_status
        self.message = message or default_message

    def concealed(self) -> ApiError:
        """The same refusal without what it tells about an account."""
        return ApiError("invalid-request") if self.sensitive else self

    def body(self) -> dict[str, object]:
        """The JSON object `ErrorResponse`."""
        return {"status": self.status, "message": self.message, "error": self.code}


def unauthenticated() -> ApiError:
    """The caller showed no access token, or one that does not hold."""
    return ApiError("invalid-request", status=HTTPStatus.UNAUTHORIZED, message="your access token is invalid")
