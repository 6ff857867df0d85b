"""Ports for servers of tests.

The kernel gives outgoing connections ports of its own range (from 32768 on Linux), so a port found by binding to 0 may be
somebody's by the time a server is started on it. These are below that range, no process of a run asks for one twice, and the
workers of pytest-xdist have ranges of their own.
"""

from __future__ import annotations

import os
import random
import socket
from collections.abc import Iterator

FIRST, LAST = 20000, 32000
WORKERS = 4


def _candidates() -> Iterator[int]:
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    width = (LAST - FIRST) // WORKERS
    first = FIRST + int(worker) % WORKERS * width
    ports = list(range(first, first + width))
    random.shuffle(ports)
    yield from ports


_ports = _candidates()


def free_port() -> int:
    """A port nobody listens on now; never the same twice."""
    for port in _ports:
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError(f"no free port is left between {FIRST} and {LAST}")


def free_ports(count: int) -> list[int]:
    """So many of them."""
    return [free_port() for _ in range(count)]
