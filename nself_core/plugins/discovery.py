"""Find plugins without importing anything of them: entry points of installed distributions, and links in nself's home.

``importlib.metadata`` would cost more than the scan itself; what is read here is the packaging standard's
``entry_points.txt`` (https://packaging.python.org/specifications/entry-points/) of the distributions that have one.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from typing import NamedTuple

from nself_core.plugins.manifest import MANIFEST, OUR_PREFIX, ManifestError, is_name, read
from nself_core.plugins.model import Found, Source

GROUP = "nself.plugins"
#: The distribution the built-in plugins come in, and the package they live in, beside ``nself_core``.
OUR_DISTRIBUTION = "nself"
_HERE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))  # noqa: PTH100, PTH120
OUR_FOLDER = os.path.join(_HERE, "builtin_plugins")  # noqa: PTH118


class EntryPoint(NamedTuple):
    """One line of a distribution's ``entry_points.txt``."""

    name: str
    module: str
    distribution: str
    site: str


def sites() -> list[str]:
    """The folders of ``sys.path`` that may hold distributions: not the standard library, not the script's own folder."""
    library = os.path.dirname(os.__file__)  # noqa: PTH120
    script = os.path.dirname(os.path.realpath(sys.argv[0])) if sys.argv and sys.argv[0] else ""  # noqa: PTH120
    skipped = {"", library, os.path.join(library, "lib-dynload"), script}  # noqa: PTH118
    return [path for path in dict.fromkeys(sys.path) if path not in skipped and os.path.isdir(path)]  # noqa: PTH112


def scan(home: str, folders: list[str]) -> list[Found]:
    """Every plugin there is, sorted by name; two of one name stand side by side, each with the reason why it is unused."""
    found = [_from_entry_point(point) for point in _entry_points(folders)]
    found += _from_links(home)
    return _settle_names(found)


def _entry_points(folders: list[str]) -> Iterator[EntryPoint]:
    seen: set[str] = set()
    for site in folders:
        try:
            names = sorted(entry.name for entry in os.scandir(site) if entry.name.endswith((".dist-info", ".egg-info")))
        except OSError:
            continue
        for name in names:
            distribution = re.sub(r"[-_.]+", "-", name.rsplit(".", 1)[0].partition("-")[0]).lower()
            if distribution in seen:  # the first on sys.path wins, as in importlib.metadata
                continue
            seen.add(distribution)
            try:
                with open(os.path.join(site, name, "entry_points.txt"), encoding="utf-8") as file:  # noqa: PTH118, PTH123
                    text = file.read()
            except (OSError, ValueError):
                continue
            if GROUP in text:
                yield from _parse(text, distribution, site)


def _parse(text: str, distribution: str, site: str) -> Iterator[EntryPoint]:
    section = ""
    for raw in text.splitlines():
        line = raw.strip()
        if line.startswith("["):
            section = line.strip("[] ")
        elif section == GROUP and "=" in line and line[0] not in "#;":
            name, _, value = line.partition("=")
            yield EntryPoint(name.strip(), value.partition("[")[0].strip(), distribution, site)


def _from_entry_point(point: EntryPoint) -> Found:
    folder = _folder_of(point) if re.fullmatch(r"\w+(\.\w+)*", point.module) else None
    source: Source = "entry-point"
    if folder is None:
        problem = f"its package {point.module} is not there"
        if ":" in point.module:
            problem = f"its entry point must name a package, not an object ({point.module})"
        ours = point.distribution == OUR_DISTRIBUTION and point.module.startswith("builtin_plugins.")
        return Found(point.name, "core" if ours else source, point.module, "", point.distribution, problem=problem)
    if point.distribution == OUR_DISTRIBUTION and folder.startswith(OUR_FOLDER + os.sep):
        source = "core"
    return _read(point.name, source, point.module, folder, point.distribution)


def _folder_of(point: EntryPoint) -> str | None:
    """The folder of the entry point's package; for an editable install by its finder, which imports nothing."""
    top, *rest = point.module.split(".")
    direct = os.path.join(point.site, top, *rest)  # noqa: PTH118
    if os.path.isdir(direct):  # noqa: PTH112
        return direct
    from importlib.util import find_spec

    try:
        spec = find_spec(top)  # a name without a dot: no parent is imported
    except (ImportError, ValueError):
        return None
    for place in (spec.submodule_search_locations or ()) if spec else ():
        folder = os.path.join(place, *rest)  # noqa: PTH118
        if os.path.isdir(folder):  # noqa: PTH112
            return folder
    return None


def _from_links(home: str) -> Iterator[Found]:
    for name, folder in links(home):
        store = os.path.join(os.path.realpath(home), "store") + os.sep  # noqa: PTH118
        source: Source = "store" if folder.startswith(store) else "linked"
        yield _read(name, source, f"nself_plugin_{name.replace('-', '_')}", folder, "")


def links(home: str) -> list[tuple[str, str]]:
    """The installed plugins of nself's home: name and the real folder behind each, sorted."""
    return [(os.path.basename(link), os.path.realpath(link)) for link in link_paths(home)]  # noqa: PTH119


def link_paths(home: str) -> list[str]:
    """The links to the installed plugins of nself's home, sorted by name."""
    place = os.path.join(home, "plugins")  # noqa: PTH118
    try:
        return sorted(entry.path for entry in os.scandir(place) if is_name(entry.name))
    except OSError:
        return []


def _read(name: str, source: Source, module: str, folder: str, distribution: str) -> Found:
    try:
        manifest = read(os.path.join(folder, MANIFEST))  # noqa: PTH118
    except ManifestError as error:
        return Found(name, source, module, folder, distribution, problem=str(error))
    problem = ""
    if manifest["name"] != name:
        problem = f"it is installed as {name!r} and its {MANIFEST} says {manifest['name']!r}"
    elif name.startswith(OUR_PREFIX) and source != "core":
        problem = f"names that begin with {OUR_PREFIX!r} are nself's own"
    elif source == "core" and not name.startswith(OUR_PREFIX):
        problem = f"a built-in's name must begin with {OUR_PREFIX!r}"
    return Found(name, source, module, folder, distribution, manifest, problem)


def _settle_names(found: list[Found]) -> list[Found]:
    """Sort by name; where two plugins claim one name, what nself itself installed wins, and else neither is used.

    Ours never meets another here: a stranger with our prefix has a problem already.
    """
    rank = {"core": 0, "linked": 1, "store": 1, "entry-point": 2}
    groups: dict[str, list[Found]] = {}
    for one in sorted(found, key=lambda one: (one.name, rank[one.source], one.distribution, one.folder)):
        groups.setdefault(one.name, []).append(one)
    settled: list[Found] = []
    for group in groups.values():
        sound = [one for one in group if not one.problem]
        first = [one for one in sound if rank[one.source] == rank[sound[0].source]] if sound else []
        winner = first[0] if len(first) == 1 else None
        for one in group:
            others = ", ".join(_whence(other) for other in sound if other is not one)
            clash = not one.problem and one is not winner
            problem = f"its name is also that of {others}; uninstall one of them" if clash else one.problem
            settled.append(Found(one.name, one.source, one.module, one.folder, one.distribution, one.manifest, problem))
    return settled


def _whence(one: Found) -> str:
    return f"the distribution {one.distribution}" if one.source == "entry-point" else one.folder
