"""The auth service and its route."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Literal

from hookspecs import (
    Capability,
    Frontends,
    Get,
    HttpProbe,
    Image,
    Join,
    Limits,
    Link,
    Mount,
    Native,
    NativeProgram,
    Need,
    Place,
    Port,
    Project,
    Ref,
    Route,
    Secret,
    Security,
    Service,
    ServiceTarget,
    Value,
    python_module,
)

from . import mailing
from .checks import require_whole
from .programs import SERVER

NAME = "auth"
_HERE = "builtin_plugins.core.auth.programs"
_TEMPLATES = "/app/email-templates"  # where hasura-auth's image looks for them, too
_JWT_OPTIONS = {
    "issuer": "HASURA_JWT_ISSUER",
    "audience": "HASURA_JWT_AUDIENCE",
    "claims_namespace": "HASURA_JWT_CLAIMS_NAMESPACE",
}

#: Variables that the service knows by the very name of the setting.
_SAME_NAME = (
    "AUTH_ACCESS_TOKEN_EXPIRES_IN", "AUTH_REFRESH_TOKEN_EXPIRES_IN", "AUTH_DISABLE_NEW_USERS",
    "AUTH_ANONYMOUS_USERS_ENABLED", "AUTH_EMAIL_SIGNIN_EMAIL_VERIFIED_REQUIRED", "AUTH_EMAIL_PASSWORDLESS_ENABLED",
    "AUTH_OTP_EMAIL_ENABLED", "AUTH_PASSWORD_MIN_LENGTH", "AUTH_PASSWORD_HIBP_ENABLED", "AUTH_MFA_ENABLED",
    "AUTH_WEBAUTHN_ENABLED", "AUTH_WEBAUTHN_RP_ID", "AUTH_WEBAUTHN_RP_ORIGINS", "AUTH_ACCESS_CONTROL_ALLOWED_EMAILS",
    "AUTH_ACCESS_CONTROL_ALLOWED_EMAIL_DOMAINS", "AUTH_ACCESS_CONTROL_BLOCKED_EMAILS",
    "AUTH_ACCESS_CONTROL_BLOCKED_EMAIL_DOMAINS",
    "AUTH_USER_DEFAULT_ROLE", "AUTH_USER_DEFAULT_ALLOWED_ROLES", "AUTH_LOG_LEVEL",
    "AUTH_GRAVATAR_ENABLED", "AUTH_GRAVATAR_DEFAULT", "AUTH_GRAVATAR_RATING",
    "AUTH_LOCALE_DEFAULT",
    "AUTH_LOCALE_ALLOWED_LOCALES", "AUTH_JWT_CUSTOM_CLAIMS",
    "AUTH_CONCEAL_ERRORS", "AUTH_REQUIRE_ELEVATED_CLAIM", "AUTH_PASSWORD_HASH", "AUTH_JWT_CUSTOM_CLAIMS_DEFAULTS",
    "AUTH_API_PREFIX", "AUTH_TRUSTED_PROXIES", "AUTH_RATE_LIMIT_ENABLE",
    "AUTH_RATE_LIMIT_EMAIL_IS_GLOBAL", "AUTH_SMS_PASSWORDLESS_ENABLED", "AUTH_SMS_PROVIDER", "AUTH_SMS_WEBHOOK_URL",
    "AUTH_PROVIDER_ALLOWED_PRIVATE_HOSTS",
    "AUTH_SMS_TEST_PHONE_NUMBERS", "AUTH_SMS_TWILIO_ACCOUNT_SID", "AUTH_SMS_TWILIO_MESSAGING_SERVICE_ID",
    "AUTH_RATE_LIMIT_GLOBAL_BURST", "AUTH_RATE_LIMIT_GLOBAL_INTERVAL", "AUTH_RATE_LIMIT_EMAIL_BURST",
    "AUTH_RATE_LIMIT_EMAIL_INTERVAL", "AUTH_RATE_LIMIT_SMS_BURST", "AUTH_RATE_LIMIT_SMS_INTERVAL",
    "AUTH_RATE_LIMIT_BRUTE_FORCE_BURST", "AUTH_RATE_LIMIT_BRUTE_FORCE_INTERVAL", "AUTH_RATE_LIMIT_SIGNUPS_BURST",
    "AUTH_RATE_LIMIT_SIGNUPS_INTERVAL",
)  # fmt: skip

#: Parts of ``AUTH_PROVIDER_<NAME>_…`` that reach the service as they stand.
PROVIDER_PARTS = (
    "ENABLED", "CLIENT_ID", "CLIENT_SECRET", "SCOPE", "AUDIENCE", "TENANT", "ISSUER", "BASE_URL", "CONSUMER_KEY",
    "CONSUMER_SECRET", "TEAM_ID", "KEY_ID", "PRIVATE_KEY", "AUTHORIZATION_URL", "TOKEN_URL", "USER_PROFILE_URL", "JWKS_URL",
    "DEFAULT_ORGANIZATION", "DEFAULT_CONNECTION", "DEFAULT_DOMAIN",
)  # fmt: skip


def contributions(project: Project) -> Iterator[Service | Route]:
    """The auth service, unless it is switched off."""
    settings = project.settings
    if not settings["AUTH_ENABLED"]:
        return
    require_whole(project)
    chosen = settings["AUTH_IMAGE"]
    origin = settings.because("AUTH_IMAGE" if chosen else "AUTH_VERSION")
    yield Service(
        name=NAME,
        category="core",
        summary="Users and sign-in",
        image=Image(ref=chosen or f"nhost/hasura-auth:{settings['AUTH_VERSION']}"),
        native=_native(project),
        env=_environment(project),
        mounts=_mounts(project),
        ports=(Port.of(settings, "AUTH_PORT", 4000),),
        provides={
            "auth": Capability(
                attributes={
                    "url": Ref(service=NAME),
                    "jwt_key": Secret(name="HASURA_JWT_KEY"),
                    "jwt_type": settings["HASURA_JWT_TYPE"],
                }
            )
        },
        needs=(
            Need(capability="sql"),
            # it tracks its tables there once both are up, and tries until that is done
            Need(capability="graphql", required=False, condition="started"),
            Need(capability="smtp", required=False, condition="started"),
        ),
        probe=_probe(project),
        limits=Limits(memory=256 << 20),
        # The image names no user; nothing in it belongs to root alone.
        security=Security(user="10001:10001", read_only=True, tmpfs=("/tmp",)),  # noqa: S108  inside the container
        links=(Link(label="Auth"),),
        provenance={"image": origin} if origin else {},
    )
    yield Route(
        name=NAME,
        host=project.host(settings["AUTH_ROUTE"]),
        target=ServiceTarget(service=NAME),
        rate_zone="auth",
        label="Auth",
    )


def _mounts(project: Project) -> tuple[Mount, ...]:
    """The project's mail templates."""
    folder = project.settings["AUTH_TEMPLATES_PATH"]
    if not folder:
        return ()
    source = str(folder) if str(folder).startswith("/") else f"./{str(folder).removeprefix('./')}"
    reason = "AUTH_TEMPLATES_PATH names the folder of mail templates" if source.startswith("/") else ""
    return (Mount(kind="bind", source=source, target=_TEMPLATES, read_only=True, reason=reason),)


