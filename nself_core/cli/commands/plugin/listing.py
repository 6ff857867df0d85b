"""``nself plugin list``, ``search`` and ``outdated``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from nself_core import paths
from nself_core.cli.commands.plugin.common import document, manager, offer, state
from nself_core.cli.options import json_option
from nself_core.cli.output import next_step, print_json, print_table, say, tell

if TYPE_CHECKING:
    from nself_core.plugins.install.catalogue import Catalogue
    from nself_core.plugins.sources.model import Release


@click.command(
    "list",
    epilog="\b\nExamples:\n  nself plugin list\n  nself plugin list --available --tier free\n  nself plugin list --others --json",
)
@click.option("--available", is_flag=True, help="The plugins of the catalogue too, not only those that are here.")
@click.option("--others", is_flag=True, help="Leave out the plugins that are part of nself.")
@click.option("--tier", type=click.Choice(["core", "free", "pro"]), help="Only those of a tier.")
@click.option("--bundle", help="Only those in a bundle.")
@json_option
def list_(available: bool, others: bool, tier: str | None, bundle: str | None, as_json: bool) -> None:
    """List the plugins that are here, with the state of each; with --available those that can be installed too."""
    entries = [
        entry
        for entry in manager().known()
        if not (others and entry.source == "core")
        and tier in {None, entry.manifest.get("tier", "free")}
        and (bundle is None or bundle in entry.manifest.get("bundles", ()))
    ]
    offered = _offered({entry.name for entry in entries}, tier, bundle) if available else []
    if as_json:
        print_json([*map(document, entries), *map(offer, offered)])
        return
    if not entries and not offered:
        say("no plugins are installed beside nself's own" if not available else "there is none")
        next_step("nself plugin list --available")
        return
    rows = [(e.name, e.version or "-", state(e), "yes" if e.usable else "no", e.reason or e.summary) for e in entries]
    rows += [(one.name, one.version, "available", "no", _summary(one)) for one in offered]
    print_table(("name", "version", "state", "enabled", "summary"), rows)


@click.command(epilog="\b\nExamples:\n  nself plugin search mail\n  nself plugin search --tier free --json")
@click.argument("words", nargs=-1)
@click.option("--tier", type=click.Choice(["free", "pro"]), help="Only those of a tier.")
@click.option("--bundle", help="Only those in a bundle.")
@json_option
def search(words: tuple[str, ...], tier: str | None, bundle: str | None, as_json: bool) -> None:
    """Look through the catalogue: every word must stand in a plugin's name, publisher, summary or bundles."""
    found = [one for one in _offered(set(), tier, bundle) if all(word.lower() in _text(one) for word in words)]
    if as_json:
        here = {(entry.manifest.get("publisher", ""), entry.name) for entry in manager().known()}
        print_json([offer(one, installed=(one.publisher, one.name) in here) for one in found])
        return
    if not found:
        say("no plugin of the catalogue fits")
        return
    rows = [(one.full_name, one.version, one.tier, str(one.level or "-"), one.summary) for one in found]
    print_table(("name", "version", "tier", "level", "summary"), rows)
    next_step(f"nself plugin info {found[0].name}, nself plugin install {found[0].name}")


@click.command(epilog="\b\nExamples:\n  nself plugin outdated\n  nself plugin outdated --json")
@json_option
def outdated(as_json: bool) -> None:
    """List the installed plugins of which there is a newer version, or whose version was revoked."""
    from nself_core.plugins.install.catalogue import Catalogue
    from nself_core.plugins.install.outdated import outdated as find

    catalogue = Catalogue(paths.home())
    found = find(paths.home(), catalogue)
    _tell_away(catalogue)
    if as_json:
        print_json([
            {"name": one.name, "installed": one.installed, "newest": one.newest, "pinned": one.pinned, "revoked": one.revoked}
            for one in found
        ])  # fmt: skip
        return
    if not found:
        say("every installed plugin is the newest there is")
        return
    notes = [(one.revoked and f"revoked: {one.revoked}") or (one.pinned and "pinned") or "" for one in found]
    print_table(
        ("name", "installed", "newest", "note"),
        [(one.name, one.installed, one.newest or "-", note) for one, note in zip(found, notes, strict=True)],
    )
    next_step("nself plugin update")


def _offered(without: set[str], tier: str | None, bundle: str | None) -> list[Release]:
    from nself_core.plugins.install.catalogue import Catalogue

    catalogue = Catalogue(paths.home())
    found = [one for one in catalogue.all() if one.name not in without]
    _tell_away(catalogue)
    return [one for one in found if tier in {None, one.tier} and (bundle is None or bundle in one.bundles)]


def _tell_away(catalogue: Catalogue) -> None:
    for reason in catalogue.away.values():
        tell(f"left out: {reason}")


def _summary(one: Release) -> str:
    return f"{one.summary} (paid)" if one.tier == "pro" else one.summary


def _text(one: Release) -> str:
    return " ".join((one.full_name, one.summary, *one.bundles)).lower()
