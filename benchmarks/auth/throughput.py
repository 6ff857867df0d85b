"""Token refresh and sign-in per second, beside what they cannot be faster than: the password hash and one SQL round trip.

    python -m benchmarks.auth.throughput [--seconds 5] [--clients 8] [--json]

A PostgreSQL, the server and the load run on this machine, as three parties of its cores. The ceilings are measured in
the same run, with as many at once as the load has clients: `sql` is the statement a refresh runs, sent by asyncpg with
nothing around it, for one token each (the server exchanges those that come together in one); `hash` is one bcrypt check at
the server's cost. A sign-in's ceiling is both in a row, a refresh's is `sql`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import bcrypt
import httpx

from builtin_plugins.core.auth.server import refresh_tokens
from builtin_plugins.core.auth.server.database import open_pool
from builtin_plugins.core.auth.server.passwords import Passwords
from builtin_plugins.core.auth.server.users import from_row
from tests.auth.postgres import running_postgres
from tests.ports import free_port

PASSWORD = "a benchmark s password"
COST = 10
_ROUNDS = 5


async def rate(seconds: float, clients: int, make: Callable[[int], Awaitable[Callable[[], Awaitable[None]]]]) -> float:
    """Calls per second of `clients` loops."""
    steps = [await make(number) for number in range(clients)]
    for step in steps:
        await step()
    counts = [0] * clients
    until = time.perf_counter() + seconds

    async def loop(number: int) -> None:
        while time.perf_counter() < until:
            await steps[number]()
            counts[number] += 1

    begun = time.perf_counter()
    await asyncio.gather(*(loop(number) for number in range(clients)))
    return sum(counts) / (time.perf_counter() - begun)


async def sql_ceiling(url: str, seconds: float, clients: int) -> float:
    """Rotations per second straight from a pool."""
    pool = await open_pool(url, clients)

    async def make(number: int) -> Callable[[], Awaitable[None]]:
        user_id = await pool.fetchval("SELECT id FROM auth.users WHERE email::text = $1", f"u{number}@example.com")
        _, token = await refresh_tokens.issue(pool, user_id, datetime.now(UTC) + timedelta(days=1))
        held = [token]

        async def step() -> None:
            new = refresh_tokens.new_token()
            hashes = refresh_tokens.Exchange(refresh_tokens.digest(held[0]), refresh_tokens.digest(new))
            found = await refresh_tokens.exchange(pool, [hashes], 86400)
            assert from_row(found[hashes.old]) is not None
            held[0] = new

        return step

    try:
        return await rate(seconds, clients, make)
    finally:
        await pool.close()


async def hash_ceiling(seconds: float, clients: int) -> float:
    """Password checks per second on as many threads as the server has."""
    passwords = Passwords("bcrypt", COST)
    stored = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(COST)).decode()

    async def make(_number: int) -> Callable[[], Awaitable[None]]:
        async def step() -> None:
            assert await passwords.check(PASSWORD, stored)

        return step

    try:
        return await rate(seconds, clients, make)
    finally:
        passwords.close()


async def measure(base: str, url: str, seconds: float, clients: int) -> dict[str, float]:
    """All four rates in turns, their medians: a noisy moment then falls on none alone."""
    limits = httpx.Limits(max_connections=clients, max_keepalive_connections=clients)
    found: dict[str, list[float]] = {"sql": [], "hash": [], "refresh": [], "sign_in": []}
    async with httpx.AsyncClient(base_url=base, limits=limits, timeout=30) as http:
        for number in range(clients):
            body = {"email": f"u{number}@example.com", "password": PASSWORD}
            (await http.post("/signup/email-password", json=body)).raise_for_status()
    connections: list[asyncio.StreamWriter] = []

    async def poster(path: str) -> Callable[[bytes], Awaitable[bytes]]:
        """One kept-open HTTP/1.1 connection, written by hand so that the client costs little."""
        host, port = base.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        connections.append(writer)

        async def post(body: bytes) -> bytes:
            head = (
                f"POST {path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
            )
            writer.write(head.encode() + body)
            answer = await reader.readuntil(b"\r\n\r\n")
            assert answer.startswith(b"HTTP/1.1 200"), answer
            length = int(answer.lower().split(b"content-length:")[1].split(b"\r\n")[0])
            return await reader.readexactly(length)

        return post

    async def refresher(number: int) -> Callable[[], Awaitable[None]]:
        sign, post = await poster("/signin/email-password"), await poster("/token")
        body = json.dumps({"email": f"u{number}@example.com", "password": PASSWORD}).encode()
        held = [json.loads(await sign(body))["session"]["refreshToken"]]

        async def step() -> None:
            held[0] = json.loads(await post(json.dumps({"refreshToken": held[0]}).encode()))["refreshToken"]

        return step

    async def signer(number: int) -> Callable[[], Awaitable[None]]:
        post = await poster("/signin/email-password")
        body = json.dumps({"email": f"u{number}@example.com", "password": PASSWORD}).encode()

        async def step() -> None:
            await post(body)

        return step

    for _ in range(_ROUNDS):
        found["sql"].append(await sql_ceiling(url, seconds / _ROUNDS, clients))
        found["refresh"].append(await rate(seconds / _ROUNDS, clients, refresher))
        found["hash"].append(await hash_ceiling(seconds / _ROUNDS, clients))
        found["sign_in"].append(await rate(seconds / _ROUNDS, clients, signer))
    for writer in connections:
        writer.close()
    return {name: statistics.median(values) for name, values in found.items()}


def report(found: dict[str, float]) -> dict[str, float]:
    """The rates with their ceilings and shares."""
    ceiling = 1 / (1 / found["hash"] + 1 / found["sql"])
    return {
        "sql_per_s": round(found["sql"], 1),
        "hash_per_s": round(found["hash"], 1),
        "refresh_per_s": round(found["refresh"], 1),
        "refresh_share_of_ceiling": round(found["refresh"] / found["sql"], 3),
        "sign_in_per_s": round(found["sign_in"], 1),
        "sign_in_share_of_ceiling": round(found["sign_in"] / ceiling, 3),
    }


async def wait_for(base: str) -> None:
    """Until the server answers."""
    async with httpx.AsyncClient() as http:
        for _ in range(1200):
            try:
                await http.get(base + "/healthz")
                return
            except httpx.TransportError:
                await asyncio.sleep(0.05)
    raise RuntimeError("the server does not answer")


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    with running_postgres(durable=True) as url:
        own = {"AUTH_HOST": "127.0.0.1", "AUTH_PORT": str(port), "AUTH_EMAIL_SIGNIN_EMAIL_VERIFIED_REQUIRED": "false"}
        secret = {"HASURA_GRAPHQL_DATABASE_URL": url, "HASURA_GRAPHQL_JWT_SECRET": json.dumps({"type": "HS256", "key": "k" * 40})}
        quiet = {"AUTH_LOG_LEVEL": "error", "AUTH_PASSWORD_BCRYPT_COST": str(COST)}
        environment = {"PATH": os.environ["PATH"], **own, **secret, **quiet}
        server = subprocess.Popen([sys.executable, "-m", "builtin_plugins.core.auth.server"], env=environment)
        try:
            asyncio.run(wait_for(base))
            found = report(asyncio.run(measure(base, url, options.seconds, options.clients)))
        finally:
            server.terminate()
            server.wait(20)
    if options.json:
        print(json.dumps(found))
    else:
        for name, value in found.items():
            print(f"{name:28} {value:>10}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
