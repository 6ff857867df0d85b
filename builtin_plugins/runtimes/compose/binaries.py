"""Which Docker Compose there is. The v2 plugin is a program of its own and is run directly, so ``docker`` need not be there."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from builtin_plugins.runtimes.compose import endpoint

#: Where the docker program looks for plugins (docker/cli, cli-plugins/manager), after the user's own folder.
PLUGIN_FOLDERS = (
    "/usr/local/lib/docker/cli-plugins",
    "/usr/local/libexec/docker/cli-plugins",
    "/usr/lib/docker/cli-plugins",
    "/usr/libexec/docker/cli-plugins",
    "/Applications/Docker.app/Contents/Resources/cli-plugins",
    "/opt/homebrew/lib/docker/cli-plugins",
)


@dataclass(frozen=True)
class ComposeBinary:
    path: str

    @cached_property
    def version(self) -> str:
        """Its version, such as ``2.26.1`` or ``1.29.2``; empty where it does not say."""
        done = subprocess.run([self.path, "version", "--short"], capture_output=True, text=True, timeout=30, check=False)
        return done.stdout.strip().removeprefix("v") if done.returncode == 0 else ""

    @property
    def is_v1(self) -> bool:
        return self.version.startswith("1.")


def find(environ: Mapping[str, str] = os.environ) -> ComposeBinary | None:
    """The v2 plugin where docker would find it, else ``docker-compose`` of either generation on PATH."""
    for folder in _folders(environ):
        candidate = folder / "docker-compose"
        if os.access(candidate, os.X_OK):
            return ComposeBinary(str(candidate))
    found = shutil.which("docker-compose", path=environ.get("PATH"))
    return ComposeBinary(found) if found else None


def _folders(environ: Mapping[str, str]) -> Iterator[Path]:
    yield endpoint.config_folder(environ) / "cli-plugins"
    extra = endpoint.config(environ).get("cliPluginsExtraDirs")
    yield from (Path(str(folder)) for folder in extra) if isinstance(extra, list) else ()
    yield from (Path(folder) for folder in PLUGIN_FOLDERS)
