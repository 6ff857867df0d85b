"""What the commands of ``nself plugin`` share: how plugins are named, opened and shown."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nself_core import paths
from nself_core.cli.completion import plugins
from nself_core.cli.output import style

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nself_core.plugins.manager import PluginManager
    from nself_core.plugins.model import PluginEntry
    from nself_core.plugins.sources.model import Release

_COLOURS = {
    "core": "green", "signed": "green", "hmac": "green", "local": "green", "allowed": "cyan", "development": "cyan",
    "unsigned": "yellow", "modified": "red", "revoked": "red",
}  # fmt: skip

name_argument = click.argument("name", shell_complete=plugins)
yes_option = click.option("--yes", "-y", is_flag=True, help="Agree to what is asked for without being asked.")


def manager() -> PluginManager:
    """The plugins as the project around the working folder sees them."""
    from nself_core.plugins import PluginManager

    return PluginManager.open(paths.home(), paths.find_root())


def home_and_root() -> tuple[Path, Path | None]:
    """nself's home, and the project around the working folder if there is one."""
    return paths.home(), paths.find_root()


def short(name: str) -> str:
    """The short name in ``publisher/name``; ``UserError`` where an installed plugin of that name is another publisher's."""
    from hookspecs.errors import UserError
    from nself_core.plugins.index import load

    _, slash, plain = name.rpartition("/")
    if not slash:
        return name
    for one in load(paths.home()):
        if one.name == plain and one.full_name != name:
            raise UserError(f"{name} is not installed; {one.full_name} is", code="plugin-unknown")
    return plain


def state(entry: PluginEntry) -> str:
    """An entry's state, coloured on a terminal."""
    return style(str(entry.state), fg=_COLOURS.get(entry.state, "white"))


def document(entry: PluginEntry) -> dict[str, Any]:
    """A plugin that is there, as JSON."""
    return {
        "name": entry.name,
        "publisher": entry.manifest.get("publisher", ""),
        "version": entry.version,
        "state": str(entry.state),
        "installed": True,
        "enabled": entry.enabled,
        "in_use": entry.usable,
        "reason": entry.reason,
        "remedy": entry.remedy,
        "summary": entry.summary,
        "source": entry.source,
        "path": entry.path,
        "tier": entry.manifest.get("tier", "free"),
        "bundles": list(entry.manifest.get("bundles", ())),
        "hooks": list(entry.manifest.get("hooks", ())),
        "commands": [one["name"] for one in entry.manifest.get("commands", ())],
        "depends_on": list(entry.manifest.get("depends_on", ())),
    }


def offer(release: Release, *, installed: bool = False) -> dict[str, Any]:
    """A plugin of the catalogue, as JSON."""
    return {
        "name": release.name,
        "publisher": release.publisher,
        "version": release.version,
        "installed": installed,
        "summary": release.summary,
        "registry": release.registry,
        "tier": release.tier,
        "bundles": list(release.bundles),
        "level": release.level,
        "yanked": release.yanked,
        "revoked": release.revoked,
    }


def permissions(asked: Mapping[str, Any]) -> str:
    """What a manifest asks for, in one line."""
    return "; ".join(f"{kind}: {', '.join(map(str, what))}" for kind, what in asked.items() if what) or "none asked for"


def as_folder(path: Path) -> str:
    """A folder as other commands take it for one: a bare name would be looked for in registries and package indexes."""
    return str(path) if path.is_absolute() or path.parts[:1] in {(".",), ("..",)} else f"./{path}"
