"""``nself feature-flags``: feature flags."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from hookspecs.client import plugin_client
from hookspecs.terminal import (
    account_option,
    env_option,
    json_option,
    print_json,
    print_table,
    read_json,
    require_yes,
    say,
    yes_option,
)

if TYPE_CHECKING:
    from hookspecs import CommandContext

_PLUGIN = "feature-flags"


@click.group("feature-flags", short_help="Feature flags: list, set, turn off at once, evaluate.")
def flags() -> None:
    """Feature flags. The stack must run.

    \b
    Examples:
      nself feature-flags set new-checkout --on --rollout 10
      nself feature-flags off new-checkout
      nself feature-flags evaluate new-checkout '{"targetingKey": "user-1"}'
    """


@flags.command("list")
@account_option
@env_option
@json_option
@click.pass_obj
def list_(context: CommandContext, account: str, env: str | None, as_json: bool) -> None:
    """List flags.

    \b
    Examples:
      nself feature-flags list --json
    """
    with plugin_client(context, _PLUGIN, env, account=account) as client:
        found = client.get("flags")
    if as_json:
        print_json(found)
        return
    print_table(
        ("key", "state", "rules", "default", "public", "description"),
        [
            (f["key"], "on" if f["enabled"] else "off", len(f["rules"]), f["default_variant"], f["public"], f["description"])
            for f in found
        ],
    )


@flags.command()
@click.argument("key")
@account_option
@env_option
@click.pass_obj
def show(context: CommandContext, key: str, account: str, env: str | None) -> None:
    """One flag, as JSON: what `set --file` takes.

    \b
    Examples:
      nself feature-flags show new-checkout > flag.json
    """
    with plugin_client(context, _PLUGIN, env, account=account) as client:
        print_json(client.get(f"flags/{key}"))


@flags.command("set")
@click.argument("key")
@click.option("--on/--off", "enabled", default=None, help="The kill switch.")
@click.option("--rollout", type=click.FloatRange(0, 100), default=None, help="Percent of users who get it, of an on/off flag.")
@click.option("--public/--private", default=None, help="Whether browsers may evaluate it.")
@click.option("--description", default=None, help="What it is for.")
@click.option("--file", "source", default=None, metavar="FILE", help="The whole flag as JSON.")
@account_option
@env_option
@json_option
@click.pass_obj
def set_(
    context: CommandContext, key: str, rollout: float | None, source: str | None, account: str, env: str | None, as_json: bool,
    **changes: Any,
) -> None:  # fmt: skip
    """Make or change a flag. What is not given stays.

    \b
    Examples:
      nself feature-flags set new-checkout --on --rollout 10
      nself feature-flags set colours --file flag.json
    """
    with plugin_client(context, _PLUGIN, env, account=account) as client:
        flag = _wanted(read_json(f"@{source}", "--file") if source else _known(client.get("flags"), key))
        flag |= {name: value for name, value in changes.items() if value is not None}
        if rollout is not None:
            on = {"variant": "on", "percent": rollout}
            flag |= {"rules": [{"rollout": [on]}], "default_variant": "off"}
        made = client.put(f"flags/{key}", flag)
    if as_json:
        print_json(made)
    else:
        say(f"{key} is {'on' if made['enabled'] else 'off'}, version {made['version']}")


def _known(found: list[dict[str, Any]], key: str) -> dict[str, Any]:
    return next((flag for flag in found if flag["key"] == key), {})


def _wanted(flag: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in flag.items() if name not in {"key", "version", "updated_at"}}


@flags.command()
@click.argument("key")
@account_option
@env_option
@click.pass_obj
def on(context: CommandContext, key: str, account: str, env: str | None) -> None:
    """Turn a flag on.

    \b
    Examples:
      nself feature-flags on new-checkout
    """
    _switch(context, key, env, account, "on")


@flags.command()
@click.argument("key")
@account_option
@env_option
@click.pass_obj
def off(context: CommandContext, key: str, account: str, env: str | None) -> None:
    """Turn a flag off at once, for everybody.

    \b
    Examples:
      nself feature-flags off new-checkout
    """
    _switch(context, key, env, account, "off")


def _switch(context: CommandContext, key: str, env: str | None, account: str, state: str) -> None:
    with plugin_client(context, _PLUGIN, env, account=account) as client:
        client.post(f"flags/{key}/{state}")
    say(f"{key} is {state}")


@flags.command()
@click.argument("key")
@click.argument("about", default="{}", metavar="CONTEXT")
@account_option
@env_option
@json_option
@click.pass_obj
def evaluate(context: CommandContext, key: str, about: str, account: str, env: str | None, as_json: bool) -> None:
    """Evaluate a flag for a context: JSON, or @file.

    \b
    Examples:
      nself feature-flags evaluate new-checkout '{"targetingKey": "user-1", "plan": "pro"}'
    """
    with plugin_client(context, _PLUGIN, env, account=account) as client:
        result = client.post(f"ofrep/v1/evaluate/flags/{key}", {"context": read_json(about, "the context")})
    if as_json:
        print_json(result)
    else:
        say(f"{result['value']!r}: variant {result['variant']}, {result['reason']}")


@flags.command()
@click.option("--key", default=None, help="Only of this flag or segment.")
@click.option("--limit", type=click.IntRange(1, 200), default=20, show_default=True, help="At most so many.")
@account_option
@env_option
@json_option
@click.pass_obj
def history(context: CommandContext, key: str | None, limit: int, account: str, env: str | None, as_json: bool) -> None:
    """Who changed what, newest first.

    \b
    Examples:
      nself feature-flags history --key new-checkout
    """
    with plugin_client(context, _PLUGIN, env, account=account) as client:
        found = client.get("history", key=key, limit=limit)
    if as_json:
        print_json(found)
        return
    print_table(
        ("at", "what", "key", "action", "by"),
        [(c["at"][:19], c["kind"], c["key"], c["action"], c["actor"] or "-") for c in found],
    )


@flags.command()
@click.argument("key")
@yes_option
@account_option
@env_option
@click.pass_obj
def remove(context: CommandContext, key: str, yes: bool, account: str, env: str | None) -> None:
    """Delete a flag.

    \b
    Examples:
      nself feature-flags remove new-checkout --yes
    """
    require_yes(f"Delete the flag {key}?", yes=yes)
    with plugin_client(context, _PLUGIN, env, account=account) as client:
        client.delete(f"flags/{key}")
    say(f"{key} is deleted")


@flags.command()
@account_option
@env_option
@json_option
@click.pass_obj
def segments(context: CommandContext, account: str, env: str | None, as_json: bool) -> None:
    """List segments: the groups of users that rules name.

    \b
    Examples:
      nself feature-flags segments --json
    """
    with plugin_client(context, _PLUGIN, env, account=account) as client:
        found = client.get("segments")
    if as_json:
        print_json(found)
        return
    print_table(
        ("key", "included", "excluded", "conditions", "description"),
        [(s["key"], len(s["included"]), len(s["excluded"]), len(s["conditions"]), s["description"]) for s in found],
    )


@flags.command("set-segment")
@click.argument("key")
@click.argument("segment")
@account_option
@env_option
@json_option
@click.pass_obj
def set_segment(context: CommandContext, key: str, segment: str, account: str, env: str | None, as_json: bool) -> None:
    """Make or replace a segment. SEGMENT is JSON, or @file.

    \b
    Examples:
      nself feature-flags set-segment testers '{"included": ["user-1", "user-2"]}'
    """
    with plugin_client(context, _PLUGIN, env, account=account) as client:
        made = client.put(f"segments/{key}", _wanted(read_json(segment, "the segment")))
    if as_json:
        print_json(made)
    else:
        say(f"segment {key} is kept")


@flags.command("remove-segment")
@click.argument("key")
@yes_option
@account_option
@env_option
@click.pass_obj
def remove_segment(context: CommandContext, key: str, yes: bool, account: str, env: str | None) -> None:
    """Delete a segment that no flag uses.

    \b
    Examples:
      nself feature-flags remove-segment testers --yes
    """
    require_yes(f"Delete the segment {key}?", yes=yes)
    with plugin_client(context, _PLUGIN, env, account=account) as client:
        client.delete(f"segments/{key}")
    say(f"segment {key} is deleted")
