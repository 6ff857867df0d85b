"""``nself explain``."""

from __future__ import annotations

import json
from typing import Any

import click

from nself_core.cli import output
from nself_core.cli.options import env_option


@click.command(short_help="Tell which plugin, hook and variable made a value.")
@click.argument("path")
@env_option
@click.option("--runtime", help="The runtime to explain for; the one in force where not given.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(*, path: str, env: str | None, runtime: str | None, as_json: bool) -> None:
    """Tell where a value of the stack comes from: plugin, hook, and the variable with its file and line.

    PATH is services.<name>, services.<name>.<field>, or routes.<name>. Secrets are shown by name.

    \b
    Examples:
      nself explain services.db.ports
      nself explain services.web
      nself explain routes.api --json
    """
    from nself_core.explain import explain
    from nself_core.workspace import Workspace

    workspace = Workspace.open(env)
    found = explain(workspace.assembly(workspace.runtime_name(runtime)), path, workspace.loaded.settings)
    if as_json:
        output.print_json(found)
        return
    rows = [(row["field"], _short(row["value"]), row["plugin"], row["hook"], row["setting"] or "-") for row in found]
    output.print_table(("field", "value", "plugin", "hook", "decided by"), rows)


def _short(value: Any, width: int = 70) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    if len(text) > width:
        return text[: width - 1] + "…"
    return text
