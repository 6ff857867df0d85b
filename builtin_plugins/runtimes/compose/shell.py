"""Commands inside a container, with this terminal's streams."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence

from builtin_plugins.runtimes.compose.engine import Engine
from hookspecs import UserError


def exec_argv(
    engine: Engine, service: str, argv: Sequence[str], *, tty: bool, user: str | None, env: Mapping[str, str]
) -> tuple[list[str], dict[str, str]]:
    """The command line of ``docker exec`` and its environment. Values of ``env`` travel there, never as arguments."""
    docker = shutil.which("docker")
    if docker is None:
        raise UserError("the docker program is not installed, and exec needs it", remedy="install docker-cli", code="docker-cli")
    running = engine.of_service(service, running=True)
    if not running:
        raise UserError(f"{service} does not run", remedy=f"nself start {service}; nself logs {service}", code="not-running")
    made = [docker, "exec", "-i"]
    if tty:
        made.append("-t")
    if user:
        made += ["-u", user]
    # What would turn the docker program itself elsewhere can only be an argument; no secret has such a name.
    turning = {name for name in env if name.startswith("DOCKER_")}
    hidden = {name: value for name, value in env.items() if name not in turning}
    for name, value in env.items():
        made += ["-e", f"{name}={value}" if name in turning else name]
    return [*made, str(running[0]["Id"]), *argv], engine.environment() | hidden
