"""``nself plugin status``, ``info`` and ``verify``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from nself_core import paths
from nself_core.cli.commands.plugin.common import document, manager, name_argument, offer, permissions, short, state
from nself_core.cli.completion import plugins
from nself_core.cli.options import json_option
from nself_core.cli.output import next_step, print_json, print_table, say
from nself_core.edition import edition

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nself_core.plugins.manager import PluginManager
    from nself_core.plugins.model import PluginEntry
    from nself_core.plugins.sources.model import Release


@click.command(
    short_help="Show one plugin, or all that want attention.",
    epilog="\b\nExamples:\n  nself plugin status\n  nself plugin status NAME --json",
)
@click.argument("name", required=False, shell_complete=plugins)
@json_option
def status(name: str | None, as_json: bool) -> None:
    """Show one plugin, or all that want attention: left out, changed, not signed, allowed by you alone."""
    from nself_core.plugins.choice import known_entry
    from nself_core.plugins.permissions import asked

    opened = manager()
    if name is None:
        _attention(opened, as_json)
        return
    entry = known_entry(opened, short(name))
    signer = opened.verdict(entry.name).signer
    origin = _origin(entry)
    running = _running().get(entry.name) if entry.usable else None
    if as_json:
        signed = {"publisher": signer.publisher, "key": signer.key} if signer else None
        print_json({**document(entry), "signed_by": signed, **origin, "running": running})
        return
    rows = [
        ("name", entry.name),
        ("publisher", entry.manifest.get("publisher") or "-"),
        ("version", entry.version + (" (pinned)" if origin["pinned"] else "") if entry.version else "-"),
        ("summary", entry.summary or "-"),
        ("state", state(entry) + (f" by {signer.publisher}, key {signer.key}" if signer else "")),
        ("enabled", "yes" if entry.enabled else "no"),
        ("runs", _word(running) if running else "-"),
        ("came from", origin["registry"] or entry.source),
        ("path", entry.path or "-"),
        ("hooks", ", ".join(entry.manifest.get("hooks", ())) or "none: data alone"),
        ("commands", ", ".join(one["name"] for one in entry.manifest.get("commands", ())) or "-"),
        ("depends on", ", ".join(entry.manifest.get("depends_on", ())) or "-"),
        ("settings", str(len(entry.manifest.get("settings", ())))),
        ("permissions", permissions(asked(entry.manifest))),
    ]
    for label, value in rows:
        say(f"{label:<12}{value}")
    if entry.reason:
        say(f"{'left out':<12}{entry.reason}")
    if entry.remedy:
        next_step(entry.remedy)


def _running() -> dict[str, dict[str, Any]]:
    from nself_core.plugins.running import health

    return health(paths.find_root())


def _word(running: Mapping[str, Any]) -> str:
    """A plugin's health in words: ``serving (sandbox: bubblewrap)``, ``failed: it cannot be imported``."""
    sandbox = f" (sandbox: {running['sandbox']})" if running.get("sandbox") else ""
    return f"{running['status']}{sandbox}" + (f": {running['reason']}" if running.get("reason") else "")


def _origin(entry: PluginEntry) -> dict[str, Any]:
    from nself_core.plugins.install.store import Store
    from nself_core.plugins.pins import pinned

    store = Store(paths.home())
    record = store.active().get(entry.name) if entry.source == "store" else None
    kept = [one.version for one in store.versions(entry.name)] if record else []
    return {
        "registry": record.registry if record else "",
        "hash": record.hash if record else "",
        "installed_at": record.at if record else "",
        "kept_versions": kept,
        "pinned": entry.name in pinned(paths.home()),
    }


def _attention(opened: PluginManager, as_json: bool) -> None:
    known = opened.known()
    entries = [entry for entry in known if entry.reason]
    loose = [entry for entry in known if not entry.reason and entry.enabled and str(entry.state) in {"allowed", "development"}]
    loose = [entry for entry in loose if entry.source != "core"]
    gone = [name for name in sorted(opened.lock.pins) if opened.lock.enabled(name) and opened.find(name) is None]
    failing = {name: one for name, one in sorted(_running().items()) if one["status"] not in {"serving", "starting"}}
    if as_json:
        print_json({
            "attention": [document(entry) for entry in entries],
            "unsigned": [document(entry) for entry in loose],
            "not_installed": gone,
            "failing": failing,
            "edition": edition(),
        })  # fmt: skip
        return
    if edition() == "unofficial build":
        say("nself is an unofficial build: its own plugins are vouched for by whoever built it")
    for name, one in failing.items():
        say(f"{name} does not serve: {_word(one)}")
    for name in gone:
        say(f"{name}: {opened.reason(name)}")
    for entry in entries:
        say(f"{entry.name} ({state(entry)}): {entry.reason}")
        if entry.remedy:
            say(f"  → {entry.remedy}")
    for entry in loose:
        say(f"{entry.name} ({state(entry)}): loaded without a signature, as you said")
    if gone:
        next_step("nself plugin install")
    if not entries and not gone and not loose and not failing:
        say(f"{len(known)} plugins, nothing to say against any")


