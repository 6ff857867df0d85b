"""What a project has in the engine, found by label."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from builtin_plugins.runtimes.compose import endpoint, labels
from builtin_plugins.runtimes.compose.api import Api, RefusedError
from hookspecs.errors import UserError

if TYPE_CHECKING:
    from docker.api import APIClient

_TIMEOUT = 60
NOT_FOUND = 404
REFUSED = "docker-refuses"
"""Code of the error where the engine answers, and does not do what it is asked."""
T = TypeVar("T")


class Engine:
    """What this project has in the engine, found by label. A lost engine is a ``UserError``."""

    def __init__(self, project: str) -> None:
        self.project = project
        try:
            self.where = endpoint.current()
        except endpoint.ContextError as error:
            raise UserError(str(error), remedy=error.remedy, code="docker-context") from error
        self._api = Api(self.where, timeout=_TIMEOUT)

    @cached_property
    def streaming(self) -> APIClient:
        """The docker library's client, for pulls and logs alone: it takes over half a second to import."""
        trouble = endpoint.ping(self.where)
        if trouble:
            raise self.down(trouble)
        from docker import APIClient
        from docker.errors import DockerException
        from docker.tls import TLSConfig

        tls: Any = False
        folder = self.where.certificates
        try:
            if folder is not None:
                pair = (str(folder / "cert.pem"), str(folder / "key.pem"))
                tls = TLSConfig(client_cert=pair, ca_cert=str(folder / "ca.pem"), verify=True)
            ssh = self.where.url.startswith("ssh://")
            return APIClient(base_url=self.where.url, version="auto", timeout=_TIMEOUT, tls=tls, use_ssh_client=ssh)
        except (DockerException, OSError) as error:
            raise self.down(str(error)) from error

    def stream(self, what: Callable[[APIClient], T]) -> T:
        """Use the streaming client; what the engine refuses, or a lost connection, is a ``UserError``."""
        client = self.streaming
        from docker.errors import APIError, DockerException
        from requests.exceptions import RequestException

        try:
            return what(client)
        except APIError as error:
            raise refused(error.explanation or str(error)) from error
        except (DockerException, RequestException, OSError) as error:
            raise self.down(str(error)) from error

    def ask(self, method: str, path: str, body: Mapping[str, object] | None = None, **query: object) -> Any:
        """One request; what the engine refuses, or a lost connection, is a ``UserError``."""
        try:
            return self._asked(self._api, method, path, query, body)
        except RefusedError as error:
            raise refused(error.message) from error

    def _asked(
        self, api: Api, method: str, path: str, query: Mapping[str, object], body: Mapping[str, object] | None = None
    ) -> Any:
        try:
            return api.ask(method, path, query, body)
        except OSError as error:
            raise self.down(endpoint.meaning(error)) from error

    def down(self, why: str) -> UserError:
        """The error of an engine that does not answer."""
        context = f" (docker context {self.where.context!r})" if self.where.context else ""
        return UserError(
            f"no Docker Engine answers at {self.where.url}{context}: {why}",
            remedy="start it, or choose another with DOCKER_HOST or `docker context use`; `nself doctor` looks closer",
            code="docker-down",
        )

    def _filters(self) -> dict[str, list[str]]:
        return {"label": [f"{labels.PROJECT}={self.project}"]}

    def containers(self) -> list[dict[str, Any]]:
        """Every container of the project, stopped ones too, as the engine lists them."""
        found: list[dict[str, Any]] = self.ask("GET", "/containers/json", all=True, filters=self._filters())
        return sorted(found, key=lambda c: (c["Labels"].get(labels.SERVICE, ""), instance_of(c)))

    def of_service(self, service: str, *, running: bool = False) -> list[dict[str, Any]]:
        """The containers of one service, by number."""
        mine = [c for c in self.containers() if c["Labels"].get(labels.SERVICE) == service]
        return [c for c in mine if c["State"] == "running"] if running else mine

    def _found(self, path: str) -> dict[str, Any] | None:
        """What is there at a path, ``None`` where nothing is."""
        try:
            found: dict[str, Any] = self._asked(self._api, "GET", path, {})
        except RefusedError as error:
            if error.status == NOT_FOUND:
                return None
            raise refused(error.message) from error
        return found

    def inspect(self, container: str) -> dict[str, Any] | None:
        """Everything about a container, ``None`` where it went away meanwhile."""
        return self._found(f"/containers/{container}/json")

    def volumes(self) -> dict[str, str]:
        """The project's data volumes: their names in the Stack, and in the engine."""
        found = self.ask("GET", "/volumes", filters=self._filters())["Volumes"] or []
        return {volume["Labels"].get(labels.VOLUME, volume["Name"]): volume["Name"] for volume in found}

    def networks(self) -> list[str]:
        found = self.ask("GET", "/networks", filters=self._filters())
        return sorted(str(network["Name"]) for network in found)

    def has_image(self, ref: str) -> bool:
        return bool(self.image_id(ref))

    def image_id(self, ref: str) -> str:
        """The image that a name stands for now, empty where there is none."""
        return str((self._found(f"/images/{ref}/json") or {}).get("Id", ""))

    # -- what is done to containers

    def stop(self, container: str, *, grace: int) -> None:
        """Send its stop signal, and the kill after ``grace`` seconds."""
        self._end(container, "stop", grace)

    def own_grace(self, container: str) -> int:
        """The seconds it was made with: what one is given whose service is no longer in the Stack."""
        found = self.inspect(container) or {}
        return int(found.get("Config", {}).get("StopTimeout") or 30)

    def restart(self, container: str, *, grace: int) -> None:
        self._end(container, "restart", grace)

    def _end(self, container: str, how: str, grace: int) -> None:
        patient = Api(self.where, timeout=grace + _TIMEOUT)
        try:
            self._asked(patient, "POST", f"/containers/{container}/{how}", {"t": grace})
        except RefusedError as error:
            raise refused(error.message) from error

    def run_inside(self, container: str, argv: Sequence[str]) -> int:
        """Run a command in a container without streams and return its exit code."""
        made = self.ask("POST", f"/containers/{container}/exec", {"Cmd": list(argv), "AttachStdout": True, "AttachStderr": True})
        self.ask("POST", f"/exec/{made['Id']}/start", {"Detach": False, "Tty": False})
        return int(self.ask("GET", f"/exec/{made['Id']}/json")["ExitCode"] or 0)

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


def refused(why: str) -> UserError:
    return UserError(f"the Docker Engine refuses: {why}", code=REFUSED)


def instance_of(container: Mapping[str, Any]) -> int:
    """Which copy of its service a container is, from 1."""
    text = container["Labels"].get(labels.NUMBER, "1")
    return int(text) if text.isdigit() else 1


def moment(text: str) -> datetime | None:
    """The engine's time stamps have nanoseconds, Python's have microseconds; the year 1 means never."""
    if not text or text.startswith("0001"):
        return None
    head, _, rest = text.rstrip("Z").partition(".")
    return datetime.fromisoformat(f"{head}.{(rest + '000000')[:6]}+00:00")
