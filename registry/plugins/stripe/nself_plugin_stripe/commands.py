"""``nself stripe``: the mirror's state and syncs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from hookspecs.client import plugin_client
from hookspecs.terminal import env_option, json_option, print_json, print_table, say, tell

if TYPE_CHECKING:
    from hookspecs import CommandContext

account_option = click.option("--account", default="", help="Label of the Stripe account; by default primary.")


@click.group(short_help="The mirror of Stripe: sync, state, reconcile.")
def stripe() -> None:
    """The mirror of Stripe. The stack must run.

    \b
    Examples:
      nself stripe sync
      nself stripe status
    """


@stripe.command()
@click.argument("resource", nargs=-1)
@account_option
@env_option
@json_option
@click.pass_obj
def sync(context: CommandContext, resource: tuple[str, ...], account: str, env: str | None, as_json: bool) -> None:
    """Sync everything, or only the named kinds: customers, invoices, subscriptions …

    \b
    Examples:
      nself stripe sync
      nself stripe sync customers subscriptions
    """
    with plugin_client(context, "stripe", env, account=account) as client:
        started = client.post("syncs", resource=list(resource) or None)
    if as_json:
        print_json(started)
        return
    say("the sync is queued")
    tell("next: nself stripe status")


@stripe.command()
@account_option
@env_option
@json_option
@click.pass_obj
def status(context: CommandContext, account: str, env: str | None, as_json: bool) -> None:
    """How far the mirror is, by kind of object.

    \b
    Examples:
      nself stripe status --json
    """
    with plugin_client(context, "stripe", env, account=account) as client:
        found = client.get("syncs")
    if as_json:
        print_json(found)
        return
    if not found:
        say("nothing was synced yet")
        tell("next: nself stripe sync")
        return
    print_table(
        ("kind", "objects", "removed", "finished", "error"),
        [(s["resource"], s["objects"], s["removed"], (s["finished_at"] or "under way")[:19], s["error"][:80]) for s in found],
    )


@stripe.command()
@click.argument("resource")
@click.option("--limit", type=click.IntRange(1, 500), default=100, show_default=True, help="Compare the newest so many.")
@click.option("--mend", is_flag=True, help="Take over what Stripe has.")
@account_option
@env_option
@json_option
@click.pass_obj
def reconcile(
    context: CommandContext, resource: str, limit: int, mend: bool, account: str, env: str | None, as_json: bool
) -> None:
    """Compare the newest objects of a kind with Stripe's; the exit code is 1 where they differ and --mend is not given.

    \b
    Examples:
      nself stripe reconcile invoices
      nself stripe reconcile customers --mend
    """
    with plugin_client(context, "stripe", env, account=account) as client:
        found = client.post(f"reconcile/{resource}", limit=limit, mend=mend)
    if as_json:
        print_json(found)
    else:
        say(f"{found['compared']} compared, {len(found['differences'])} differ{' and were mended' if mend else ''}")
        for one in found["differences"][:20]:
            say(f"  {one['id']} {'differs' if one['here'] else 'is missing here'}")
    if found["differences"] and not mend:
        raise click.exceptions.Exit(1)
