"""Read ``plugin.json`` at start-up: JSON and a check of shape, without pydantic.

``hookspecs.Manifest`` is the full contract; ``plugin allow`` and the contract tests hold a manifest to it. What this
module checks is what the hot path relies on.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

MANIFEST = "plugin.json"
#: A manifest is read at every start-up; none needs this much.
MAX_BYTES = 1_000_000
#: Built-ins alone are named so.
OUR_PREFIX = "core-"

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*\Z")
_WORD = re.compile(r"[a-z][a-z0-9-]*\Z")
_VERSION = re.compile(r"\d+\.\d+\.\d+([.-][0-9A-Za-z.-]+)?\Z")
_STRINGS = ("bundles", "hooks", "uses", "tables", "depends_on", "requires", "reads")
_OBJECTS = ("commands", "settings", "webhooks", "services")
_TEXTS = ("publisher", "kind", "category", "min_nself", "max_nself", "homepage", "license")
_CHOICES: Mapping[str, tuple[Any, ...]] = {
    "format": (1,), "tier": ("free", "pro", "core"), "kind": ("service", "integration", "engine", "infra"),
}  # fmt: skip
#: What names a plugin in ``depends_on``, before the version range.
_DEPENDENCY = re.compile(r"([a-z0-9.-]+/)?[a-z][a-z0-9]*(-[a-z0-9]+)*\s*([<>=!~].*)?\Z")
#: Every field of a manifest; a contract test compares it with ``hookspecs.Manifest``.
FIELDS = frozenset(
    {
        "$schema", "format", "name", "version", "summary", "tier", "own_environment", "permissions", "offers",
        *_STRINGS, *_OBJECTS, *_TEXTS,
    }
)  # fmt: skip

#: Every field of a setting, likewise.
SETTING_FIELDS = frozenset(
    {
        "name", "type", "default", "defaults", "help", "secret", "generate", "strength", "required", "choices", "pattern",
        "minimum", "maximum", "when", "aliases", "unused", "refused", "forwards", "example",
        "rotate_with",
    }
)  # fmt: skip


class ManifestError(Exception):
    """A manifest that cannot be used, in words for its author."""


def read(path: str) -> dict[str, Any]:
    """The manifest at ``path``; ``ManifestError`` says what is wrong with it."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123  this runs a hundred times at start-up
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ManifestError(f"{MANIFEST} cannot be read: {(error.strerror or str(error)).lower()}") from None
    if len(data) > MAX_BYTES:
        raise ManifestError(f"{MANIFEST} is larger than {MAX_BYTES} bytes")
    try:
        manifest = json.loads(data)
    except ValueError as error:
        raise ManifestError(f"{MANIFEST} is no JSON: {error}") from None
    if not isinstance(manifest, dict):
        raise ManifestError(f"{MANIFEST} holds no object")
    fault = next(iter(_faults(manifest)), None)
    if fault:
        raise ManifestError(f"{MANIFEST}: {fault}")
    return manifest


def whole_faults(manifest: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Every fault by the full contract, ``hookspecs.Manifest``: the field and what is wrong with it."""
    from pydantic import ValidationError

    from hookspecs.models.manifest import Manifest

    content = {key: value for key, value in manifest.items() if key != "$schema"}
    try:
        Manifest.model_validate_json(json.dumps(content))
    except ValidationError as error:
        return [(".".join(str(part) for part in fault["loc"]), fault["msg"]) for fault in error.errors()]
    return []


def check_whole(manifest: Mapping[str, Any]) -> None:
    """Hold a manifest to the full contract; ``ManifestError`` names every fault."""
    faults = whole_faults(manifest)
    if faults:
        raise ManifestError(f"{MANIFEST}: " + "; ".join(f"{where}: {what}" if where else what for where, what in faults))


def _faults(manifest: Mapping[str, Any]) -> list[str]:
    faults = [f"unknown field {key!r}" for key in manifest if key not in FIELDS]
    faults += [f"{key} is missing" for key in ("name", "version", "summary") if not manifest.get(key)]
    faults += [
        f"{key} is no text" for key in ("name", "version", "summary", *_TEXTS) if not isinstance(manifest.get(key, ""), str)
    ]
    faults += [f"{key} is no list of texts" for key in _STRINGS if not _is_list(manifest.get(key, []), str)]
    faults += [f"{key} is no list of objects" for key in _OBJECTS if not _is_list(manifest.get(key, []), dict)]
    offers, asked = manifest.get("offers", {}), manifest.get("permissions", {})
    if not isinstance(offers, dict) or not all(isinstance(how, str) for how in offers.values()):
        faults.append("offers is no object of texts")
    if not isinstance(asked, dict) or not all(isinstance(what, list) for what in asked.values()):
        faults.append("permissions is no object of lists")
    if not isinstance(manifest.get("own_environment", False), bool):
        faults.append("own_environment is neither true nor false")
    for key, known in _CHOICES.items():
        if manifest.get(key, known[0]) not in known:
            faults.append(f"{key} is {manifest[key]!r}, and this version knows {', '.join(map(str, known))}")
    return faults or _faults_within(manifest)


def _faults_within(manifest: Mapping[str, Any]) -> list[str]:
    from hookspecs.specs import HOOKS

    faults = []
    if not is_name(manifest["name"]):
        faults.append(f"{manifest['name']!r} is no plugin name: lower-case words joined by hyphens")
    if not _VERSION.match(manifest["version"]):
        faults.append(f"version {manifest['version']!r} is not of the form 1.2.3")
    faults += [f"this version knows no hook {hook!r}" for hook in manifest.get("hooks", ()) if hook not in HOOKS]
    faults += [f"depends_on: {text!r} names no plugin" for text in manifest.get("depends_on", ()) if not _DEPENDENCY.match(text)]
    for command in manifest.get("commands", ()):
        if not isinstance(command.get("name"), str) or not _WORD.match(command["name"]):
            faults.append(f"command {command.get('name')!r} is no word of lower-case letters, digits and hyphens")
        elif not isinstance(command.get("help"), str):
            faults.append(f"command {command['name']} has no help")
    for setting in manifest.get("settings", ()):
        if not isinstance(setting.get("name"), str) or not setting["name"]:
            faults.append("a setting has no name")
        elif not isinstance(setting.get("help"), str):
            faults.append(f"setting {setting['name']} has no help")
        else:
            faults += [f"setting {setting['name']}: unknown field {key!r}" for key in setting if key not in SETTING_FIELDS]
    return faults


def is_name(value: str) -> bool:
    """Whether ``value`` may name a plugin."""
    return bool(_NAME.match(value)) and len(value) <= 60


def _is_list(value: object, of: type) -> bool:
    return isinstance(value, list) and all(isinstance(item, of) for item in value)
