"""Where the Docker Engine is, decided as the docker program decides it, and whether it answers. Standard library alone.

Order: ``DOCKER_HOST``, then ``DOCKER_CONTEXT``, then ``currentContext`` of ``~/.docker/config.json``, then the usual socket.
A context's address is in ``contexts/meta/<sha256 of its name>/meta.json`` (docker/cli, cli/context/store).
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

USUAL = "unix:///var/run/docker.sock"
PING_TIMEOUT = 2.0


class ContextError(Exception):
    """The engine's address that is chosen cannot be used; the text says why."""

    def __init__(self, why: str, remedy: str) -> None:
        super().__init__(why)
        self.remedy = remedy


_SCHEMES = frozenset({"unix", "npipe", "tcp", "http", "https", "ssh"})


class Endpoint(NamedTuple):
    url: str
    context: str = ""
    """The docker context it came from, empty for DOCKER_HOST and the usual socket."""
    certificates: Path | None = None
    """Folder with ca.pem, cert.pem and key.pem for a TLS address."""

    @property
    def local(self) -> bool:
        return self.url.startswith(("unix://", "npipe://"))


def config_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Docker's own configuration folder."""
    return Path(environ.get("DOCKER_CONFIG") or Path.home() / ".docker")


def config(environ: Mapping[str, str] = os.environ) -> dict[str, object]:
    """Docker's ``config.json``, empty where there is none or it cannot be read."""
    try:
        found = json.loads((config_folder(environ) / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def current(environ: Mapping[str, str] = os.environ) -> Endpoint:
    """The engine's address that is in force; ``ContextError`` where what is chosen is no address, or not there."""
    host = environ.get("DOCKER_HOST")
    if host:
        _refuse_what_is_no_address(host)
        certificates = environ.get("DOCKER_CERT_PATH")
        tls = bool(environ.get("DOCKER_TLS_VERIFY"))
        return Endpoint(host, certificates=Path(certificates or config_folder(environ)) if tls else None)
    name = environ.get("DOCKER_CONTEXT") or str(config(environ).get("currentContext") or "")
    if name in {"", "default"}:
        return Endpoint(USUAL)
    return _of_context(name, config_folder(environ))


def _refuse_what_is_no_address(host: str) -> None:
    try:
        parts = urlsplit(host)
        named = parts.path.startswith("/") if parts.scheme in {"unix", "npipe"} else bool(parts.hostname or parts.port)
    except ValueError:  # a port that is no number
        named = False
    if not named or parts.scheme not in _SCHEMES:
        raise ContextError(
            f"DOCKER_HOST is {host!r}, which is no address of an engine",
            "write unix:///path/to/docker.sock, tcp://host:port or ssh://user@host, or unset DOCKER_HOST",
        )


def _of_context(name: str, folder: Path) -> Endpoint:
    key = hashlib.sha256(name.encode()).hexdigest()
    try:
        meta = json.loads((folder / "contexts" / "meta" / key / "meta.json").read_text(encoding="utf-8"))
        url = str(meta["Endpoints"]["docker"]["Host"])
    except (OSError, ValueError, KeyError, TypeError):
        raise ContextError(
            f"the docker context {name!r} is chosen, but does not exist: docker context use default", "docker context ls"
        ) from None
    certificates = folder / "contexts" / "tls" / key / "docker"
    return Endpoint(url, context=name, certificates=certificates if certificates.is_dir() else None)


def ping(where: Endpoint, timeout: float = PING_TIMEOUT) -> str:
    """Ask the engine for ``/_ping``; returns what is wrong, empty where it answers.

    TLS addresses are only connected to, and ``ssh://`` ones are taken at their word: asking takes seconds there.
    """
    try:
        return _connect_and_ask(where, timeout)
    except OSError as error:
        return meaning(error)


def meaning(error: OSError) -> str:
    """Why the engine could not be reached, and what helps."""
    for kind, text in _TROUBLES.items():
        if isinstance(error, kind):
            return text
    return (error.strerror or str(error)).lower()


_TROUBLES: dict[type[OSError], str] = {
    FileNotFoundError: "there is no such socket; is Docker installed and started?",
    PermissionError: "permission denied; add yourself to the docker group and sign in again",
    ConnectionRefusedError: "connection refused; start the engine (sudo systemctl start docker, or Docker Desktop)",
    TimeoutError: "it does not answer in time",
}


def _connect_and_ask(where: Endpoint, timeout: float) -> str:
    parts = urlsplit(where.url)
    if parts.scheme == "unix":
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(timeout)
            connection.connect(parts.path)
            return _ask(connection)
    if parts.scheme in {"tcp", "http", "https"}:
        with socket.create_connection((parts.hostname or "127.0.0.1", parts.port or 2375), timeout=timeout) as connection:
            return "" if where.certificates or parts.scheme == "https" else _ask(connection)
    return ""


def _ask(connection: socket.socket) -> str:
    connection.sendall(b"GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n")
    line = connection.recv(256).split(b"\r\n")[0]
    return "" if b" 200 " in line + b" " else f"it answers {line.decode(errors='replace') or 'nothing'!r}"
