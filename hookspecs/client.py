"""A plugin's commands calling the plugin's own routes in the running Host."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from hookspecs.errors import UserError

if TYPE_CHECKING:
    import httpx

    from hookspecs.models.commands import CommandContext

#: The service that runs plugins, and where it proves that a caller is of the project.
HOST = "host"
INTERNAL_HEADER = "x-nself-internal-secret"
_SECRET = "NSELF_INTERNAL_SECRET"  # noqa: S105  a variable's name
_START = "nself start, then nself health"


class PluginClient:
    """Calls the routes of one plugin with every right. What goes wrong is a ``UserError`` in the plugin's own words."""

    def __init__(self, http: httpx.Client, plugin: str) -> None:
        self._http = http
        self._plugin = plugin

    def get(self, path: str, **query: Any) -> Any:
        """The JSON at a path below the plugin; query values that are ``None`` are left out."""
        return self.call("GET", path, query=query)

    def post(self, path: str, body: Any = None, **query: Any) -> Any:
        """Post JSON, return JSON."""
        return self.call("POST", path, body, query=query)

    def put(self, path: str, body: Any) -> Any:
        """Put JSON, return JSON."""
        return self.call("PUT", path, body)

    def patch(self, path: str, body: Any) -> Any:
        """Patch with JSON, return JSON."""
        return self.call("PATCH", path, body)

    def delete(self, path: str, **query: Any) -> None:
        """Delete what is at a path."""
        self.call("DELETE", path, query=query)

    def call(self, method: str, path: str, body: Any = None, query: dict[str, Any] | None = None) -> Any:
        """One call; ``None`` where the answer has no body."""
        import httpx

        given = {name: value for name, value in (query or {}).items() if value is not None}
        try:
            answer = self._http.request(method, path, json=body, params=given)
        except httpx.HTTPError as error:
            raise UserError(
                f"the plugin host does not answer: {error}", where=str(self._http.base_url), remedy=_START, code="host-down"
            ) from None
        if answer.is_success:
            return answer.json() if answer.content else None
        raise UserError(_detail(answer), where=f"plugin {self._plugin}", code=f"http-{answer.status_code}")


@contextmanager
def plugin_client(context: CommandContext, plugin: str, env: str | None = None, *, account: str = "") -> Iterator[PluginClient]:
    """The plugin's routes, at the Host's port on this machine or, where that is not published, at its public address.

    ``account``: whose rows, ``source_account_id``; by default ``primary``.
    """
    import httpx

    secret = context.environment(HOST, env)[_SECRET]
    try:
        base = f"http://{context.address(HOST, env=env)}"
    except UserError as error:
        if error.code != "port-unpublished":
            raise
        base = context.public_url(HOST, env).removesuffix("/plugins")
    headers = {INTERNAL_HEADER: secret} | ({"x-source-account-id": account} if account else {})
    with httpx.Client(base_url=f"{base}/plugins/{plugin}/", headers=headers, timeout=60) as http:
        yield PluginClient(http, plugin)


def _detail(answer: httpx.Response) -> str:
    """The reason in an answer of FastAPI's form, else its status."""
    try:
        detail = answer.json()["detail"]
    except (ValueError, KeyError, TypeError):
        return f"it answered {answer.status_code} {answer.reason_phrase}"
    if isinstance(detail, list):
        parts = (f"{'.'.join(str(part) for part in fault['loc'][1:])}: {fault['msg']}" for fault in detail)
        return "; ".join(part.removeprefix(": ") for part in parts)
    return str(detail)
