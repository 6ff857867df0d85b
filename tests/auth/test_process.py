"""The server as a process of its own, as the runtime starts it."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys

import asyncpg
import httpx

from tests.ports import free_port

from .harness import PASSWORD, MailSink, variables

COMMAND = [sys.executable, "-m", "builtin_plugins.core.auth.server"]


async def test_serve(database_url: str, mail_sink: MailSink) -> None:
    port = free_port()
    env = {
        "PATH": os.environ["PATH"],
        **variables(database_url, mail_sink),
        "AUTH_HOST": "127.0.0.1",
        "AUTH_PORT": str(port),
        "AUTH_EMAIL_SIGNIN_EMAIL_VERIFIED_REQUIRED": "false",
        "AUTH_API_PREFIX": "/v1",
    }
    process = subprocess.Popen(COMMAND, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}/v1") as client:
            for _ in range(200):
                try:
                    health = await client.get("/healthz")
                    break
                except httpx.TransportError:
                    await asyncio.sleep(0.05)
            assert (health.status_code, health.json()) == (200, "OK")
            assert (await client.head("/healthz")).status_code == 200
            assert set((await client.get("/version")).json()) == {"version"}
            answer = await client.post("/signup/email-password", json={"email": "a@b.co", "password": PASSWORD})
            token = answer.json()["session"]["accessToken"]
            assert (await client.get("/user", headers={"authorization": f"Bearer {token}"})).status_code == 200
            assert "server" not in health.headers
            conn = await asyncpg.connect(database_url)
            await conn.execute("ALTER TABLE auth.users RENAME TO gone")
            broken = await client.get("/user", headers={"authorization": f"Bearer {token}"})
            assert (broken.status_code, broken.json()["error"]) == (500, "internal-server-error")
            await conn.close()
    finally:
        process.terminate()
        output = process.communicate(timeout=20)[0].decode()
    assert process.returncode in (0, -15), output
    assert token not in output


def test_wrong_settings_end_it() -> None:
    done = subprocess.run(COMMAND, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "HASURA_GRAPHQL_JWT_SECRET" in done.stderr
    assert "Traceback" not in done.stderr


async def test_a_taken_port_ends_it(database_url: str, mail_sink: MailSink) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        own = {"AUTH_HOST": "127.0.0.1", "AUTH_PORT": str(taken.getsockname()[1]), "PATH": os.environ["PATH"]}
        env = {**variables(database_url, mail_sink), **own}
        done = await asyncio.to_thread(subprocess.run, COMMAND, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "address already in use" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_password_that_breaks_the_address_is_not_printed(mail_sink: MailSink) -> None:
    env = {"PATH": os.environ["PATH"], **variables("postgresql://x:hush#hush/y@127.0.0.1:5432/x", mail_sink)}
    done = subprocess.run(COMMAND, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("auth: the database's address is no PostgreSQL URL: percent-encode")
    assert "hush" not in done.stderr


async def test_no_database_ends_it(mail_sink: MailSink) -> None:
    url = f"postgresql://x:hush-hush@127.0.0.1:{free_port()}/x"
    own = {"AUTH_HOST": "127.0.0.1", "AUTH_PORT": str(free_port()), "AUTH_DATABASE_PATIENCE": "1s"}
    env = {"PATH": os.environ["PATH"], **variables(url, mail_sink), **own}
    done = await asyncio.to_thread(subprocess.run, COMMAND, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "hush-hush" not in done.stderr + done.stdout
    assert done.stderr == "auth: the database does not answer (ConnectionRefusedError)\n"
