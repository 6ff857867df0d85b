"""Keeps one isolated plugin natively: opens the ways out, puts the plugin's process into the sandbox, and ends with it.

``python -m builtin_plugins.host.sandbox.keeper DOCUMENT``, with the environment of the plugin's own service.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from ..document import Document
from ..server.egress import reachable
from . import bwrap, relay

_SERVE = ("-m", "nself_core.plugins.serve", "builtin_plugins.host.server.main:alone")
_DOCUMENT = "document.json"
#: What the process inside takes over of the environment; the rest of it would tell of the machine.
_KEPT = ("LANG", "LC_ALL", "TZ", "PYTHONUNBUFFERED", "SSL_CERT_FILE", "SSL_CERT_DIR", "PYTHONPATH")


def main(arguments: list[str]) -> int:
    """Run until the plugin's process ends."""
    place = Path(arguments[0]).resolve()
    document = Document.model_validate_json(place.read_bytes())
    link = Path(tempfile.mkdtemp(prefix="nself-link-"))  # short: a socket's path has at most 107 bytes
    try:
        return asyncio.run(_keep(document, place, link))
    finally:
        shutil.rmtree(link, ignore_errors=True)


async def _keep(document: Document, place: Path, link: Path) -> int:
    env = dict(os.environ)
    plugin = document.plugins[0].plugin
    permissions = plugin.manifest.permissions
    program = bwrap.program()
    reason = await asyncio.to_thread(bwrap.refusal, program)
    inside = str(link) if reason else bwrap.LINK
    sql = (env["NSELF_SQL_HOST"], int(env["NSELF_SQL_PORT"]))
    host = env["NSELF_HOST_LINK"].removeprefix("http://").rpartition(":")
    proxy = relay.EgressProxy(
        *reachable(permissions.network, document.services, document.private_hosts, document.plugins[0].settings), _say
    )
    for name, handler in (
        (f".s.PGSQL.{sql[1]}", relay.to_tcp(*sql)),
        ("host.sock", relay.to_tcp(host[0], int(host[2]))),
        ("egress.sock", proxy.handle),
    ):
        await asyncio.start_unix_server(handler, link / name)
    await asyncio.start_server(relay.to_unix(str(link / "plugin.sock")), "127.0.0.1", int(env["NSELF_HOST_PORT"]))
    data = Path(env["NSELF_HOST_DATA"]) / plugin.name
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    own = {name: value for name, value in env.items() if name.startswith("NSELF_") or name in _KEPT}
    own |= {
        "NSELF_HOST_BIND": f"unix:{inside}/plugin.sock",
        "NSELF_SQL_HOST": inside,
        "NSELF_HOST_LINK": f"unix:{inside}/host.sock",
        "NSELF_HOST_EGRESS": f"{inside}/egress.sock",
        "NSELF_HOST_SANDBOX": f"none: {reason}" if reason else "bubblewrap",
        "HOME": str(data),
        "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
    }
    shutil.copyfile(place, link / _DOCUMENT)  # its owner may be one that the sandbox has no name for
    argv = [sys.executable, *_SERVE, f"{inside}/{_DOCUMENT}"]
    if reason or program is None:
        _say(f"plugin {plugin.name} runs in a process of its own, but in no sandbox: {reason}")
    else:
        read, write = folders(document.project.root, permissions.filesystem)
        read += [document.project.packages] if document.project.packages else []
        argv = bwrap.command(program, argv, link=link, data=data, read=[Path(plugin.folder), *read], write=write)
    child = await asyncio.create_subprocess_exec(*argv, env=own, cwd=data)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, _end, child)
    return await child.wait()


def folders(root: Path, asked: tuple[str, ...]) -> tuple[list[Path], list[Path]]:
    """The project's folders a manifest asks for, to read and to write; what is not there is left out."""
    read: list[Path] = []
    write: list[Path] = []
    for entry in asked:
        name = entry.removeprefix("project:").removesuffix(":write")
        path = (root / name).resolve()
        if path.is_relative_to(root.resolve()) and path.exists():
            (write if entry.endswith(":write") else read).append(path)
    return read, write


def _end(child: asyncio.subprocess.Process) -> None:
    """Ask it to end. bubblewrap passes nothing on: what runs inside is killed with it, and what it had begun is done again."""
    if child.returncode is None:
        child.terminate()


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
