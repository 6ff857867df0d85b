"""What the user decides about a plugin: allow its code on this machine, enable it in a project."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, NoReturn

from hookspecs.errors import UserError
from nself_core.plugins.hashing import total
from nself_core.plugins.lock import Pin
from nself_core.plugins.model import PluginEntry, State
from nself_core.plugins.trust import files_of

if TYPE_CHECKING:
    from nself_core.plugins.manager import PluginManager


def allow(manager: PluginManager, name: str) -> PluginEntry:
    """Record the plugin's files as allowed, and inside a project enable it. Its manifest is checked whole first."""
    entry = wanted(manager, name)
    if entry.source == "core":
        raise UserError(f"{name} is part of nself: it needs no permission", code="plugin-built-in")
    if entry.source != "project":
        _check_manifest(entry)
    found = next(one for one in manager.found if one.name == name and not one.problem)
    try:
        manager.trust.allowed.add(name, found.folder, found.manifest["version"], files_of(found))
    except (OSError, ValueError) as error:
        raise UserError(f"plugin {name} cannot be allowed: {error}", where=entry.path) from error
    if manager.root is None or (entry.source == "project" and entry.enabled):
        return _now(manager, name)
    return choose(manager, name, True)


def choose(manager: PluginManager, name: str, enabled: bool) -> PluginEntry:
    """Enable or disable a plugin in the project's ``plugins.lock``."""
    if manager.root is None:
        raise UserError(
            "a plugin is enabled in a project, and there is none here", remedy="run this in a project's folder", code="no-project"
        )
    pin = manager.lock.pins.get(name)
    if not enabled and pin is not None and manager.find(name) is None:  # enabled once, not installed here
        manager.lock.put(name, Pin(False, pin.version, pin.hash))
        return PluginEntry(name, pin.version, State.UNSIGNED, False, "", "", "it is not installed", {}, "entry-point")
    entry = wanted(manager, name)
    if entry.source == "core":
        hint = f"a switch of its settings turns its services off: nself plugin status {name}" if not enabled else ""
        raise UserError(f"{name} is part of nself and always enabled", remedy=hint, code="plugin-built-in")
    if enabled:
        state = manager.reopened().find(name)
        if state is None or not state.state.runnable:
            raise UserError(
                f"plugin {name} may not be loaded: {state.reason if state else 'it is gone'}",
                where=entry.path,
                remedy=f"nself plugin allow {name}",
                code="plugin-not-allowed",
            )
    if entry.source == "project":  # it is there, so it takes part; only that it does not is recorded
        manager.lock.change({name: None if enabled else Pin(False, entry.version, "")})
        return _now(manager, name)
    files = manager.reopened().verdict(name).files
    manager.lock.put(name, Pin(enabled, entry.version, total(files) if files is not None else ""))
    return _now(manager, name)


def disallow(manager: PluginManager, name: str) -> None:
    """Take back the permission to load a plugin on this machine."""
    found = next((one for one in manager.found if one.name == name), None)
    if not manager.trust.allowed.remove(name, found.folder if found and found.source == "project" else ""):
        raise UserError(f"plugin {name} is not allowed on this machine: there is nothing to take back", code="plugin-not-allowed")


def known_entry(manager: PluginManager, name: str) -> PluginEntry:
    """The plugin of that name; ``UserError`` names the nearest where there is none."""
    entry = manager.find(name)
    if entry is None:
        _unknown(manager, name)
    return entry


def wanted(manager: PluginManager, name: str) -> PluginEntry:
    """The plugin of that name, fit to be allowed or enabled; ``UserError`` where it is not."""
    entry = known_entry(manager, name)
    problem = next((one.problem for one in manager.found if one.name == name and one.folder == entry.path), "")
    if problem:
        raise UserError(f"plugin {name} cannot be used: {problem}", where=entry.path, code="plugin-left-out")
    return entry


def _unknown(manager: PluginManager, name: str) -> NoReturn:
    near = get_close_matches(name, [entry.name for entry in manager.known()], n=1)
    remedy = f"did you mean {near[0]}?" if near else "nself plugin list shows what is there"
    raise UserError(f"there is no plugin {name!r}", remedy=remedy, code="plugin-unknown")


def _check_manifest(entry: PluginEntry) -> None:
    from hookspecs.models.findings import Finding, Level
    from nself_core.plugins.manifest import whole_faults

    faults = whole_faults(entry.manifest)
    if faults:
        raise UserError(
            f"the manifest of plugin {entry.name} is not valid",
            where=f"{entry.path}/plugin.json",
            remedy="its author must mend it",
            code="plugin-manifest",
            findings=[Finding(level=Level.ERROR, message=what, where=where) for where, what in faults],
        )


def _now(manager: PluginManager, name: str) -> PluginEntry:
    return known_entry(manager.reopened(), name)
