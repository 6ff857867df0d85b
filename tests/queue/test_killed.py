"""10,000 webhooks as fast as they go, while the Hosts that take and handle them are killed at random: none is lost."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import random
import subprocess
import sys
import time
from pathlib import Path

import asyncpg
import pytest

from tests.ports import free_port

from .host_process import SECRET

ROOT = Path(__file__).resolve().parents[2]
EVENTS, CONNECTIONS, HOSTS, KILLS = 10_000, 16, 2, 8
#: Seconds; it takes about 20 where nothing else runs.
PATIENCE = 240


class Hosts:
    """Processes, and who kills them."""

    def __init__(self, url: str) -> None:
        self.ports = [free_port() for _ in range(HOSTS)]
        self.kills = 0
        self._url = url
        self._processes = [self._start(port) for port in self.ports]

    def _start(self, port: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-m", "tests.queue.host_process", self._url, str(port)], cwd=ROOT)

    async def kill_one(self, number: int) -> None:
        """Kill one that is up, and start it again."""
        while not await self._up(number):
            await asyncio.sleep(0.1)
        self._processes[number].kill()
        self._processes[number].wait()
        self._processes[number] = self._start(self.ports[number])
        self.kills += 1

    async def _up(self, number: int) -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self.ports[number])
        except OSError:
            return False
        writer.close()
        return True

    def stop(self) -> list[int]:
        """End them as a supervisor does; how they ended."""
        for process in self._processes:
            process.terminate()
        return [process.wait(20) for process in self._processes]


async def post(ports: list[int], numbers: list[int], taken: set[int], path: str = "/webhooks/demo", secret: str = SECRET) -> None:
    """Send events over one connection, each until it is answered 200, now to the one Host and now to the other."""
    reader: asyncio.StreamReader | None = None
    writer: asyncio.StreamWriter | None = None
    turn = numbers[0] if numbers else 0
    while numbers:
        number = numbers[-1]
        body = b'{"n": %d}' % number
        mac = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
        head = (
            f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nX-GitHub-Event: push\r\n"
            f"X-GitHub-Delivery: e{number}\r\nX-Hub-Signature-256: sha256={mac}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        try:
            if reader is None or writer is None:
                turn += 1
                reader, writer = await asyncio.open_connection("127.0.0.1", ports[turn % len(ports)])
            writer.write(head.encode() + body)
            answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
            if b" 200 " in answer.split(b"\r\n", 1)[0]:
                taken.add(number)
                numbers.pop()
                continue
        except (OSError, EOFError, TimeoutError):
            pass
        if writer is not None:
            writer.close()
        reader = writer = None
        await asyncio.sleep(0.05)


async def killer(hosts: Hosts, chance: random.Random, most: int) -> None:
    """Now the one and now the other, at random moments."""
    while hosts.kills < most:
        await hosts.kill_one(chance.randrange(HOSTS))
        await asyncio.sleep(chance.uniform(0.3, 1.5))


@pytest.mark.timeout(PATIENCE + 50)
async def test_no_event_that_was_answered_is_lost_and_each_has_its_effect_once(pool: asyncpg.Pool, url: str) -> None:
    await pool.execute("CREATE TABLE calls (id text)")
    await pool.execute("CREATE TABLE seen (id text PRIMARY KEY)")
    await pool.execute("CREATE TABLE effects (id text, n int)")
    hosts = Hosts(url)
    taken: set[int] = set()
    share = [list(range(first, EVENTS, CONNECTIONS)) for first in range(CONNECTIONS)]
    began = time.monotonic()
    killing = asyncio.create_task(killer(hosts, random.Random(7), KILLS))
    try:
        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(*[post(hosts.ports, numbers, taken) for numbers in share])
            sent = time.monotonic() - began
            await killing
            while await pool.fetchval("SELECT count(*) FROM nself_host.jobs WHERE state = 'done'") < EVENTS:
                await asyncio.sleep(0.2)
        handled = time.monotonic() - began
    finally:
        killing.cancel()
        ended = hosts.stop()
    calls = await pool.fetchval("SELECT count(*) FROM calls")
    print(f"{EVENTS} taken in {sent:.1f} s, handled in {handled:.1f} s, {hosts.kills} kills, {calls - EVENTS} repeated calls")
    assert ended == [0] * HOSTS  # ended by a supervisor, they end well
    assert taken == set(range(EVENTS))
    assert hosts.kills == KILLS
    states = await pool.fetch("SELECT DISTINCT state FROM nself_host.jobs")
    assert [row["state"] for row in states] == ["done"]
    effects = await pool.fetch("SELECT id, n FROM effects ORDER BY n")
    assert [(row["id"], row["n"]) for row in effects] == [(f"e{n}", n) for n in range(EVENTS)]
