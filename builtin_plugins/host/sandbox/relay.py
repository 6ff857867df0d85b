"""The ways out of the sandbox: to the database, to the Host, and by a proxy to the hosts that the manifest names."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from urllib.parse import urlsplit

from builtin_plugins.egress import public_address

from ..server.egress import named

_CHUNK = 64 * 1024
_MOST_HEAD = 16 * 1024
_PATIENCE = 10

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def to_tcp(host: str, port: int) -> Handler:
    """Every connection goes on to one address."""
    return _onwards(lambda: asyncio.open_connection(host, port))


def to_unix(path: str) -> Handler:
    """Every connection goes on to one socket file."""
    return _onwards(lambda: asyncio.open_unix_connection(path))


def _onwards(connect: Callable[[], Awaitable[Streams]]) -> Handler:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            further = await asyncio.wait_for(connect(), _PATIENCE)
        except (OSError, TimeoutError):
            writer.close()
            return
        await join((reader, writer), further)

    return handle


async def join(one: Streams, other: Streams) -> None:
    """Carry bytes both ways until both sides have ended."""
    await asyncio.gather(_carry(one[0], other[1]), _carry(other[0], one[1]))
    for _, writer in (one, other):
        writer.close()


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()
    with suppress(OSError, RuntimeError):
        writer.write_eof()


class RefusedError(Exception):
    """The plugin may not go there."""


class EgressProxy:
    """An HTTP proxy (RFC 9110, ``CONNECT`` and absolute targets) that lets through what ``permissions.network`` names.

    It resolves names itself and connects to the very address it judged: a public one of ``names``, or a ``private`` one, which
    is written ``host:port``.
    """

    def __init__(self, names: Collection[str], private: Collection[str], log: Callable[[str], None]) -> None:
        self._names = names
        self._private = frozenset(private)
        self._log = log

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        try:
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), _PATIENCE)
            method, target, version = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
            host, port, rest = _target(method, target)
            further = await self._connect(host, port)
        except RefusedError as error:
            self._log(f"refused: {error}")
            await _answer(writer, "403 Forbidden", str(error))
            return
        except (OSError, TimeoutError) as error:
            await _answer(writer, "502 Bad Gateway", f"cannot be reached: {error or type(error).__name__}")
            return
        except (ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            await _answer(writer, "400 Bad Request", "this is no request to a proxy")
            return
        if method == "CONNECT":
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await writer.drain()
        else:
            headers = head.partition(b"\r\n")[2]
            further[1].write(f"{method} {rest} {version}\r\n".encode("latin-1") + headers)
        await join((reader, writer), further)

    async def _connect(self, host: str, port: int) -> Streams:
        if f"{host}:{port}" in self._private:
            return await asyncio.wait_for(asyncio.open_connection(host, port), _PATIENCE)
        if not named(host, self._names):
            raise RefusedError(f"{host}:{port} is not among `permissions.network`")
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=1)
        addresses = [str(entry[4][0]) for entry in found]
        if not addresses or not all(public_address(address) for address in addresses):
            raise RefusedError(f"{host} is not a public address")
        return await asyncio.wait_for(asyncio.open_connection(addresses[0], port), _PATIENCE)


def _target(method: str, target: str) -> tuple[str, int, str]:
    """Host, port and, for a plain request, the path that is asked for there."""
    if method == "CONNECT":
        host, _, port = target.rpartition(":")
        return host.strip("[]").lower(), int(port), ""
    parts = urlsplit(target)
    if parts.scheme != "http" or not parts.hostname:
        raise ValueError(target)
    path = parts.path or "/"
    return parts.hostname.lower(), parts.port or 80, f"{path}?{parts.query}" if parts.query else path


async def _answer(writer: asyncio.StreamWriter, status: str, text: str) -> None:
    body = text.encode()
    head = f"HTTP/1.1 {status}\r\nX-Nself-Egress: refused\r\nContent-Type: text/plain; charset=utf-8\r\n"
    with suppress(OSError):
        writer.write(f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body)
        await writer.drain()
    writer.close()
