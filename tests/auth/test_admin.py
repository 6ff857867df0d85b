"""What an operator does to users."""

from __future__ import annotations

import json

import pytest

from builtin_plugins.core.auth.server import migrate
from builtin_plugins.core.auth.server.admin import transfer, users
from builtin_plugins.core.auth.server.admin.users import AdminError

from .harness import PASSWORD, Harness


async def test_life_of_a_user(harness: Harness) -> None:
    url = harness.service.settings.database_url
    async with users.connect(url) as conn:
        made = await users.create(conn, "ada@example.com", password="first one", roles=("editor",), default_role="editor")
        assert (made.default_role, made.roles, made.email_verified) == ("editor", ("editor",), True)
        session = (await harness.sign_in(password="first one")).json()["session"]
        with pytest.raises(AdminError, match="already in use"):
            await users.create(conn, "ADA@example.com")
        with pytest.raises(AdminError, match="no e-mail address"):
            await users.create(conn, "ada")
        for name in ("x" * 33, "two\nlines"):
            with pytest.raises(AdminError, match="a name has at most 32 characters"):
                await users.create(conn, "eve@example.com", display_name=name)
        listed = await users.list_users(conn, search="ada", role="editor")
        assert [(item.email, item.roles, item.mfa) for item in listed] == [("ada@example.com", ("editor",), False)]
        assert await users.list_users(conn, search="%") == []

        await users.set_roles(conn, "ada@example.com", ["user", "reader"])
        renewed = (await harness.post("/token", {"refreshToken": session["refreshToken"]})).json()
        assert (renewed["user"]["defaultRole"], sorted(renewed["user"]["roles"])) == ("user", ["reader", "user"])

        await users.reset_password(conn, str(made.id), "second one")
        assert (await harness.post("/token", {"refreshToken": renewed["refreshToken"]})).status_code == 401
        assert (await harness.sign_in(password="second one")).status_code == 200

        await users.set_disabled(conn, "ada@example.com")
        assert (await harness.sign_in(password="second one")).json()["error"] == "disabled-user"
        await users.set_disabled(conn, "ada@example.com", disabled=False)
        assert (await harness.sign_in(password="second one")).status_code == 200

        await users.delete(conn, "ada@example.com")
        assert await harness.db.fetchval("SELECT count(*) FROM auth.refresh_tokens") == 0
        with pytest.raises(AdminError, match="there is no user"):
            await users.find(conn, "ada@example.com")


async def test_export_and_import(harness: Harness) -> None:
    await harness.sign_up(displayName="Ada", metadata={"a": [1, {"b": None}]})
    await harness.sign_up("bob@example.com")
    await harness.db.execute(
        """INSERT INTO auth.user_providers (user_id, provider_id, provider_user_id, access_token)
           SELECT id, 'github', '77', 'secret-token' FROM auth.users WHERE email::text = 'ada@example.com'"""
    )
    await harness.db.execute(
        """INSERT INTO auth.user_security_keys (user_id, credential_id, credential_public_key, counter)
           SELECT id, 'abc', '\\x0102ff', 4 FROM auth.users WHERE email::text = 'ada@example.com'"""
    )
    async with users.connect(harness.service.settings.database_url) as conn:
        lines = [line async for line in transfer.export_users(conn)]
        assert len(lines) == 2
        assert "secret-token" not in "".join(lines)
        bare = [line async for line in transfer.export_users(conn, secrets=False)]
        assert "$2b$" in lines[0]
        assert "$2b$" not in bare[0]
        with pytest.raises(AdminError, match="line 1: the user ada"):
            await transfer.import_users(conn, lines)
        assert await transfer.import_users(conn, lines, existing="skip") == (0, 2)
        await conn.execute("DELETE FROM auth.users")
        broken = [*lines, '{"id": 1}']
        with pytest.raises(AdminError, match="line 3"):
            await transfer.import_users(conn, broken)
        assert await conn.fetchval("SELECT count(*) FROM auth.users") == 0
        assert await transfer.import_users(conn, lines) == (2, 0)
        again = [line async for line in transfer.export_users(conn)]
        assert [json.loads(line) for line in again] == [json.loads(line) for line in lines]
    assert (await harness.sign_in(password=PASSWORD)).json()["session"]["user"]["displayName"] == "Ada"


async def test_a_row_that_cannot_be_exported_is_named(harness: Harness) -> None:
    user = (await harness.sign_up())["user"]["id"]
    await harness.db.execute("UPDATE auth.users SET password_hash = 'hush-hush'")
    async with users.connect(harness.service.settings.database_url) as conn:
        with pytest.raises(AdminError, match=f"user {user}: password_hash: ") as caught:
            [line async for line in transfer.export_users(conn)]
        assert "hush" not in str(caught.value)
        assert len([line async for line in transfer.export_users(conn, secrets=False)]) == 1


async def test_migrations_up_and_down(harness: Harness) -> None:
    assert await migrate.apply(harness.db) == []
    for migration in migrate.migrations():
        await harness.db.execute(migration.up)
    await migrate.revert(harness.db)
    assert await harness.db.fetchval("SELECT count(*) FROM information_schema.tables WHERE table_schema = 'auth'") == 0
    assert len(await migrate.apply(harness.db)) == 3


