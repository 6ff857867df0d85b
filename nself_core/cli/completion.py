"""Values that a shell completes, read from files alone: nothing is loaded, started or asked."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from nself_core.paths import find_root

if TYPE_CHECKING:
    from pathlib import Path

    import click

#: ``.env`` files whose last part names no environment.
_NO_ENVIRONMENT = frozenset({"local", "secrets", "example", "sample", "computed", "runtime"})


def environments(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """The environments of the project around the working folder."""
    root = find_root()
    return _starting(_environments_of(root), incomplete) if root else []


def services(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """The services of the project, as the last build wrote them."""
    root = find_root()
    return _starting(_services_of(root), incomplete) if root else []


def plugins(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """The plugins that are there, built-in and installed."""
    from nself_core.paths import home
    from nself_core.plugins.index import load

    return _starting({plugin.name for plugin in load(home())}, incomplete)


def _environments_of(root: Path) -> set[str]:
    names = {entry.name.removeprefix(".env.") for entry in os.scandir(root) if entry.name.startswith(".env.") and entry.is_file()}
    names = {name for name in names if "." not in name and name not in _NO_ENVIRONMENT}
    folder = root / ".environments"
    if folder.is_dir():
        names |= {entry.name for entry in os.scandir(folder) if entry.is_dir()}
    return names | {"dev"}


def _services_of(root: Path) -> set[str]:
    names: set[str] = set()
    try:
        ports = json.loads((root / ".nself" / "ports.json").read_text())  # runtime → environment → "service/port" → number
        names |= {key.partition("/")[0] for by_environment in ports.values() for keys in by_environment.values() for key in keys}
    except (OSError, ValueError, AttributeError):
        pass
    try:
        import yaml

        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        made = yaml.load((root / "docker-compose.yml").read_text(), Loader=loader)  # noqa: S506  both are safe loaders
        names |= set(made["services"])
    except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError):
        pass
    return names


def _starting(values: set[str], incomplete: str) -> list[str]:
    return sorted(value for value in values if value.startswith(incomplete))


#: Arguments whose values the shell completes without their command saying so, by name.
BY_ARGUMENT = {"service": services, "services": services, "env": environments, "environment": environments}