def _is_own_image(ref: str | None) -> bool:
    """Whether ``AUTH_IMAGE`` names the image our Dockerfile makes: ``nself/auth``, from whatever registry."""
    return ref is not None and re.search(r"(^|/)nself/auth([:@]|$)", ref) is not None


def _probe(project: Project) -> HttpProbe:
    """Upstream's image has wget; our own has Python and no wget."""
    settings = project.settings
    tool: Literal["python", "wget"] = "python" if _is_own_image(settings["AUTH_IMAGE"]) else "wget"
    return HttpProbe(path=f"{settings['AUTH_API_PREFIX'] or ''}/healthz", tool=tool, start_period=60)


def _native(project: Project) -> Native:
    env: dict[str, Value] = {"AUTH_HOST": "127.0.0.1", "AUTH_PORT": Ref(service=NAME, as_="port")}
    if templates := project.settings["AUTH_TEMPLATES_PATH"]:
        env["AUTH_TEMPLATES_PATH"] = Place(of="project", name=str(templates))
    return Native(
        command=python_module(SERVER),
        programs=(
            NativeProgram(name="python", locate=f"{_HERE}:python"),
            NativeProgram(name="server", locate=f"{_HERE}:server", install="pip install 'nself[native]'"),
        ),
        env=env,
        stands_for="nself's own auth server",
    )


