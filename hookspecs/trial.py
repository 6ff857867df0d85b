"""A real project with one plugin in it, made and thrown away: what tests and checks of plugins drive.

Everything goes through the ``nself`` command and the addresses it prints, as a user would.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")

#: Keys of the test's stack alone.
JWT_KEY = "the-signing-key-of-a-stack-for-tests-and-nothing-else"
INTERNAL_SECRET = "the-internal-secret-of-a-stack-for-tests-and-nothing-else"  # noqa: S105
ADMIN_SECRET = "the-admin-secret-of-a-stack-for-tests-and-nothing-else"  # noqa: S105

_LEAN = {"AUTH_ENABLED": "false", "NGINX_ENABLED": "false"}


class PluginStack:
    """A running project with a plugin in it."""

    def __init__(self, root: Path, home: Path, plugin: str) -> None:
        self.root = root
        self.plugin = plugin
        self._environ = {**os.environ, "NSELF_HOME": str(home), "NO_COLOR": "1"}
        self._environ.pop("NSELF_ENV", None)

    def cli(
        self, *arguments: str, check: bool = True, timeout: float = 300, given: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run ``nself`` in the project, with ``given`` on its standard input; with ``check`` a failure shows what it printed."""
        try:
            done = subprocess.run(
                [sys.executable, "-m", "nself_core", *arguments],
                cwd=self.root,
                env=self._environ,
                capture_output=True,
                input=given,
                text=True,
                timeout=timeout,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise AssertionError(f"nself {' '.join(arguments)} did not end within {timeout:g} s") from None
        if check and done.returncode:
            raise AssertionError(f"nself {' '.join(arguments)} ended with {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def json(self, *arguments: str) -> Any:
        """What a command with ``--json`` prints."""
        return json.loads(self.cli(*arguments, "--json").stdout)

    def spread_ports(self) -> None:
        """Give its services ports of its own: two stacks that start at the same moment would both find a usual one free."""
        keys = [
            line["label"].removesuffix(")").replace(" (", "/") for line in self.json("urls")["urls"] if line["kind"] == "port"
        ]
        state = self.root / ".nself"
        state.mkdir(exist_ok=True)
        # below the range that the kernel takes ports of outgoing connections from
        ports = dict(zip(keys, random.sample(range(20000, 32000), len(keys)), strict=True))
        (state / "ports.json").write_text(json.dumps({"native": {"dev": ports}}), encoding="utf-8")

    # -- the plugin's routes

    @cached_property
    def http(self) -> httpx.Client:
        """A client of the plugin's routes that is a service of the project, with every right."""
        return self._client({"x-nself-internal-secret": INTERNAL_SECRET})

    @cached_property
    def anonymous(self) -> httpx.Client:
        """A client that proves nothing."""
        return self._client({})

    def user(self, user_id: str, *roles: str, **session: str) -> httpx.Client:
        """A client with the token of a user in these roles (``user`` where none is given), the first of them in force.

        ``session`` are further session variables: ``source_account_id="shop"`` becomes ``x-hasura-source-account-id``.
        """
        return self._client({"authorization": f"Bearer {self.token(user_id, *roles, **session)}"})

    def token(self, user_id: str, *roles: str, **session: str) -> str:
        """The token that ``user`` bears."""
        from joserfc import jwt
        from joserfc.jwk import OctKey

        held = roles or ("user",)
        claims: dict[str, Any] = {
            "x-hasura-user-id": user_id,
            "x-hasura-allowed-roles": list(held),
            "x-hasura-default-role": held[0],
            **{f"x-hasura-{name.replace('_', '-')}": value for name, value in session.items()},
        }
        body = {"sub": user_id, "exp": int(time.time()) + 3600, "https://hasura.io/jwt/claims": claims}
        return jwt.encode({"alg": "HS256"}, body, OctKey.import_key(JWT_KEY))

    def webhook(self, body: bytes, headers: Mapping[str, str], source: str = "") -> httpx.Response:
        """Send a webhook as its sender would, signature and all."""
        import httpx

        path = f"{self.address('host')}/webhooks/{self.plugin}{f'/{source}' if source else ''}"
        return httpx.post(path, content=body, headers={"content-type": "application/json", **headers}, timeout=30)

    def metrics(self) -> str:
        """What Prometheus would read."""
        import httpx

        return httpx.get(f"{self.address('host')}/metrics", timeout=30).text

    def plugin_state(self) -> dict[str, Any]:
        """What the Host says of the plugin: ``status`` (``serving`` …) and ``reason``."""
        import httpx

        found = httpx.get(f"{self.address('host')}/healthz", timeout=30).json()
        state: dict[str, Any] = found.get("plugins", {}).get(self.plugin, {})
        return state

    # -- what is around it

    def address(self, service: str, port: str = "http") -> str:
        """``http://127.0.0.1:…`` of a service's port."""
        return self._addresses[f"{service} ({port})"]

    def graphql(self, query: str, token: str = "", **variables: Any) -> dict[str, Any]:
        """Ask the GraphQL API, as the administrator or with a token; ``data`` and ``errors``."""
        import httpx

        headers = {"authorization": f"Bearer {token}"} if token else {"x-hasura-admin-secret": ADMIN_SECRET}
        body = {"query": query, "variables": variables}
        answer = httpx.post(f"{self.address('hasura')}/v1/graphql", json=body, headers=headers, timeout=30)
        found: dict[str, Any] = answer.json()
        return found

    def sql(self, query: str, *arguments: Any) -> list[tuple[Any, ...]]:
        """Run SQL as the database's owner and return the rows."""
        import asyncio

        async def run() -> list[tuple[Any, ...]]:
            import asyncpg

            connection = await asyncpg.connect(self._database)
            try:
                return [tuple(row) for row in await connection.fetch(query, *arguments)]
            finally:
                await connection.close()

        with ThreadPoolExecutor(1) as thread:  # the test may run in a loop of its own
            return thread.submit(asyncio.run, run()).result()

    def dump(self, tables: Iterable[str]) -> str:
        """The rows of tables, as SQL by ``pg_dump``."""
        named = [option for table in tables for option in ("-t", f"public.{table}")]
        return self.cli("exec", "-T", "postgres", "pg_dump", "--data-only", "--disable-triggers", *named).stdout

    def load(self, dump: str) -> None:
        """Run SQL by ``psql``, stopping at the first error."""
        self.cli("exec", "-T", "postgres", "psql", "-q", "-v", "ON_ERROR_STOP=1", given=dump)

    def until(self, condition: Callable[[], T], seconds: float = 30) -> T:
        """What ``condition`` returns as soon as that is true."""
        end = time.monotonic() + seconds
        while not (found := condition()):
            if time.monotonic() > end:
                raise AssertionError(f"it did not come about in {seconds:g} s; the Host wrote:\n{self.log()}")
            time.sleep(0.1)
        return found

    def log(self, lines: int = 40) -> str:
        """The last lines of the Host."""
        return self.cli("logs", "host", "--tail", str(lines), check=False).stdout

    @cached_property
    def _addresses(self) -> dict[str, str]:
        return {line["label"]: line["url"] for line in self.json("urls")["urls"] if line["kind"] == "port"}

    @cached_property
    def _database(self) -> str:
        where = self.address("postgres", "tcp").removeprefix("tcp://")
        return f"postgresql://postgres:{ADMIN_SECRET}@{where}/plugin_test"

    def _client(self, headers: Mapping[str, str]) -> httpx.Client:
        import httpx

        return httpx.Client(base_url=f"{self.address('host')}/plugins/{self.plugin}/", headers=dict(headers), timeout=30)


@dataclass(frozen=True)
class Received:
    """One request as it came; header names in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Receiver:
    """An HTTP endpoint on loopback that keeps what it is sent. Plugins reach it where ``HOST_PRIVATE_HOSTS`` is ``127.0.0.1``.

    ``answer`` makes the answer: status, headers, body. By default 200 and nothing.
    """

    def __init__(self) -> None:
        self.got: list[Received] = []
        self.answer: Callable[[Received], tuple[int, Mapping[str, str], bytes]] = lambda request: (200, {}, b"")
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Answer no more."""
        self._server.shutdown()
        self._server.server_close()

    def _handler(receiver) -> type[BaseHTTPRequestHandler]:  # noqa: N805  the handler has a self of its own
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                request = Received(self.command, self.path, headers, body)
                receiver.got.append(request)
                status, more, content = receiver.answer(request)
                self.send_response(status)
                for name, value in {"content-length": str(len(content)), **more}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_one  # noqa: N815  names of the standard library

            def log_message(self, *_: Any) -> None:
                """Be quiet."""

        return Handler


def find_package(place: Path) -> Path:
    """The package folder of the plugin that a file belongs to: the one with ``plugin.json`` beside the nearest pyproject.toml."""
    for folder in place.parents:
        if (folder / "pyproject.toml").is_file():
            found = sorted(folder.glob("*/plugin.json"))
            if found:
                return found[0].parent
    raise LookupError(f"no folder above {place} has a pyproject.toml and a package with plugin.json")


def make_project(place: Path, package: Path, settings: Mapping[str, str], plugins: Sequence[Path] = ()) -> PluginStack:
    """A project below ``place`` with a home of its own, the plugin enabled; ``plugins``: folders of others that it needs."""
    plugin = json.loads((package / "plugin.json").read_text(encoding="utf-8"))["name"]
    stack = PluginStack(place / "project", place / "home", plugin)
    stack.root.mkdir()
    wanted = {
        **_LEAN,
        "POSTGRES_PASSWORD": ADMIN_SECRET,
        "HASURA_GRAPHQL_ADMIN_SECRET": ADMIN_SECRET,
        "HASURA_JWT_KEY": JWT_KEY,
        "PLUGIN_INTERNAL_SECRET": INTERNAL_SECRET,
        **settings,
    }
    (stack.root / ".env").write_text("ENV=dev\nPROJECT_NAME=plugin-test\n", encoding="utf-8")
    (stack.root / ".env.dev").write_text("".join(f"{name}='{value}'\n" for name, value in wanted.items()), encoding="utf-8")
    for folder in (*plugins, package):
        stack.cli("plugin", "install", str(folder), "--yes", timeout=1800)  # an environment of its own may be large
    stack.spread_ports()
    return stack