@click.command(
    short_help="Show what the catalogue and this machine know of a plugin.",
    epilog="\b\nExamples:\n  nself plugin info notify\n  nself plugin info acme/notify --json",
)
@name_argument
@json_option
def info(name: str, as_json: bool) -> None:
    """Show what the catalogue and this machine know of a plugin: its versions, settings, permissions, and what it costs."""
    from hookspecs.errors import UserError
    from nself_core.licences.offers import ways_to
    from nself_core.plugins.install.catalogue import Catalogue
    from nself_core.plugins.install.plan import installed
    from nself_core.plugins.install.store import Store
    from nself_core.plugins.permissions import asked

    publisher, _, plain = name.rpartition("/")
    here = installed(paths.home(), Store(paths.home())).get(plain)
    catalogue = Catalogue(paths.home())
    found = _newest_first([one for one in catalogue.releases(plain) if publisher in {"", one.publisher}])
    best = next((one for one in found if not one.revoked and not one.yanked), None) or here or next(iter(found), None)
    if best is None:
        if manager().find(plain) is not None:
            remedy = f"nself plugin status {plain} shows what is known of it here"
            raise UserError(f"plugin {plain} is here, but in no registry", remedy=remedy, code="plugin-unlisted")
        where = f" (not asked: {'; '.join(catalogue.away.values())})" if catalogue.away else ""
        raise UserError(f"there is no plugin {name!r}{where}", remedy="nself plugin search WORD", code="plugin-unknown")
    ways = ways_to(best.bundles) if best.tier == "pro" else []
    if as_json:
        versions = [offer(one, installed=here is not None and here.version == one.version) for one in found]
        print_json({**offer(best), "installed": here.version if here else None, "manifest": dict(best.manifest),
                    "versions": versions, "licence": ways})  # fmt: skip
        return
    manifest = best.manifest
    rows = [
        ("name", best.full_name),
        ("summary", best.summary),
        ("newest", f"{best.version} in {best.registry}"),
        ("installed", here.version if here else "no"),
        ("category", manifest.get("category", "other")),
        ("tier", best.tier + (f" ({', '.join(best.bundles)})" if best.bundles else "")),
        ("licence", "; or ".join(ways) or "none needed"),
        ("level", str(best.level or "not computed")),
        ("depends on", ", ".join(manifest.get("depends_on", ())) or "-"),
        ("tables", ", ".join(manifest.get("tables", ())) or "-"),
        ("permissions", permissions(asked(manifest))),
        ("homepage", manifest.get("homepage") or "-"),
    ]
    for label, value in rows:
        say(f"{label:<12}{value}")
    if manifest.get("settings"):
        say("settings")
        print_table(
            ("  name", "default", "help"), [(f"  {s['name']}", s.get("default", ""), s["help"]) for s in manifest["settings"]]
        )
    if len(found) > 1:
        say(f"{'versions':<12}{', '.join(one.version + _mark(one) for one in found)}")
    next_step(f"nself plugin install {best.full_name}" if here is None else f"nself plugin status {best.name}")


def _newest_first(found: list[Release]) -> list[Release]:
    from packaging.version import Version

    return sorted(found, key=lambda one: Version(one.version), reverse=True)


def _mark(one: Release) -> str:
    return " (revoked)" if one.revoked else " (withdrawn)" if one.yanked else ""


@click.command(
    short_help="Check every file and signature now.",
    epilog="\b\nExamples:\n  nself plugin verify\n  nself plugin verify NAME --json",
)
@click.argument("names", nargs=-1, shell_complete=plugins)
@json_option
def verify(names: tuple[str, ...], as_json: bool) -> None:
    """Check the files and signature of the plugins that are here, or of those named; exit code 1 where one may not load.

    The same check runs before every load.
    """
    from nself_core.plugins.choice import known_entry

    opened = manager()
    entries = [known_entry(opened, short(name)) for name in names] or opened.known()
    rows = []
    for entry in entries:
        verdict = opened.verdict(entry.name)
        files = len(verdict.files) if verdict.files is not None else None
        rows.append({"name": entry.name, "version": entry.version, "state": str(verdict.state), "files": files,
                     "ok": verdict.state.runnable, "reason": verdict.reason, "remedy": verdict.remedy})  # fmt: skip
    bad = [row for row in rows if not row["ok"]]
    if as_json:
        print_json(rows)
    else:
        print_table(
            ("name", "version", "state", "files", "fault"),
            [(r["name"], r["version"], r["state"], "-" if r["files"] is None else r["files"], r["reason"]) for r in rows],
        )
        for row in bad:
            if row["remedy"]:
                next_step(str(row["remedy"]))
    if bad:
        raise click.exceptions.Exit(1)
