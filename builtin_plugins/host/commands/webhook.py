"""``nself webhook``: what providers sent to plugins."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from hookspecs import UserError
from hookspecs.terminal import env_option, json_option, print_json, print_table, say, tell

from .database import ask
from .job import STATES, short

if TYPE_CHECKING:
    from hookspecs import CommandContext

    from ..jobs.records import State
    from ..webhooks.records import Received


@click.group(short_help="Webhooks that plugins were sent: list, show, replay.")
def webhook() -> None:
    """Webhooks that plugins were sent: list, show, replay. ID is our number or the sender's own id.

    \b
    Examples:
      nself webhook list --state dead
      nself webhook replay evt_1PqR
    """


@webhook.command("list")
@click.option("--plugin", default="", help="Only those of this plugin.")
@click.option("--source", default="", help="Only those of this source.")
@click.option("--type", "kind", default="", help="Only those of this type.")
@click.option("--state", type=STATES, help="Only those in this state: dead is the dead-letter list.")
@click.option("--limit", type=click.IntRange(1, 10000), default=50, show_default=True, help="At most so many.")
@env_option
@json_option
@click.pass_obj
def list_(
    context: CommandContext, plugin: str, source: str, kind: str, state: State | None, limit: int, env: str | None, as_json: bool
) -> None:
    """List webhooks, newest first.

    \b
    Examples:
      nself webhook list --plugin stripe
      nself webhook list --state dead --json
    """
    from ..webhooks.records import Events

    found = ask(context, env, lambda on: Events(on).newest(plugin=plugin, source=source, kind=kind, state=state, limit=limit))
    if as_json:
        print_json([each.model_dump(mode="json") for each in found])
        return
    if not found:
        tell("no webhooks")
        return
    rows = [
        (e.number, e.plugin, e.source, e.id, e.type, e.state, e.attempts, f"{e.received_at:%Y-%m-%d %H:%M:%S}", short(e.error))
        for e in found
    ]
    print_table(("number", "plugin", "source", "id", "type", "state", "tries", "received (UTC)", "error"), rows)


@webhook.command()
@click.argument("name", metavar="ID")
@env_option
@json_option
@click.pass_obj
def show(context: CommandContext, name: str, env: str | None, as_json: bool) -> None:
    """Show a webhook with its headers and body. Signatures and credentials among the headers were never kept.

    \b
    Examples:
      nself webhook show evt_1PqR
    """
    from ..webhooks.records import Events

    event = _find(context, env, name)
    content = ask(context, env, lambda on: Events(on).content(event.number))
    if content is None:
        raise _unknown(name)
    fields = event.model_dump(mode="json")
    if as_json:
        print_json(fields | content.model_dump(mode="json"))
        return
    for label, value in fields.items():
        say(f"{label:<12} {'' if value is None else value}".rstrip())
    say()
    for label, value in content.headers.items():
        say(f"{label}: {value}")
    say(f"\n{content.body}")


@webhook.command()
@click.argument("names", metavar="[ID]...", nargs=-1)
@click.option("--dead", is_flag=True, help="All that are dead, of --plugin and --source where given.")
@click.option("--plugin", default="", help="With --dead: only those of this plugin.")
@click.option("--source", default="", help="With --dead: only those of this source.")
@env_option
@json_option
@click.pass_obj
def replay(
    context: CommandContext, names: tuple[str, ...], dead: bool, plugin: str, source: str, env: str | None, as_json: bool
) -> None:
    """Have webhooks handled again that are dead or done.

    \b
    Examples:
      nself webhook replay evt_1PqR
      nself webhook replay --dead --plugin stripe
    """
    from ..webhooks.records import Events

    if dead == bool(names) or (names and (plugin or source)):
        raise UserError("give either ids or --dead", remedy="nself webhook replay --help", exit_code=2)
    events = [_find(context, env, name) for name in names]
    if waiting := [event.id for event in events if event.state in ("queued", "running")]:
        raise UserError(f"{', '.join(waiting)} has not ended yet", remedy="nself webhook list", code="webhook-waits")
    numbers = [event.number for event in events]
    done = ask(context, env, lambda on: Events(on).replay(numbers=numbers, plugin=plugin, source=source))
    print_json(done) if as_json else tell(f"{len(done)} to be handled again")


@webhook.command()
@click.argument("plugin")
@click.argument("url")
@env_option
@click.pass_obj
def enable(context: CommandContext, plugin: str, url: str, env: str | None) -> None:
    """Let a plugin send webhooks to a URL again that had answered 410 (gone).

    \b
    Examples:
      nself webhook enable notify https://example.com/hook
    """
    from ..webhooks.outbound import enable as again

    if not ask(context, env, lambda on: again(on, plugin, url)):
        raise UserError(f"{plugin} is not kept from sending to {url}", code="unknown-url")
    tell(f"{plugin} sends to {url} again")


def _find(context: CommandContext, env: str | None, name: str) -> Received:
    from ..webhooks.records import Events

    found = ask(context, env, lambda on: Events(on).find(name))
    if not found:
        raise _unknown(name)
    if len(found) > 1:
        which = ", ".join(f"{event.number} ({event.plugin}/{event.source})" for event in found)
        raise UserError(f"{name} is known more than once: {which}", remedy="give the number", code="ambiguous", exit_code=2)
    return found[0]


def _unknown(name: str) -> UserError:
    return UserError(f"there is no webhook {name}", remedy="nself webhook list", code="unknown-webhook")
