"""The server's settings, read from hasura-auth's environment variables and no others but a few of our own."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from email.errors import MessageError
from email.headerregistry import Address
from email.utils import parseaddr
from ipaddress import ip_network
from typing import Annotated, Any, Literal
from urllib.parse import quote, urlsplit

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator


class SettingsError(Exception):
    """A variable that is missing or wrong; the text names it and what it should be."""


def _csv(value: Any) -> Any:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def _seconds(value: Any) -> Any:
    """`90`, `90s`, `5m`, `1h`, `1m30s`: Go's duration form, which the image's rate limit variables use."""
    if not isinstance(value, str):
        return value
    if re.fullmatch(r"\d+(\.\d+)?", value):
        return float(value)
    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|s|m|h)", value)
    if not parts or "".join(number + unit for number, unit in parts) != value:
        raise ValueError("use a duration such as 30s, 5m or 1h")
    unit_seconds = {"ms": 0.001, "s": 1, "m": 60, "h": 3600}
    return sum(float(number) * unit_seconds[unit] for number, unit in parts)


def _absolute(url: str) -> str:
    """The URL, whose host may hold `*`."""
    wrong = ValueError(f"{url}: use an absolute URL such as https://app.example.com")
    if not re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", url):
        raise wrong
    try:
        parts = urlsplit(url.replace("*", "x"))
        _ = parts.port
    except ValueError:  # it is no number
        raise wrong from None
    if parts.scheme in ("http", "https") and not parts.hostname:
        raise wrong
    return url


def is_web_url(url: str) -> bool:
    """Whether this is an address that can be asked by HTTP."""
    try:
        parts = urlsplit(url)
        return parts.scheme in ("https", "http") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:  # its port is no number
        return False


def _object(value: object) -> object:
    return json.loads(value) if isinstance(value, str) else value


_CENTURY = 100 * 365 * 86400  # seconds; PostgreSQL and JWT readers know dates that far ahead
Csv = Annotated[tuple[str, ...], BeforeValidator(_csv)]
Whole = Annotated[
    int, BeforeValidator(lambda value: int(_seconds(value)) if isinstance(value, str) else value), Field(gt=0, le=_CENTURY)
]
Seconds = Annotated[float, BeforeValidator(_seconds), Field(gt=0)]
JsonObject = Annotated[dict[str, Any], BeforeValidator(_object)]
Paths = Annotated[dict[str, str], BeforeValidator(_object)]


class RateLimits(BaseModel):
    """Bursts and intervals per group of routes; off by default, as in the image."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    enabled: bool = Field(False, alias="AUTH_RATE_LIMIT_ENABLE")
    global_burst: int = Field(100, alias="AUTH_RATE_LIMIT_GLOBAL_BURST", gt=0)
    global_interval: Seconds = Field(60, alias="AUTH_RATE_LIMIT_GLOBAL_INTERVAL")
    email_burst: int = Field(10, alias="AUTH_RATE_LIMIT_EMAIL_BURST", gt=0)
    email_interval: Seconds = Field(3600, alias="AUTH_RATE_LIMIT_EMAIL_INTERVAL")
    email_is_global: bool = Field(False, alias="AUTH_RATE_LIMIT_EMAIL_IS_GLOBAL")
    sms_burst: int = Field(10, alias="AUTH_RATE_LIMIT_SMS_BURST", gt=0)
    sms_interval: Seconds = Field(3600, alias="AUTH_RATE_LIMIT_SMS_INTERVAL")
    brute_force_burst: int = Field(10, alias="AUTH_RATE_LIMIT_BRUTE_FORCE_BURST", gt=0)
    brute_force_interval: Seconds = Field(300, alias="AUTH_RATE_LIMIT_BRUTE_FORCE_INTERVAL")
    signups_burst: int = Field(10, alias="AUTH_RATE_LIMIT_SIGNUPS_BURST", gt=0)
    signups_interval: Seconds = Field(300, alias="AUTH_RATE_LIMIT_SIGNUPS_INTERVAL")


