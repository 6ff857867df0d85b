"""``nself github``: the copy's state and syncs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from hookspecs.client import plugin_client
from hookspecs.terminal import env_option, json_option, print_json, print_table, say, tell

if TYPE_CHECKING:
    from hookspecs import CommandContext

account_option = click.option("--account", default="", help="Label of the GitHub account; by default primary.")


@click.group(short_help="The copy of GitHub: sync, state, rate limit.")
def github() -> None:
    """The copy of GitHub. The stack must run.

    \b
    Examples:
      nself github sync
      nself github status --failed
    """


@github.command()
@click.option("--whole", is_flag=True, help="Everything again, not only what changed.")
@account_option
@env_option
@json_option
@click.pass_obj
def sync(context: CommandContext, whole: bool, account: str, env: str | None, as_json: bool) -> None:
    """Sync what changed since the last sync.

    \b
    Examples:
      nself github sync
      nself github sync --whole
    """
    with plugin_client(context, "github", env, account=account) as client:
        started = client.post("syncs", whole=whole)
    if as_json:
        print_json(started)
        return
    say("the sync is queued")
    tell("next: nself github status")


@github.command()
@click.option("--failed", is_flag=True, help="Only what GitHub refused.")
@account_option
@env_option
@json_option
@click.pass_obj
def status(context: CommandContext, failed: bool, account: str, env: str | None, as_json: bool) -> None:
    """How far the copy is, by repository and kind of object.

    \b
    Examples:
      nself github status --failed --json
    """
    with plugin_client(context, "github", env, account=account) as client:
        found = client.get("syncs", failed=failed)
    if as_json:
        print_json(found)
        return
    if not found:
        say("nothing failed" if failed else "nothing was synced yet")
        return
    print_table(
        ("repository", "kind", "objects", "finished", "error"),
        [
            (s["scope"] or "-", s["resource"], s["objects"], (s["finished_at"] or "under way")[:19], s["error"][:80])
            for s in found
        ],
    )


@github.command("rate-limit")
@account_option
@env_option
@json_option
@click.pass_obj
def rate_limit(context: CommandContext, account: str, env: str | None, as_json: bool) -> None:
    """What GitHub still answers in this hour.

    \b
    Examples:
      nself github rate-limit
    """
    with plugin_client(context, "github", env, account=account) as client:
        found = client.get("rate-limit")
    if as_json:
        print_json(found)
    else:
        say(f"{found['remaining']} of {found['limit']} requests are left until {found['resets_at']}")
