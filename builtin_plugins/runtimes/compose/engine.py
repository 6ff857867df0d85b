"""The engine's API, through the docker library, which is imported only here: it costs over half a second."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

from builtin_plugins.runtimes.compose import endpoint, labels
from hookspecs import UserError

if TYPE_CHECKING:
    from docker import DockerClient

_TIMEOUT = 60
T = TypeVar("T")


class Engine:
    """What this project has in the engine, found by label. A lost engine is a ``UserError``."""

    def __init__(self, project: str) -> None:
        self.project = project
        try:
            self.where = endpoint.current()
        except endpoint.ContextError as error:
            raise UserError(str(error), remedy="docker context ls", code="docker-context") from error
        self._client: DockerClient | None = None

    @property
    def api(self) -> Any:
        """The low-level client, connected on first use."""
        if self._client is None:
            self._client = self._connect()
        return self._client.api

    def _connect(self) -> DockerClient:
        trouble = endpoint.ping(self.where)
        if trouble:
            raise self.down(trouble)
        from docker import DockerClient
        from docker.errors import DockerException
        from docker.tls import TLSConfig

        tls: Any = False
        folder = self.where.certificates
        try:
            if folder is not None:
                pair = (str(folder / "cert.pem"), str(folder / "key.pem"))
                tls = TLSConfig(client_cert=pair, ca_cert=str(folder / "ca.pem"), verify=True)
            ssh = self.where.url.startswith("ssh://")
            return DockerClient(base_url=self.where.url, version="auto", timeout=_TIMEOUT, tls=tls, use_ssh_client=ssh)
        except (DockerException, OSError) as error:
            raise self.down(str(error)) from error

    def down(self, why: str) -> UserError:
        """The error of an engine that does not answer."""
        context = f" (docker context {self.where.context!r})" if self.where.context else ""
        return UserError(
            f"no Docker Engine answers at {self.where.url}{context}: {why}",
            remedy="start it, or choose another with DOCKER_HOST or `docker context use`; `nself doctor` looks closer",
            code="docker-down",
        )

    def call(self, what: Callable[[Any], T]) -> T:
        """Ask the API; what the engine refuses, or a lost connection, is a ``UserError``."""
        api = self.api
        from docker.errors import APIError, DockerException
        from requests.exceptions import RequestException

        try:
            return what(api)
        except APIError as error:
            raise UserError(f"the Docker Engine refuses: {error.explanation or error}", code="docker-refuses") from error
        except (DockerException, RequestException, OSError) as error:
            raise self.down(str(error)) from error

    def _filters(self) -> dict[str, list[str]]:
        return {"label": [f"{labels.PROJECT}={self.project}"]}

    def containers(self) -> list[dict[str, Any]]:
        """Every container of the project, stopped ones too, as the engine lists them."""
        found: list[dict[str, Any]] = self.call(lambda api: api.containers(all=True, filters=self._filters()))
        return sorted(found, key=lambda c: (c["Labels"].get(labels.SERVICE, ""), _number(c)))

    def of_service(self, service: str, *, running: bool = False) -> list[dict[str, Any]]:
        """The containers of one service, by number."""
        mine = [c for c in self.containers() if c["Labels"].get(labels.SERVICE) == service]
        return [c for c in mine if c["State"] == "running"] if running else mine

    def inspect(self, container: str) -> dict[str, Any] | None:
        """Everything about a container, ``None`` where it went away meanwhile."""
        from docker.errors import NotFound

        def ask(api: Any) -> dict[str, Any] | None:
            try:
                found: dict[str, Any] = api.inspect_container(container)
            except NotFound:
                return None
            return found

        return self.call(ask)

    def volumes(self) -> list[str]:
        """The project's data volumes."""
        found = self.call(lambda api: api.volumes(filters=self._filters()))["Volumes"] or []
        return sorted(str(volume["Name"]) for volume in found)

    def networks(self) -> list[str]:
        found = self.call(lambda api: api.networks(filters=self._filters()))
        return sorted(str(network["Name"]) for network in found)

    def has_image(self, ref: str) -> bool:
        from docker.errors import ImageNotFound

        def ask(api: Any) -> bool:
            try:
                api.inspect_image(ref)
            except ImageNotFound:
                return False
            return True

        return self.call(ask)

    def environment(self) -> dict[str, str]:
        """The process environment for docker programs: pointed at this engine, and without the names of the project's settings,
        which Compose would otherwise put before the env files' own."""
        kept = {name: value for name, value in os.environ.items() if name in _KEPT or name.startswith(("DOCKER_", "XDG_", "LC_"))}
        kept.pop("DOCKER_CONTEXT", None)
        kept["DOCKER_HOST"] = self.where.url
        if self.where.certificates is not None:
            kept |= {"DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(self.where.certificates)}
        return kept


_KEPT = frozenset(
    {"PATH", "HOME", "USER", "LANG", "TERM", "TMPDIR", "SSH_AUTH_SOCK", "NO_COLOR", "TZ"}
    | {name for proxy in ("http_proxy", "https_proxy", "no_proxy") for name in (proxy, proxy.upper())}
)


def _number(container: dict[str, Any]) -> int:
    text = container["Labels"].get(labels.NUMBER, "1")
    return int(text) if text.isdigit() else 1


def instance_of(container: dict[str, Any]) -> int:
    """Which copy of its service a container is, from 1."""
    return _number(container)


def moment(text: str) -> datetime | None:
    """The engine's time stamps have nanoseconds, Python's have microseconds; the year 1 means never."""
    if not text or text.startswith("0001"):
        return None
    head, _, rest = text.rstrip("Z").partition(".")
    return datetime.fromisoformat(f"{head}.{(rest + '000000')[:6]}+00:00")
