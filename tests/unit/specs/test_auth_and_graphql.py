"""What the settings of sign-in, mail and GraphQL become in the services' environments."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hookspecs import HttpProbe, UserError
from nself_core.workspace import Workspace

KEY = 'k3y-with-\\-"quotes"-and-more-than-32-characters'
SECRETS = (
    "POSTGRES_PASSWORD=Zq8vT2mK9xR4wN7pLs\nHASURA_GRAPHQL_ADMIN_SECRET=Zq8vT2mK9xR4wN7pLsZq8vT2mK9xR4wN7pLs\n"
    f"HASURA_JWT_KEY='{KEY}'\n"
)


def environment(folder: Path, service: str, settings: str = "") -> dict[str, str]:
    (folder / ".env").write_text(f"PROJECT_NAME=demo\nBASE_DOMAIN=example.test\n{SECRETS}{settings}")
    here = Workspace.open(start=folder)
    return dict(here.resolver(here.stack("compose")).environment(service))


def codes(folder: Path, settings: str) -> dict[str, str]:
    """Code → variable of what is found before a start."""
    environment(folder, "auth", settings)
    here = Workspace.open(start=folder)
    return {f.code: f.variable for _, f in here.plugins.pre_deploy(here.project("compose"), "local", here.stack("compose"))}


def refused(folder: Path, settings: str) -> dict[str, str]:
    """Code → variable of the faults for which a build is refused."""
    (folder / ".env").write_text(f"PROJECT_NAME=demo\n{SECRETS}{settings}")
    with pytest.raises(UserError) as caught:
        Workspace.open(start=folder).build()
    return {f.code: f.variable for f in caught.value.findings}


def test_odd_keys_round_trip_as_json(tmp_path: Path) -> None:
    assert json.loads(environment(tmp_path, "hasura")["HASURA_GRAPHQL_JWT_SECRET"])["key"] == KEY


QUOTED, BARE = 'k3y-with-"quotes"-of-more-than-32-characters', "a-key-of-letters-alone-of-more-than-32-characters"


@pytest.mark.parametrize(
    ("line", "key"),
    [
        (f"HASURA_JWT_KEY='{KEY}'", KEY),
        (f"AUTH_JWT_SECRET='{KEY}'", KEY),
        (f"JWT_SECRET='{KEY}'", KEY),
        (f"HASURA_GRAPHQL_JWT_SECRET='{json.dumps({'type': 'HS256', 'key': QUOTED})}'", QUOTED),
        (f"HASURA_GRAPHQL_JWT_SECRET={json.dumps({'type': 'HS256', 'key': BARE})}", BARE),
    ],
    ids=["ours", "auth", "short", "json", "json without quotes"],
)
@pytest.mark.parametrize("runtime", ["compose", "native"])
def test_whatever_the_spelling_all_are_given_one_raw_key(tmp_path: Path, line: str, key: str, runtime: str) -> None:
    """Sign-in was given the JSON for the key itself, and JSON within JSON; custom services were given none."""
    (tmp_path / ".env").write_text(f"PROJECT_NAME=demo\nPOSTGRES_PASSWORD=Zq8vT2mK9xR4wN7pLs\nCS_1=api:fastapi\n{line}\n")
    Workspace.open(start=tmp_path).build()  # makes the secrets that are missing
    here = Workspace.open(start=tmp_path)
    resolver = here.resolver(here.stack(runtime))
    for name in ("hasura", "auth", "api"):
        told = json.loads(resolver.environment(name)["HASURA_GRAPHQL_JWT_SECRET"])
        assert told == {"type": "HS256", "key": key}, name
    assert {resolver.environment("api")[name] for name in ("JWT_SECRET", "AUTH_JWT_SECRET", "AUTH_JWT_KEY")} == {key}


def test_options_of_tokens(tmp_path: Path) -> None:
    settings = "HASURA_JWT_TYPE=RS256\nHASURA_JWT_SIGNING_KEY=private\nHASURA_JWT_ISSUER=me\n"
    told = json.loads(environment(tmp_path, "auth", settings)["HASURA_GRAPHQL_JWT_SECRET"])
    assert told == {"type": "RS256", "issuer": "me", "key": KEY, "signing_key": "private"}
    assert "signing_key" not in json.loads(environment(tmp_path, "hasura", settings)["HASURA_GRAPHQL_JWT_SECRET"])


def test_an_asymmetric_type_needs_both_halves(tmp_path: Path) -> None:
    assert refused(tmp_path, "HASURA_JWT_TYPE=RS256\n") == {"jwt-key-missing": "HASURA_JWT_SIGNING_KEY"}


def test_two_different_keys_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        environment(tmp_path, "auth", "AUTH_JWT_SECRET=another-key-of-more-than-32-characters-too\n")
    assert any("HASURA_JWT_KEY" in f.message for f in caught.value.findings)


@pytest.mark.parametrize(
    ("settings", "host", "port", "user", "password"),
    [
        ("MAILPIT_ENABLED=true\n", "mailpit", "1025", None, None),
        ("EMAIL_PROVIDER=sendgrid\nSENDGRID_API_KEY=SG.key\n", "smtp.sendgrid.net", "587", "apikey", "SG.key"),
        ("EMAIL_PROVIDER=postmark\nPOSTMARK_API_KEY=token\n", "smtp.postmarkapp.com", "587", "token", "token"),
        (
            "EMAIL_PROVIDER=ses\nAWS_REGION=eu-west-1\nSMTP_USER=u\nSMTP_PASSWORD=p\n",
            "email-smtp.eu-west-1.amazonaws.com", "587", "u", "p",
        ),
        ("SMTP_HOST=mail.example.test\nSMTP_PORT=465\nSMTP_USER=u\nSMTP_PASS=p\n", "mail.example.test", "465", "u", "p"),
        ("EMAIL_PROVIDER=sendgrid\nAUTH_SMTP_HOST=own.test\n", "own.test", "587", None, None),
        ("", None, None, None, None),
    ],
)  # fmt: skip
def test_mail(tmp_path: Path, settings: str, host: str | None, port: str | None, user: str | None, password: str | None) -> None:
    env = environment(tmp_path, "auth", settings)
    assert env.get("AUTH_SMTP_HOST") == host
    assert env.get("AUTH_SMTP_PORT") == port
    assert (env.get("AUTH_SMTP_USER") or None) == user
    assert (env.get("AUTH_SMTP_PASS") or None) == password
    assert env["AUTH_SMTP_SENDER"] == "noreply@example.test"
    if port == "465":
        assert env["AUTH_SMTP_SECURE"] == "true"


def test_missing_mail_is_a_warning_and_a_missing_key_an_error(tmp_path: Path) -> None:
    assert codes(tmp_path, "")["mail-missing"] == "EMAIL_PROVIDER"
    assert refused(tmp_path, "EMAIL_PROVIDER=sendgrid\n") == {"mail-missing": "SENDGRID_API_KEY"}
    assert refused(tmp_path, "EMAIL_PROVIDER=smtp\n") == {"mail-missing": "SMTP_HOST"}


def test_any_provider_reaches_the_service(tmp_path: Path) -> None:
    settings = "AUTH_PROVIDER_GITLAB_ENABLED=true\nAUTH_PROVIDER_GITLAB_CLIENT_ID=id\nAUTH_PROVIDER_GITLAB_CLIENT_SECRET=s3cret\n"
    env = environment(tmp_path, "auth", settings)
    assert env["AUTH_PROVIDER_GITLAB_ENABLED"] == "true"
    assert env["AUTH_PROVIDER_GITLAB_CLIENT_SECRET"] == "s3cret"
    lacking = "AUTH_PROVIDER_GITHUB_ENABLED=true\n"
    assert refused(tmp_path, lacking) == {"provider-incomplete": "AUTH_PROVIDER_GITHUB_CLIENT_ID"}
    assert environment(tmp_path, "hasura", f"{lacking}AUTH_ENABLED=false\n")  # what is off asks for nothing


def test_what_sign_in_lacks_is_told_by_a_build_at_once(tmp_path: Path) -> None:
    """A build passed it, and the start refused it."""
    settings = "HASURA_JWT_TYPE=RS256\nAUTH_PROVIDER_GITHUB_ENABLED=true\nEMAIL_PROVIDER=sendgrid\n"
    assert set(refused(tmp_path, settings)) == {"jwt-key-missing", "provider-incomplete", "mail-missing"}
    assert not (tmp_path / "docker-compose.yml").exists()


def test_a_sender_of_text_messages_needs_its_credentials(tmp_path: Path) -> None:
    assert refused(tmp_path, "AUTH_SMS_PROVIDER=twilio\n") == {"sms-incomplete": "AUTH_SMS_TWILIO_ACCOUNT_SID"}
    given = "AUTH_SMS_PROVIDER=webhook\nAUTH_SMS_WEBHOOK_URL=https://sms.test/\n"
    assert refused(tmp_path, given) == {"sms-incomplete": "AUTH_SMS_WEBHOOK_SECRET"}
    assert "sms-incomplete" not in codes(tmp_path, given + "AUTH_SMS_WEBHOOK_SECRET=whsec_x\n")
    assert "sms-incomplete" not in codes(tmp_path, "AUTH_SMS_PROVIDER=dev\n")


def test_remote_schemas_reach_the_engine(tmp_path: Path) -> None:
    settings = "REMOTE_SCHEMA_2_NAME=shop\nREMOTE_SCHEMA_2_URL=https://shop.test/graphql\n"
    assert environment(tmp_path, "hasura", settings)["REMOTE_SCHEMA_2_URL"] == "https://shop.test/graphql"
    assert "REMOTE_SCHEMA_2_URL" not in environment(tmp_path, "hasura", settings + "REMOTE_SCHEMAS_ENABLED=false\n")


def test_signup_switch_is_turned_round(tmp_path: Path) -> None:
    assert environment(tmp_path, "auth")["AUTH_DISABLE_SIGNUP"] == "false"
    assert environment(tmp_path, "auth", "AUTH_SIGNUP_ENABLED=false\n")["AUTH_DISABLE_SIGNUP"] == "true"


@pytest.mark.parametrize(
    ("settings", "tool"),
    [
        ("", "curl"),
        ("HASURA_IMAGE=registry.example.test:5000/nself/graphql:1\n", "python"),
        ("HASURA_IMAGE=nself/graphql\n", "python"),
        ("HASURA_IMAGE=other/graphql-engine:v2\n", "curl"),
    ],
)
def test_the_health_check_uses_what_the_image_has(tmp_path: Path, settings: str, tool: str) -> None:
    environment(tmp_path, "hasura", settings)
    probe = next(s.probe for s in Workspace.open(start=tmp_path).stack("compose").services if s.name == "hasura")
    assert isinstance(probe, HttpProbe)
    assert probe.tool == tool


@pytest.mark.parametrize(
    ("settings", "image", "tool"),
    [
        ("", "nhost/hasura-auth:0.36.0", "wget"),
        ("AUTH_IMAGE=registry.example.test:5000/nself/auth:1\n", "registry.example.test:5000/nself/auth:1", "python"),
        ("AUTH_IMAGE=mirror/hasura-auth:0.36\n", "mirror/hasura-auth:0.36", "wget"),
    ],
)
def test_another_auth_image(tmp_path: Path, settings: str, image: str, tool: str) -> None:
    environment(tmp_path, "auth", settings)
    service = Workspace.open(start=tmp_path).stack("compose").find("auth")
    assert service is not None and service.image is not None and service.probe is not None
    assert (service.image.ref, service.probe.tool) == (image, tool)


def test_the_health_of_auth_is_asked_below_its_prefix(tmp_path: Path) -> None:
    environment(tmp_path, "auth", "AUTH_API_PREFIX=/v1\n")
    service = Workspace.open(start=tmp_path).stack("compose").find("auth")
    assert service is not None and service.probe is not None
    assert service.probe.path == "/v1/healthz"


FRONTENDS = "FRONTEND_APP_2_NAME=admin\nFRONTEND_APP_1_NAME=shop\nNGINX_SSL_PORT=443\n"


@pytest.mark.parametrize(
    ("settings", "client", "allowed"),
    [
        ("", "http://localhost:3000", "http://localhost:3000"),
        (FRONTENDS, "https://shop.example.test", "http://localhost:3000,https://shop.example.test,https://admin.example.test"),
        (
            FRONTENDS + "AUTH_CLIENT_URL=https://x.test\nAUTH_EXTRA_REDIRECT_URLS=app://in\n",
            "https://x.test",
            "app://in,https://x.test,https://shop.example.test,https://admin.example.test",
        ),
    ],
)
def test_sign_in_leads_back_to_the_frontends(tmp_path: Path, settings: str, client: str, allowed: str) -> None:
    found = environment(tmp_path, "auth", settings)
    assert found["AUTH_CLIENT_URL"] == client
    assert found["AUTH_ACCESS_CONTROL_ALLOWED_REDIRECT_URLS"] == allowed


def test_mail_templates_of_the_project(tmp_path: Path) -> None:
    found = environment(tmp_path, "auth", "AUTH_TEMPLATES_PATH=mails\n")
    assert found["AUTH_TEMPLATES_PATH"] == "/app/email-templates"
    service = Workspace.open(start=tmp_path).stack("compose").find("auth")
    assert service is not None
    (mount,) = service.mounts
    assert (mount.source, mount.target, mount.read_only) == ("./mails", "/app/email-templates", True)
    assert codes(tmp_path, "AUTH_TEMPLATES_PATH=mails\n")["templates-missing"] == "AUTH_TEMPLATES_PATH"
    (tmp_path / "mails").mkdir()
    assert "templates-missing" not in codes(tmp_path, "AUTH_TEMPLATES_PATH=mails\n")
