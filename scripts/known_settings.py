"""Make ``builtin_plugins/registry/known_settings.json``: which plugin of the catalogue reads which variable.

    python scripts/known_settings.py ../shared/reference/plugins.yaml

It lets ``build`` answer a variable of a plugin that is not installed with the command that installs it. Only names that one
plugin alone reads are kept; names that a built-in declares, and those every plugin is given, are left out.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from pathlib import Path

import yaml

from nself_core.settings import Declarations

GIVEN_TO_ALL = {"DATABASE_URL", "PORT"}
#: Ends of names that the original gave every service that later became a plugin.
COMMON_ENDS = ("ENABLED", "PORT", "ROUTE", "VERSION")


def main() -> None:
    root = Path(__file__).parent.parent
    manifests = sorted((root / "builtin_plugins").glob("**/plugin.json"))
    known = Declarations.of(json.loads(path.read_text(encoding="utf-8")) for path in manifests)
    plugins = yaml.safe_load(Path(sys.argv[1]).read_text(encoding="utf-8"))
    readers: dict[str, set[str]] = defaultdict(set)
    prefixes = {}
    for plugin in plugins:
        word = plugin["name"].upper().replace("-", "_")
        for variable in plugin["env"]:
            readers[variable["name"]].add(plugin["name"])
        for end in COMMON_ENDS:
            readers[f"{word}_{end}"].add(plugin["name"])
        if not any(name.startswith(f"{word}_") for name in known.names()):
            prefixes[f"{word}_"] = plugin["name"]
    variables = {
        name: next(iter(who))
        for name, who in sorted(readers.items())
        if len(who) == 1 and name not in GIVEN_TO_ALL and not known.meanings(name)
    }
    data = {"variables": variables, "prefixes": dict(sorted(prefixes.items()))}
    target = root / "builtin_plugins" / "registry" / "known_settings.json"
    target.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    print(f"{target}: {len(variables)} variables, {len(prefixes)} prefixes")  # noqa: T201


if __name__ == "__main__":
    main()