class Smtp(BaseModel):
    """Where mail goes; without a host nothing is sent and the outbox keeps it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    host: str = Field("", alias="AUTH_SMTP_HOST")
    port: int = Field(587, alias="AUTH_SMTP_PORT", gt=0, lt=65536)
    user: str = Field("", alias="AUTH_SMTP_USER")
    password: str = Field("", alias="AUTH_SMTP_PASS", repr=False)
    sender: str = Field("noreply@localhost", alias="AUTH_SMTP_SENDER")
    secure: bool = Field(False, alias="AUTH_SMTP_SECURE")
    retry_after: Seconds = Field(15, alias="AUTH_SMTP_RETRY_AFTER")

    @field_validator("sender")
    @classmethod
    def _address(cls, value: str) -> str:
        """Mails from no address would be given up, one by one."""
        try:
            parsed = Address(addr_spec=parseaddr(value)[1])
        except (ValueError, MessageError, IndexError):
            parsed = Address()
        if not parsed.username or not parsed.domain:
            raise ValueError("use an address such as nSelf <noreply@example.com>")
        return value


class Settings(BaseModel):
    """Everything the server can be told. Field names follow the variables without their prefix."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    host: str = Field("0.0.0.0", alias="AUTH_HOST")  # noqa: S104 - the image's default; the native runtime passes loopback
    port: int = Field(4000, alias="AUTH_PORT", ge=0, lt=65536)
    api_prefix: str = Field("", alias="AUTH_API_PREFIX")
    server_url: str = Field("http://localhost:4000", alias="AUTH_SERVER_URL")
    client_url: str = Field("http://localhost:3000", alias="AUTH_CLIENT_URL")
    log_level: str = Field("info", alias="AUTH_LOG_LEVEL")
    trusted_proxies: str = Field("127.0.0.1", alias="AUTH_TRUSTED_PROXIES")
    body_limit: int = Field(256 * 1024, alias="AUTH_BODY_LIMIT", gt=0)

    database_url: str = Field("", validation_alias=AliasChoices("POSTGRES_CONNECTION", "HASURA_GRAPHQL_DATABASE_URL"), repr=False)
    migrations_url: str = Field("", alias="POSTGRES_MIGRATIONS_CONNECTION", repr=False)
    pool_size: int = Field(10, alias="AUTH_DATABASE_POOL_SIZE", gt=1)  # one may be busy with mails
    database_patience: Annotated[float, BeforeValidator(_seconds), Field(ge=0)] = Field(20, alias="AUTH_DATABASE_PATIENCE")
    migrate_at_start: bool = Field(True, alias="AUTH_MIGRATE_AT_START")
    graphql_url: str = Field("", alias="HASURA_GRAPHQL_GRAPHQL_URL")
    admin_secret: str = Field("", alias="HASURA_GRAPHQL_ADMIN_SECRET", repr=False)

    jwt_secret: str = Field("", alias="HASURA_GRAPHQL_JWT_SECRET", repr=False)
    jwt_previous_secrets: str = Field("", alias="AUTH_JWT_PREVIOUS_SECRETS", repr=False)
    jwt_custom_claims: Paths = Field(default_factory=dict, alias="AUTH_JWT_CUSTOM_CLAIMS")
    jwt_custom_claims_defaults: JsonObject = Field(default_factory=dict, alias="AUTH_JWT_CUSTOM_CLAIMS_DEFAULTS")
    access_token_expires_in: Whole = Field(900, alias="AUTH_ACCESS_TOKEN_EXPIRES_IN")
    refresh_token_expires_in: Whole = Field(2592000, alias="AUTH_REFRESH_TOKEN_EXPIRES_IN")
    refresh_token_reuse_leeway: float = Field(10, alias="AUTH_REFRESH_TOKEN_REUSE_LEEWAY", ge=0)
    require_elevated_claim: Literal["disabled", "recommended", "required"] = Field(
        "disabled", alias="AUTH_REQUIRE_ELEVATED_CLAIM"
    )

    conceal_errors: bool | None = Field(None, alias="AUTH_CONCEAL_ERRORS")
    disable_signup: bool = Field(False, alias="AUTH_DISABLE_SIGNUP")
    disable_new_users: bool = Field(False, alias="AUTH_DISABLE_NEW_USERS")
    anonymous_users_enabled: bool = Field(False, alias="AUTH_ANONYMOUS_USERS_ENABLED")
    email_verified_required: bool = Field(True, alias="AUTH_EMAIL_SIGNIN_EMAIL_VERIFIED_REQUIRED")
    email_passwordless_enabled: bool = Field(False, alias="AUTH_EMAIL_PASSWORDLESS_ENABLED")
    otp_email_enabled: bool = Field(False, alias="AUTH_OTP_EMAIL_ENABLED")
    sms_passwordless_enabled: bool = Field(False, alias="AUTH_SMS_PASSWORDLESS_ENABLED")
    sms_provider: str = Field("", alias="AUTH_SMS_PROVIDER")
    sms_test_phone_numbers: Csv = Field((), alias="AUTH_SMS_TEST_PHONE_NUMBERS")
    sms_webhook_url: str = Field("", alias="AUTH_SMS_WEBHOOK_URL")
    sms_webhook_secret: str = Field("", alias="AUTH_SMS_WEBHOOK_SECRET", repr=False)
    sms_twilio_account_sid: str = Field("", alias="AUTH_SMS_TWILIO_ACCOUNT_SID")
    sms_twilio_auth_token: str = Field("", alias="AUTH_SMS_TWILIO_AUTH_TOKEN", repr=False)
    sms_twilio_messaging_service_id: str = Field("", alias="AUTH_SMS_TWILIO_MESSAGING_SERVICE_ID")

    default_role: str = Field("user", alias="AUTH_USER_DEFAULT_ROLE")
    default_allowed_roles: Csv = Field((), alias="AUTH_USER_DEFAULT_ALLOWED_ROLES")
    locale_default: str = Field("en", alias="AUTH_LOCALE_DEFAULT", min_length=2, max_length=2)
    locale_allowed: Csv = Field((), alias="AUTH_LOCALE_ALLOWED_LOCALES")
    gravatar_enabled: bool = Field(True, alias="AUTH_GRAVATAR_ENABLED")
    gravatar_default: Literal["404", "mp", "identicon", "monsterid", "wavatar", "retro", "robohash", "blank"] = Field(
        "blank", alias="AUTH_GRAVATAR_DEFAULT"
    )
    gravatar_rating: Literal["g", "pg", "r", "x"] = Field("g", alias="AUTH_GRAVATAR_RATING")

    password_min_length: int = Field(3, alias="AUTH_PASSWORD_MIN_LENGTH", gt=0, le=50)  # the contract's longest
    password_hibp_enabled: bool = Field(False, alias="AUTH_PASSWORD_HIBP_ENABLED")
    password_hibp_url: str = Field("https://api.pwnedpasswords.com", alias="AUTH_PASSWORD_HIBP_URL")
    password_hash: Literal["bcrypt", "argon2id"] = Field("bcrypt", alias="AUTH_PASSWORD_HASH")
    password_bcrypt_cost: int = Field(10, alias="AUTH_PASSWORD_BCRYPT_COST", ge=4, le=16)

    allowed_emails: Csv = Field((), alias="AUTH_ACCESS_CONTROL_ALLOWED_EMAILS")
    allowed_email_domains: Csv = Field((), alias="AUTH_ACCESS_CONTROL_ALLOWED_EMAIL_DOMAINS")
    blocked_emails: Csv = Field((), alias="AUTH_ACCESS_CONTROL_BLOCKED_EMAILS")
    blocked_email_domains: Csv = Field((), alias="AUTH_ACCESS_CONTROL_BLOCKED_EMAIL_DOMAINS")
    allowed_redirect_urls: Csv = Field((), alias="AUTH_ACCESS_CONTROL_ALLOWED_REDIRECT_URLS")

    mfa_enabled: bool = Field(False, alias="AUTH_MFA_ENABLED")
    mfa_totp_issuer: str = Field("hasura-auth", alias="AUTH_MFA_TOTP_ISSUER")
    webauthn_enabled: bool = Field(False, alias="AUTH_WEBAUTHN_ENABLED")
    webauthn_rp_id: str = Field("", alias="AUTH_WEBAUTHN_RP_ID")
    webauthn_rp_name: str = Field("nself", alias="AUTH_WEBAUTHN_RP_NAME")
    webauthn_rp_origins: Csv = Field((), alias="AUTH_WEBAUTHN_RP_ORIGINS")
    webauthn_timeout_ms: int = Field(60000, alias="AUTH_WEBAUTHN_ATTESTATION_TIMEOUT", gt=0)

    templates_path: str = Field("", alias="AUTH_TEMPLATES_PATH")
    provider_private_hosts: Csv = Field((), alias="AUTH_PROVIDER_ALLOWED_PRIVATE_HOSTS")
    apple_audience: Csv = Field((), alias="AUTH_PROVIDER_APPLE_AUDIENCE")
    google_audience: Csv = Field((), alias="AUTH_PROVIDER_GOOGLE_AUDIENCE")

    rate_limits: RateLimits = Field(default_factory=lambda: RateLimits.model_validate({}))
    smtp: Smtp = Field(default_factory=lambda: Smtp.model_validate({}))
    # AUTH_PROVIDER_* as they stand; `oauth.providers` reads them by the names its table gives.
    provider_variables: dict[str, str] = Field(default_factory=dict, repr=False)

    @field_validator("server_url", "graphql_url", "password_hibp_url", "sms_webhook_url")
    @classmethod
    def _web(cls, value: str) -> str:
        if value and not is_web_url(value):
            raise ValueError("use a web address such as https://auth.example.com")
        return value.rstrip("/")

    @field_validator("client_url")
    @classmethod
    def _client(cls, value: str) -> str:
        """An app's own scheme may stand alone, as in `app://`."""
        return _absolute(value) if value.endswith("://") else _absolute(value).rstrip("/")

    @field_validator("api_prefix")
    @classmethod
    def _prefix(cls, value: str) -> str:
        if value and not re.fullmatch(r"(/[A-Za-z0-9._~-]+)+/?", value):
            raise ValueError("use a path such as /v1")
        return value.rstrip("/")

    @field_validator("webauthn_rp_origins", "allowed_redirect_urls")
    @classmethod
    def _each_absolute(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for url in value:
            _absolute(url)
        return value

    @field_validator("locale_allowed")
    @classmethod
    def _two_letters(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for locale in value:
            if not re.fullmatch("[A-Za-z]{2}", locale):
                raise ValueError(f"{locale}: use two letters such as en")
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, value: str) -> str:
        for address in _csv(value) if value != "*" else ():
            try:
                ip_network(address, strict=False)
            except ValueError:
                raise ValueError(f"{address}: use addresses and networks such as 10.0.0.0/8, or *") from None
        return value

    @property
    def hides_accounts(self) -> bool:
        """Whether an answer may not tell that an address has an account; only AUTH_CONCEAL_ERRORS=false lets it tell.

        `true` goes further, as in the image: every error that says something of an account becomes `invalid-request`.
        """
        return self.conceal_errors is not False

    @property
    def allowed_roles(self) -> tuple[str, ...]:
        """Roles a sign-up may ask for; `me` and the default role when none are listed."""
        return tuple(dict.fromkeys([*(self.default_allowed_roles or ("me",)), self.default_role]))

    @property
    def locales(self) -> tuple[str, ...]:
        """Locales a user may have."""
        return self.locale_allowed or (self.locale_default,)

    @property
    def relying_party(self) -> str:
        """The WebAuthn relying party's id: the client's host unless it is set."""
        return self.webauthn_rp_id or urlsplit(self.client_url).hostname or "localhost"

    @property
    def origins(self) -> list[str]:
        """Origins a passkey may be used from."""
        client = urlsplit(self.client_url)
        return list(dict.fromkeys([*(o.rstrip("/") for o in self.webauthn_rp_origins), f"{client.scheme}://{client.netloc}"]))


def _database_url(env: Mapping[str, str]) -> str:
    """A connection URI from POSTGRES_*, percent-encoded, for when none is given whole."""
    host = env.get("POSTGRES_HOST", "")
    if not host:
        return ""
    user = quote(env.get("POSTGRES_USER") or "postgres", safe="")
    password = quote(env.get("POSTGRES_PASSWORD", ""), safe="")
    name = quote(env.get("POSTGRES_DB") or "postgres", safe="")
    return f"postgresql://{user}:{password}@{host}:{env.get('POSTGRES_PORT') or 5432}/{name}"


@contextmanager
def _noting(wrong: list[str]) -> Iterator[None]:
    """Add a line for each wrong variable, never with its value: it may be a secret."""
    try:
        yield
    except ValidationError as error:
        wrong += [f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors(include_input=False)]


def unread(env: Mapping[str, str]) -> Iterator[str]:
    """A line for each AUTH_* variable that this server does not read, with the near one that it does."""
    known = {str(field.alias) for model in (Settings, RateLimits, Smtp) for field in model.model_fields.values() if field.alias}
    for name in sorted(name for name, value in env.items() if value and name.startswith("AUTH_")):
        if name not in known and not name.startswith("AUTH_PROVIDER_"):
            near = get_close_matches(name, known, n=1, cutoff=0.85)
            yield f"{name} is not read" + (f"; did you mean {near[0]}?" if near else "")


def from_environment(env: Mapping[str, str]) -> Settings:
    """Read the settings; `SettingsError` lists every wrong variable at once, or else every missing one. Empty counts as unset."""
    given: dict[str, Any] = {name: value for name, value in env.items() if value != ""}
    if "POSTGRES_CONNECTION" not in given and "HASURA_GRAPHQL_DATABASE_URL" not in given:
        given["HASURA_GRAPHQL_DATABASE_URL"] = _database_url(env)
    providers = {name: value for name, value in given.items() if name.startswith("AUTH_PROVIDER_")}
    wrong: list[str] = []
    parts: dict[str, BaseModel] = {}
    for name, model in (("rate_limits", RateLimits), ("smtp", Smtp)):
        with _noting(wrong):
            parts[name] = model.model_validate(given)
    settings = None
    with _noting(wrong):
        settings = Settings.model_validate({**given, **parts, "provider_variables": providers})
    if settings is None or wrong:
        raise SettingsError("; ".join(wrong))
    missing = []
    if not settings.database_url:
        missing.append("HASURA_GRAPHQL_DATABASE_URL (or POSTGRES_HOST, POSTGRES_USER, POSTGRES_PASSWORD, POSTGRES_DB)")
    if not settings.jwt_secret:
        missing.append("HASURA_GRAPHQL_JWT_SECRET")
    if missing:
        raise SettingsError("not set: " + ", ".join(missing))
    return settings
