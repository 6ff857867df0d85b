#!/usr/bin/env python3
"""Write the reference pages that are derived from the code: settings from the manifests, commands from the click tree.

``python docs/generate.py`` writes them; ``--check`` exits 1 where they are not up to date.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import click

PAGES = Path(__file__).resolve().parent / "reference"
ROOT = PAGES.parent.parent


def manifests() -> list[dict[str, Any]]:
    """The core's own settings and the manifests of the plugins that come with nself, by name."""
    core = json.loads((files("nself_core") / "core.json").read_text())
    ours = [json.loads(p.read_text()) for p in (ROOT / "builtin_plugins").rglob("plugin.json") if "templates" not in p.parts]
    return [core, *sorted(ours, key=lambda m: m["name"])]


def settings_page() -> str:
    """Every declared setting, by its owner."""
    lines = ["# Settings", "", "Made by `docs/generate.py` from the plugins' manifests.", ""]
    for manifest in manifests():
        if not manifest.get("settings"):
            continue
        lines += [f"## {manifest['name']}", "", manifest["summary"], ""]
        lines += ["| variable | type | default | meaning |", "|---|---|---|---|"]
        lines += [_row(setting) for setting in manifest["settings"]]
        lines.append("")
    return "\n".join(lines)


def _row(setting: Mapping[str, Any]) -> str:
    default = setting.get("default", "")
    by_class = ", ".join(f"{cls} `{value}`" for cls, value in setting.get("defaults", {}).items())
    shown = "; ".join(part for part in (f"`{default}`" if default else "", by_class) if part)
    if setting.get("generate"):
        shown = shown or "made when missing"
    meaning = setting["help"]
    if setting.get("choices"):
        meaning += f" One of {', '.join(setting['choices'])}."
    names = [alias["name"] for alias in setting.get("aliases", ())]
    if names:
        meaning += f" Also {', '.join(f'`{n}`' for n in names)}."
    if setting.get("refused"):
        meaning += f" **Refused:** {setting['refused']}"
    elif setting.get("unused"):
        meaning += f" *Not read yet: {setting['unused']}*"
    kind = setting.get("type", "string") + (", secret" if setting.get("secret") else "")
    cells = (f"`{setting['name']}`", kind, shown, meaning)
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def commands_page() -> str:
    """The help of every command."""
    from nself_core.cli.root import root

    lines = ["# Commands", "", "Made by `docs/generate.py` from the commands' own help.", ""]
    for path, text in _helps(root, "nself"):
        lines += [f"## {path}", "", "```text", text.rstrip(), "```", ""]
    return "\n".join(lines)


def _helps(command: click.Command, path: str) -> Iterator[tuple[str, str]]:
    context = click.Context(command, info_name=path, max_content_width=100, terminal_width=100)
    if path != "nself":
        yield path, command.get_help(context)
    if isinstance(command, click.Group):
        for name in sorted(command.list_commands(context)):
            sub = command.get_command(context, name)
            if sub is not None and not sub.hidden:
                yield from _helps(sub, f"{path} {name}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    stale = []
    for name, text in (("settings.md", settings_page()), ("commands.md", commands_page())):
        page = PAGES / name
        if not page.exists() or page.read_text() != text:
            stale.append(name)
            if not check:
                page.write_text(text)
    if stale:
        print(f"{'stale' if check else 'written'}: {', '.join(stale)}")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
