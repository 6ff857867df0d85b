#!/usr/bin/env python3
"""Compute the quality levels of the registry's plugins by `nself plugin check` and record them in ``registry/levels.json``.

    .venv/bin/python -m scripts.levels [NAME…]

Without names: of the plugins whose files are no longer those that the record is of. A level counts for these very files alone:
the build of the registry gives 0 to what was changed since. Each takes a minute or more, as it is run on a stack of its own.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from nself_core.plugins.hashing import hash_files, total
from nself_core.plugins.levels import check
from nself_core.plugins.sources.building import LEVELS, sources
from nself_core.plugins.sources.local import package_folder

REGISTRY = Path(__file__).resolve().parent.parent / "registry"


def recorded() -> dict[str, dict[str, object]]:
    """What is recorded: name → ``hash`` and ``level``."""
    place = REGISTRY / LEVELS
    found: dict[str, dict[str, object]] = json.loads(place.read_bytes())["plugins"] if place.exists() else {}
    return found


def content_hash(source: Path) -> str:
    """The hash of a plugin's files, as a registry compares it."""
    return total(hash_files(str(package_folder(source)), compiled=True))


def main(names: list[str]) -> int:
    """Check, and write down after each."""
    there = {source.name: source for source in sources(REGISTRY)}
    if unknown := set(names) - there.keys():
        print(f"no such plugin: {', '.join(sorted(unknown))}", file=sys.stderr)  # noqa: T201
        return 2
    known = {name: one for name, one in recorded().items() if name in there}
    stale = [name for name, source in there.items() if known.get(name, {}).get("hash") != content_hash(source)]
    for name in names or stale:
        report = check(there[name])
        known[name] = {"hash": report.hash, "level": report.level}
        text = json.dumps({"format": 1, "plugins": known}, indent=1, sort_keys=True) + "\n"
        (REGISTRY / LEVELS).write_text(text, encoding="utf-8")
        missing = "".join(f"; {rule.name}: {rule.reason}" for rule in report.rules if rule.outcome == "missing")
        print(f"{name}: level {report.level}{missing}", flush=True)  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
