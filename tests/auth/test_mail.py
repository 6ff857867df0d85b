"""Mails: the outbox while SMTP is down, headers, locales, a project's own templates."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from builtin_plugins.core.auth.server.mail.smtp import DeliveryError, compose
from builtin_plugins.core.auth.server.mail.templates import BUILTIN, NAMES, Templates

from .harness import PASSWORD, Harness, MailSink, link_of, open_harness, text_of


async def test_sign_up_stands_while_smtp_is_down(database_url: str, mail_sink: MailSink) -> None:
    mail_sink.clear()
    mail_sink.stop()
    try:
        async with open_harness(database_url, mail_sink, {}) as harness:
            assert await harness.sign_up() is None
            for _ in range(100):
                row = await harness.db.fetchrow("SELECT * FROM auth.nself_outbox")
                if row["attempts"]:
                    break
                await asyncio.sleep(0.05)
            assert row["attempts"] == 1
            assert row["last_error"]
    finally:
        mail_sink.start()
    async with open_harness(database_url, mail_sink, {}) as harness:  # another process later delivers it
        values = await harness.follow(await harness.mail("ada@example.com", "email-verify"))
        assert values["type"] == "emailVerify"
        for _ in range(100):
            if not await harness.db.fetchval("SELECT count(*) FROM auth.nself_outbox"):
                break
            await asyncio.sleep(0.05)
        assert await harness.db.fetchval("SELECT count(*) FROM auth.nself_outbox") == 0
    assert len(mail_sink.messages) == 1


async def test_a_mail_server_that_asks_for_a_login(database_url: str) -> None:
    def check(_server: object, _session: object, _envelope: object, _mechanism: str, data: LoginPassword) -> AuthResult:
        return AuthResult(success=(data.login, data.password) == (b"shop", b"hush-hush"), handled=False)

    sink = MailSink()
    options = {"authenticator": check, "auth_required": True, "auth_require_tls": False}
    server = Controller(sink, hostname="127.0.0.1", port=sink.port, **options)
    server.start()
    try:
        for password, delivered in (("wrong", 0), ("hush-hush", 1)):
            own = {"AUTH_SMTP_USER": "shop", "AUTH_SMTP_PASS": password, "AUTH_EMAIL_PASSWORDLESS_ENABLED": "true"}
            async with open_harness(database_url, sink, own) as harness:
                await harness.db.execute("UPDATE auth.nself_outbox SET next_attempt_at = now()")
                if not delivered:
                    await harness.post("/signin/passwordless/email", {"email": "ada@example.com"})
                query = f"SELECT count(*) FROM auth.nself_outbox WHERE {'true' if delivered else 'attempts = 0'}"
                for _ in range(200):
                    if not await harness.db.fetchval(query):
                        break
                    await asyncio.sleep(0.05)
                assert len(sink.messages) == delivered
                assert "hush" not in str(await harness.db.fetch("SELECT last_error FROM auth.nself_outbox"))
    finally:
        server.stop()


async def test_a_mail_server_that_cannot_be_named(start) -> None:
    """A name that no resolver takes is an error like any other: the mail waits, and the ones after it are tried, too."""
    harness = await start(AUTH_SMTP_HOST="x" * 70 + ".test", AUTH_SMTP_RETRY_AFTER="0.1")
    await harness.post("/signup/email-password", {"email": "ada@example.com", "password": PASSWORD})
    for _ in range(100):
        attempts = await harness.db.fetchval("SELECT attempts FROM auth.nself_outbox")
        if attempts >= 2:
            break
        await asyncio.sleep(0.05)
    assert attempts >= 2


async def test_names_in_mails_are_harmless(start) -> None:
    harness: Harness = await start()
    await harness.sign_up(displayName="<b>Ada</b> $x".replace("/", ""))
    mail = await harness.mail("ada@example.com", "email-verify")
    html = mail.get_body(("html",)).get_content()
    assert "<b>Ada" not in html
    assert "&lt;b&gt;Ada" in html
    assert mail["From"] == "nSelf <noreply@example.com>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert link_of(mail).startswith("http://auth.test/verify?ticket=verifyEmail%3A")


@pytest.mark.parametrize(
    ("to", "subject"),
    [
        ("a@b.co\r\nBcc: c@d.ee", "x"),
        ("a@b.co", "x\r\nBcc: c@d.ee"),
        ("a@b.co", "x\nBcc: c@d.ee"),
        ("a@b.co, c@d.ee", "x"),
        ("", "x"),
    ],
)
def test_header_injection(to: str, subject: str) -> None:
    with pytest.raises((ValueError, IndexError, DeliveryError)):
        compose("me@example.com", to, subject, "<p>x</p>", "x", "t").as_bytes()


def test_every_template_renders_in_every_locale() -> None:
    locales = {path.name.split(".")[0] for path in BUILTIN.glob("*.j2")}
    assert locales >= {"en", "fr", "de", "es"}
    values = {
        "link": "https://x.example/?a=1&b=2",
        "displayName": "Ada",
        "newEmail": "n@x.example",
        "otp": "123456",
        "code": "123456",
    }
    for locale in locales:
        templates = Templates("", "en")
        for name in NAMES:
            mail = templates.mail(locale, name, values)
            assert "{{" not in mail.subject + mail.html
            assert ("123456" if name == "signin-otp" else "https://x.example/?a=1&b=2") in mail.plain
        assert "123456" in templates.text(locale, "signin-passwordless-sms", values)


def test_a_project_s_own_templates(tmp_path: Path) -> None:
    hasura_auth = tmp_path / "en" / "email-verify"
    hasura_auth.mkdir(parents=True)
    (hasura_auth / "subject.txt").write_text("Hi ${displayName}")
    (hasura_auth / "body.html").write_text('<a href="${link}">${displayName}</a>')
    own = tmp_path / "en" / "password-reset"
    own.mkdir(parents=True)
    (own / "subject.txt.j2").write_text("{{ displayName | upper }}\nBcc: x@y.zz")
    (own / "body.html.j2").write_text("{{ ''.__class__.__mro__ }}")
    templates = Templates(str(tmp_path), "en")
    mail = templates.mail("en", "email-verify", {"displayName": "<i>", "link": "https://x/?a=1&b"})
    assert (mail.subject, mail.html) == ("Hi <i>", '<a href="https://x/?a=1&amp;b">&lt;i&gt;</a>')
    with pytest.raises(ValueError, match="body"):
        templates.mail("en", "password-reset", {"displayName": "ada"})
    (own / "body.html.j2").write_text("ok")
    assert templates.mail("xx", "password-reset", {"displayName": "ada"}).subject == "ADA Bcc: x@y.zz"
    assert "sign in" in templates.mail("en", "signin-passwordless", {"link": "l"}).html
    assert templates.mail("../..", "signin-otp", {"otp": "1"}).subject == "Your code is 1"


async def test_text_part(start) -> None:
    harness: Harness = await start()
    await harness.sign_up()
    assert "Verify email" not in text_of(await harness.mail("ada@example.com", "email-verify")).split("http")[0]


async def test_stopping_while_mail_goes_out(database_url: str, mail_sink: MailSink) -> None:
    """A stop at any moment of a delivery ends at once."""
    for number in range(12):
        async with asyncio.timeout(8), open_harness(database_url, mail_sink, {}) as harness:
            await harness.sign_up(f"u{number}@example.com")
            await asyncio.sleep(number * 0.002)


async def test_a_stop_sends_no_mail_twice(database_url: str) -> None:
    class Slow(MailSink):
        """Takes two mails and is then busy for a while."""

        busy = True
        reached = False

        async def handle_DATA(self, server: object, session: object, envelope: object) -> str:  # noqa: N802 - aiosmtpd's name
            if self.busy and len(self.messages) == 2:
                self.reached = True
                await asyncio.sleep(30)
            return await super().handle_DATA(server, session, envelope)

    sink = Slow()
    sink.start()
    try:
        async with open_harness(database_url, sink, {}) as harness:
            await harness.db.execute(
                """INSERT INTO auth.nself_outbox (template, recipient, subject, html, plain)
                   SELECT 'signin-otp', 'u' || n || '@example.com', 's', 'h', 'p' FROM generate_series(1, 3) n"""
            )
            harness.service.outbox.notify()
            async with asyncio.timeout(10):
                while not sink.reached:
                    await asyncio.sleep(0.02)
        sink.busy = False
        async with open_harness(database_url, sink, {}) as harness, asyncio.timeout(10):
            while await harness.db.fetchval("SELECT count(*) FROM auth.nself_outbox"):
                await asyncio.sleep(0.02)
        assert sorted(message["To"] for message in sink.messages) == [f"u{n}@example.com" for n in (1, 2, 3)]
    finally:
        sink.stop()


@pytest.mark.parametrize("text", [b"{{ link", b"{% if %}", b"\xff\xfe"])
def test_a_broken_template_is_named_before_the_start(tmp_path: Path, text: bytes) -> None:
    broken = tmp_path / "de" / "signin-otp" / "subject.txt.j2"
    broken.parent.mkdir(parents=True)
    broken.write_bytes(text)
    with pytest.raises(ValueError, match=r"signin-otp/subject\.txt\.j2"):
        Templates(str(tmp_path), "en").check()
    broken.write_text("{{ otp }}")
    Templates(str(tmp_path), "en").check()
    Templates(str(tmp_path / "nowhere"), "en").check()