async def test_hasura_auth_finds_a_version_of_its_own(harness: Harness) -> None:
    """Its migration tool goes on from `schema_migrations`, else from the highest id of `migrations`; it must have that file."""
    db = harness.db
    assert [tuple(row) for row in await db.fetch("SELECT version, dirty FROM auth.schema_migrations")] == [(16, False)]
    assert await db.fetchval("SELECT to_regclass('auth.migrations')") is None
    former = "CREATE TABLE auth.migrations (id integer PRIMARY KEY, name varchar(100) NOT NULL, hash varchar(40) NOT NULL)"
    for rows, left in (("(9001, 'nself_001_initial', '')", []), ("(9001, 'nself_001_initial', ''), (14, 'x', '')", [14])):
        await db.execute(f"DROP TABLE auth.schema_migrations, auth.nself_migrations; {former}")
        await db.execute(f"INSERT INTO auth.migrations VALUES {rows}")
        await migrate.apply(db)
        seen = [row["id"] for row in await db.fetch("SELECT id FROM auth.migrations")] if left else []
        assert seen == left
        assert (await db.fetchval("SELECT to_regclass('auth.schema_migrations')") is None) is bool(left)


@pytest.mark.parametrize("role", ["", " ", "with space", "1st", "x" * 64, "a,b", "admin\n"])
async def test_names_that_are_no_role(harness: Harness, role: str) -> None:
    async with users.connect(harness.service.settings.database_url) as conn:
        with pytest.raises(AdminError, match="is no role"):
            await users.create(conn, "ada@example.com", roles=(role,))
        await harness.sign_up()
        with pytest.raises(AdminError, match="is no role"):
            await users.set_roles(conn, "ada@example.com", ["user", role])
        assert (await users.find(conn, "ada@example.com")).roles == ("me", "user")


async def test_passwords_that_sign_in_would_not_take(harness: Harness) -> None:
    async with users.connect(harness.service.settings.database_url) as conn:
        for password in ("ab", "x" * 51):
            with pytest.raises(AdminError, match="3 to 50"):
                await users.create(conn, "ada@example.com", password=password)
        await users.create(conn, "ada@example.com", password="x" * 50)
        assert (await harness.sign_in(password="x" * 50)).status_code == 200


async def test_states_in_a_list(start) -> None:
    harness = await start(AUTH_ANONYMOUS_USERS_ENABLED="true")
    await harness.post("/signup/email-password", {"email": "new@example.com", "password": PASSWORD})
    await harness.post("/signin/anonymous", {})
    async with users.connect(harness.service.settings.database_url) as conn:
        await users.create(conn, "ada@example.com")
        await users.create(conn, "off@example.com")
        await users.set_disabled(conn, "off@example.com")
        found = {user.email: user.state for user in await users.list_users(conn)}
    assert found == {
        None: "anonymous",
        "new@example.com": "unverified",
        "ada@example.com": "active",
        "off@example.com": "disabled",
    }


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"providers": [{"provider_id": "nope", "provider_user_id": "1"}]}, "line 2: .*nope"),
        ({"locale": "english"}, "line 2: locale"),
        ({"email": "no address"}, "line 2: 'no address' is no e-mail address"),
        ({"metadata": {"a": "\x00"}}, "line 2: the database does not take it"),
        ({"display_name": "\x00"}, "line 2: the database does not take it"),
        ({"roles": ["a b"]}, "line 2: 'a b' is no role"),
        ({"security_keys": [{"credential_id": "a", "credential_public_key": "é"}]}, "line 2: credential_public_key"),
        ({"totp_secret": "!!"}, "line 2: totp_secret: .*no base32"),
        ({"active_mfa_type": "totp"}, "line 2: .*without totp_secret"),
        ({"password_hash": "plain"}, "line 2: password_hash: .*neither"),
        ({"password_hash": "$2b$10$short"}, "line 2: password_hash: .*neither"),
        ({"password_hash": "$argon2id$v=19$m=9999999,t=3,p=4$c2FsdHNhbHQ$aGFzaGhhc2g"}, "line 2: password_hash: .*asks for more"),
        ({"phone_number": "abc"}, "line 2: phone_number"),
        ({"email": "ADA@example.com"}, "line 2: the user ADA@example.com is there already"),
    ],
)
async def test_a_faulty_line_stores_nothing(harness: Harness, changes: dict, message: str) -> None:
    good = {"id": "11111111-1111-1111-1111-111111111111", "created_at": "2024-01-01T00:00:00Z", "email": "ada@example.com"}
    bad = {**good, "id": "21111111-1111-1111-1111-111111111111", "email": "bob@example.com", **changes}
    async with users.connect(harness.service.settings.database_url) as conn:
        with pytest.raises(AdminError, match=message):
            await transfer.import_users(conn, [json.dumps(good), json.dumps(bad)])
    assert await harness.db.fetchval("SELECT count(*) FROM auth.users") == 0