def _environment(project: Project) -> dict[str, Value | None]:
    settings = project.settings
    env: dict[str, Value | None] = {
        "AUTH_HOST": "0.0.0.0",  # noqa: S104  inside its container
        "AUTH_PORT": "4000",
        "AUTH_SERVER_URL": settings["AUTH_SERVER_URL"] or Ref(service=NAME, audience="public"),
        "AUTH_CLIENT_URL": _client(project),
        "AUTH_DISABLE_SIGNUP": str(not settings["AUTH_SIGNUP_ENABLED"]).lower(),
        "AUTH_ACCESS_CONTROL_ALLOWED_REDIRECT_URLS": _redirects(project),
        "AUTH_TEMPLATES_PATH": _TEMPLATES if settings["AUTH_TEMPLATES_PATH"] else None,
        "AUTH_MFA_TOTP_ISSUER": settings["AUTH_MFA_TOTP_ISSUER"] or project.name,
        "AUTH_WEBAUTHN_RP_NAME": settings["AUTH_WEBAUTHN_RP_NAME"] or project.name,
        "HASURA_GRAPHQL_DATABASE_URL": Get(capability="sql", attribute="url"),
        "HASURA_GRAPHQL_GRAPHQL_URL": Get(capability="graphql", attribute="url"),
        "HASURA_GRAPHQL_ADMIN_SECRET": Get(capability="graphql", attribute="admin_secret"),
        "HASURA_GRAPHQL_JWT_SECRET": _jwt_secret(project),
        "AUTH_JWT_PREVIOUS_SECRETS": settings.secret("AUTH_JWT_PREVIOUS_SECRETS"),
        "AUTH_SMS_WEBHOOK_SECRET": settings.secret("AUTH_SMS_WEBHOOK_SECRET"),
        "AUTH_SMS_TWILIO_AUTH_TOKEN": settings.secret("AUTH_SMS_TWILIO_AUTH_TOKEN"),
    }
    env |= {name: _text(settings[name]) for name in _SAME_NAME}
    return env | mailing.variables(project) | _providers(project)


def _jwt_secret(project: Project) -> Join:
    """What Hasura is given, and the private key where the type is asymmetric."""
    settings = project.settings
    head = {"type": settings["HASURA_JWT_TYPE"]}
    head |= {option: settings[name] for option, name in _JWT_OPTIONS.items() if settings[name]}
    parts: list[Any] = [json.dumps(head)[:-1], ', "key": "', Secret(name="HASURA_JWT_KEY", quote="json"), '"']
    if settings.secret("HASURA_JWT_SIGNING_KEY") is not None:
        parts += [', "signing_key": "', Secret(name="HASURA_JWT_SIGNING_KEY", quote="json"), '"']
    return Join.of(*parts, "}")


def _client(project: Project) -> Value:
    """Where sign-in leads unless it is told: as set, else the first frontend's own address."""
    settings = project.settings
    chosen = str(settings["AUTH_CLIENT_URL"])
    return chosen if settings.is_provided("AUTH_CLIENT_URL") else Frontends(first=True, default=chosen)


def _redirects(project: Project) -> Value:
    """The addresses that are set, and the frontends' own: in dev their usual dev server's, too."""
    settings = project.settings
    allowed = [
        *(settings["AUTH_ACCESS_CONTROL_ALLOWED_REDIRECT_URLS"] or ()),
        *(settings["AUTH_EXTRA_REDIRECT_URLS"] or ()),
    ]
    if project.environment.is_dev:
        allowed.append(str(settings["AUTH_CLIENT_URL"]))
    if not allowed:
        return Frontends()
    return Join.of(",".join(dict.fromkeys(allowed)), Frontends(before=",", default=""))


def _providers(project: Project) -> dict[str, Value | None]:
    settings = project.settings
    env: dict[str, Value | None] = {}
    for part in PROVIDER_PARTS:
        for _, entry in settings.matching(f"AUTH_PROVIDER_{{P}}_{part}"):
            env[entry.name] = settings.secret(entry.name) if entry.secret else _text(entry.value)
    return dict(sorted(env.items()))


def _text(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
