"""What the texts of a manifest must look like: each function returns its value, or raises ``ValueError`` for the author."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*\Z")
PUBLISHER = re.compile(r"[a-z][a-z0-9]*([.-][a-z0-9]+)*\Z")
VERSION = re.compile(r"\d+(\.\d+){0,2}\Z")
_DEPENDENCY = re.compile(r"(?:(?P<publisher>[a-z0-9.-]+)/)?(?P<name>[a-z0-9-]+)\s*(?P<range>[<>=!~].*)?\Z")
_LABEL = r"[a-z0-9_]([a-z0-9_-]*[a-z0-9])?"
_HOST = re.compile(rf"(\*|stack|setting:[A-Z][A-Z0-9_]*|(\*\.)?{_LABEL}(\.{_LABEL})*)(:\d+)?\Z")
#: Parts of a path that begin with a dot lead upwards, or to settings and secrets.
_FOLDER = re.compile(r"project:[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*(:write)?\Z")


def plugin_name(value: str) -> str:
    """A name of a plugin."""
    if not NAME.match(value) or len(value) > 60:
        raise ValueError(f"{value!r} is no plugin name: lower-case words joined by hyphens, at most 60 characters")
    return value


def publisher(value: str) -> str:
    """A name of a publisher, or none."""
    if value and (not PUBLISHER.match(value) or len(value) > 60):
        raise ValueError(
            f"{value!r} is no name of a publisher: lower-case words joined by hyphens or dots, at most 60 characters"
        )
    return value


def dependency(value: str) -> str:
    """``jobs``, ``acme/jobs`` or ``notify>=1.2,<2``."""
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    found = _DEPENDENCY.match(value)
    if found is None or not NAME.match(found["name"]):
        raise ValueError(f"{value!r} names no plugin, with or without a version range")
    try:
        SpecifierSet(found["range"] or "")
    except InvalidSpecifier:
        raise ValueError(f"{value!r} has no valid version range; write it like >=1.2,<2") from None
    return value


def requirement(value: str) -> str:
    """A Python package by PEP 508, from an index: what a URL gives today it need not give tomorrow."""
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        parsed = Requirement(value)
    except InvalidRequirement:
        raise ValueError(f"{value!r} is no requirement by PEP 508") from None
    if parsed.url:
        raise ValueError(f"{value!r} names a URL; only packages of an index are taken")
    return value


def nself_version(value: str) -> str:
    """A version of nself, or none."""
    if value and not VERSION.match(value):
        raise ValueError(f"{value!r} is not of the form 1.2.3")
    return value


def hook(value: str) -> str:
    """One of the hooks this version knows."""
    from hookspecs.specs import HOOKS

    if value not in HOOKS:
        raise ValueError(f"this version knows no hook {value!r}")
    return value


def host(value: str) -> str:
    """A host that the plugin reaches."""
    if not _HOST.match(value):
        raise ValueError(f"{value!r} is no host: api.example.com, *.example.com, *, stack or setting:NAME")
    return value


def folder(value: str) -> str:
    """A folder of the project."""
    if not _FOLDER.match(value):
        raise ValueError(f"{value!r} is no folder that could be asked for: project:<path>, with :write to write")
    return value


def port(value: int) -> int:
    """A port number."""
    if not 1 <= value <= 65_535:
        raise ValueError(f"{value} is no port")
    return value


def path(value: str) -> str:
    """A path below the plugin's own."""
    if not value.startswith("/") or ".." in value.split("/"):
        raise ValueError(f"{value!r} must begin with / and stay below the plugin")
    return value


def homepage(value: str) -> str:
    """A web address, or none."""
    if value and not re.match(r"https?://[^\s/]+", value):
        raise ValueError(f"{value!r} is no web address")
    return value


def once(what: str, names: Iterable[str]) -> None:
    """Every name but once."""
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ValueError(f"{what} {twice[0]} stands there twice")
