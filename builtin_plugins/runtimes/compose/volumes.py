"""The files of a data volume as a tar, through a container that mounts it: it need not run, and no further image is needed."""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Sequence
from typing import IO

from builtin_plugins.runtimes.compose.engine import Engine
from hookspecs import Service, Stack, UserError


def read(engine: Engine, stack: Stack, volume: str, into: IO[bytes]) -> None:
    """Write the tar. ``UserError`` where no container mounts the volume any more."""
    service, target = _mount(stack, volume)
    _docker(engine, ["cp", f"{_container(engine, service, volume)}:{target}/.", "-"], stdout=into)


def write(engine: Engine, stack: Stack, volume: str, source: IO[bytes], make: Callable[[str], None]) -> None:
    """Make the volume anew with the files of a tar, owned as the image has its folder. ``make`` makes a service's container."""
    service, target = _mount(stack, volume)
    for container in engine.of_service(service.name):
        engine.ask("DELETE", f"/containers/{container['Id']}", v=True, force=True)
    known = engine.volumes().get(volume)
    if known:
        engine.ask("DELETE", f"/volumes/{known}")
    make(service.name)
    container = _container(engine, service, volume)
    with tempfile.TemporaryFile() as owned:
        uid, gid = _owner(engine, container, target)
        with tarfile.open(fileobj=source, mode="r|") as given, tarfile.open(fileobj=owned, mode="w") as made:
            for member in given:
                member.uid, member.gid, member.uname, member.gname = uid, gid, "", ""
                made.addfile(member, given.extractfile(member) if member.isfile() else None)
        owned.seek(0)
        _docker(engine, ["cp", "-a", "-", f"{container}:{target}"], stdin=owned)


def _mount(stack: Stack, volume: str) -> tuple[Service, str]:
    for service in stack.services:
        for mount in service.mounts:
            if mount.kind == "volume" and mount.source == volume:
                return service, mount.target.rstrip("/")
    raise UserError(f"no service has the volume {volume}", code="volume-unknown")


def _container(engine: Engine, service: Service, volume: str) -> str:
    found = engine.of_service(service.name)
    if not found:
        raise UserError(
            f"no container of {service.name} is there to reach its volume {volume} by",
            where=service.name,
            remedy=f"nself start {service.name}, then say it again",
            code="volume-unreachable",
        )
    return str(found[0]["Id"])


def _owner(engine: Engine, container: str, target: str) -> tuple[int, int]:
    """Whose the folder is: the first entry of its tar is the folder itself."""
    listed = io.BytesIO()
    _docker(engine, ["cp", f"{container}:{target}", "-"], stdout=listed)
    listed.seek(0)
    with tarfile.open(fileobj=listed, mode="r|") as tar:
        first = tar.next()
    return (first.uid, first.gid) if first else (0, 0)


def _docker(engine: Engine, arguments: Sequence[str], *, stdin: IO[bytes] | None = None, stdout: IO[bytes] | None = None) -> None:
    program = shutil.which("docker")
    if program is None:
        raise UserError(
            "the docker program is not installed, and volumes need it", remedy="install docker-cli", code="docker-cli"
        )
    memory = isinstance(stdout, io.BytesIO)
    done = subprocess.run(
        [program, *arguments],
        env=engine.environment(),
        stdin=stdin or subprocess.DEVNULL,
        stdout=subprocess.PIPE if memory or stdout is None else stdout,
        stderr=subprocess.PIPE,
        check=False,
    )
    if done.returncode:
        told = done.stderr.decode(errors="replace").strip()
        raise UserError(f"docker cp failed: {told[-400:]}", remedy="nself doctor", code="volume-copy")
    if memory and stdout is not None:
        stdout.write(done.stdout)
