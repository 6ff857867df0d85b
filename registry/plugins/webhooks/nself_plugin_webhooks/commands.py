"""``nself webhooks``: endpoints, events and deliveries."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
    tell,
    yes_option,
)

if TYPE_CHECKING:
    from hookspecs import CommandContext


@click.group(short_help="Deliver events to endpoints: endpoints, deliveries, dead letters, replay.")
def webhooks() -> None:
    """Deliver an application's events to endpoints outside. The stack must run.

    \b
    Examples:
      nself webhooks add https://example.com/hook --event invoice.paid
      nself webhooks publish invoice.paid '{"id": 7}'
      nself webhooks deliveries --status dead
    """


@webhooks.command("list")
@account_option
@env_option
@json_option
@click.pass_obj
def list_(context: CommandContext, account: str, env: str | None, as_json: bool) -> None:
    """List endpoints.

    \b
    Examples:
      nself webhooks list --json
    """
    with plugin_client(context, "webhooks", env, account=account) as client:
        found = client.get("endpoints")
    if as_json:
        print_json(found)
        return
    print_table(
        ("id", "url", "events", "state"),
        [
            (e["id"], e["url"], ", ".join(e["events"]) or "all", "on" if e["enabled"] else f"off: {e['disabled_reason']}")
            for e in found
        ],
    )


@webhooks.command()
@click.argument("url")
@click.option("--event", "events", multiple=True, help="A type it wants, such as invoice.paid or invoice.*; by default all.")
@click.option("--description", default="", help="What it is for.")
@account_option
@env_option
@json_option
@click.pass_obj
def add(
    context: CommandContext, url: str, events: tuple[str, ...], description: str, account: str, env: str | None, as_json: bool
) -> None:
    """Make an endpoint and print its secret, which is told once.

    \b
    Examples:
      nself webhooks add https://example.com/hook --event "invoice.*"
    """
    with plugin_client(context, "webhooks", env, account=account) as client:
        made = client.post("endpoints", {"url": url, "events": list(events), "description": description})
    if as_json:
        print_json(made)
        return
    say(f"{made['id']}\nsecret {made['secret']}")
    tell(f"keep the secret: it is not told again. Try it: nself webhooks test {made['id']}")


@webhooks.command()
@click.argument("type_", metavar="TYPE")
@click.argument("data", default="{}")
@click.option("--id", "name", default=None, help="The event's id: the same one is delivered once.")
@account_option
@env_option
@json_option
@click.pass_obj
def publish(
    context: CommandContext, type_: str, data: str, name: str | None, account: str, env: str | None, as_json: bool
) -> None:
    """Deliver an event to every endpoint that wants its type. DATA is JSON, or @file.

    \b
    Examples:
      nself webhooks publish invoice.paid '{"id": 7}'
    """
    with plugin_client(context, "webhooks", env, account=account) as client:
        sent = client.post("events", {"type": type_, "data": read_json(data, "the data"), "id": name})
    if as_json:
        print_json(sent)
    else:
        say(f"{sent['id']} goes to {sent['deliveries']} endpoints")


@webhooks.command()
@click.option("--status", type=click.Choice(["queued", "retrying", "delivered", "dead"]), default=None, help="Only these.")
@click.option("--endpoint", default=None, help="Only this endpoint's.")
@click.option("--limit", type=click.IntRange(1, 200), default=20, show_default=True, help="At most so many.")
@account_option
@env_option
@json_option
@click.pass_obj
def deliveries(
    context: CommandContext, status: str | None, endpoint: str | None, limit: int, account: str, env: str | None, as_json: bool
) -> None:
    """List deliveries, newest first; --status dead gives the dead letters.

    \b
    Examples:
      nself webhooks deliveries --status dead --json
    """
    with plugin_client(context, "webhooks", env, account=account) as client:
        found = client.get("deliveries", status=status, endpoint=endpoint, limit=limit)["deliveries"]
    if as_json:
        print_json(found)
        return
    print_table(
        ("id", "event", "url", "status", "tries", "error"),
        [(d["id"], d["event_type"], d["url"], d["status"], d["attempts"], d["error"][:60]) for d in found],
    )


@webhooks.command()
@click.argument("delivery")
@account_option
@env_option
@click.pass_obj
def replay(context: CommandContext, delivery: str, account: str, env: str | None) -> None:
    """Deliver again, with all its tries.

    \b
    Examples:
      nself webhooks replay DELIVERY
    """
    with plugin_client(context, "webhooks", env, account=account) as client:
        client.post(f"deliveries/{delivery}/replay")
    say(f"{delivery} is queued again")


@webhooks.command()
@click.argument("endpoint")
@account_option
@env_option
@click.pass_obj
def test(context: CommandContext, endpoint: str, account: str, env: str | None) -> None:
    """Send a test event to an endpoint.

    \b
    Examples:
      nself webhooks test ENDPOINT
    """
    with plugin_client(context, "webhooks", env, account=account) as client:
        sent = client.post(f"endpoints/{endpoint}/test")
    say(f"{sent['id']} is {sent['status']}")
    tell(f"next: nself webhooks deliveries --endpoint {endpoint}")


@webhooks.command("rotate-secret")
@click.argument("endpoint")
@click.option("--overlap", type=click.IntRange(0, 720), default=24, show_default=True, help="Hours in which both secrets sign.")
@account_option
@env_option
@json_option
@click.pass_obj
def rotate_secret(context: CommandContext, endpoint: str, overlap: int, account: str, env: str | None, as_json: bool) -> None:
    """Make a new secret for an endpoint and print it.

    \b
    Examples:
      nself webhooks rotate-secret ENDPOINT --overlap 48
    """
    with plugin_client(context, "webhooks", env, account=account) as client:
        made = client.post(f"endpoints/{endpoint}/rotate-secret", overlap_hours=overlap)
    if as_json:
        print_json(made)
    else:
        say(f"secret {made['secret']}")


@webhooks.command()
@click.argument("endpoint")
@account_option
@env_option
@click.pass_obj
def enable(context: CommandContext, endpoint: str, account: str, env: str | None) -> None:
    """Turn an endpoint on again.

    \b
    Examples:
      nself webhooks enable ENDPOINT
    """
    _switch(context, endpoint, env, account, True)


@webhooks.command()
@click.argument("endpoint")
@account_option
@env_option
@click.pass_obj
def disable(context: CommandContext, endpoint: str, account: str, env: str | None) -> None:
    """Turn an endpoint off; its open deliveries become dead letters.

    \b
    Examples:
      nself webhooks disable ENDPOINT
    """
    _switch(context, endpoint, env, account, False)


def _switch(context: CommandContext, endpoint: str, env: str | None, account: str, on: bool) -> None:
    with plugin_client(context, "webhooks", env, account=account) as client:
        client.patch(f"endpoints/{endpoint}", {"enabled": on})
    say(f"{endpoint} is {'on' if on else 'off'}")


@webhooks.command()
@click.argument("endpoint")
@yes_option
@account_option
@env_option
@click.pass_obj
def remove(context: CommandContext, endpoint: str, yes: bool, account: str, env: str | None) -> None:
    """Delete an endpoint with its deliveries.

    \b
    Examples:
      nself webhooks remove ENDPOINT --yes
    """
    require_yes(f"Delete the endpoint {endpoint} with its deliveries?", yes=yes)
    with plugin_client(context, "webhooks", env, account=account) as client:
        client.delete(f"endpoints/{endpoint}")
    say(f"{endpoint} is deleted")
