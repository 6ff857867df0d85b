"""``nself notify``: send, look at the log, keep templates."""

from __future__ import annotations

from pathlib import Path
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
    tell,
    yes_option,
)

if TYPE_CHECKING:
    from hookspecs import CommandContext


@click.group(short_help="Send notifications, look at the delivery log and at templates.")
def notify() -> None:
    """Send notifications, look at the delivery log and at templates. The stack must run.

    \b
    Examples:
      nself notify send --to ada@example.com --subject Hello --text "It works."
      nself notify log --status failed
    """


@notify.command()
@click.option("--to", "recipient", required=True, help="An e-mail address, an http(s) address, or a user's id.")
@click.option("--template", default=None, help="Name of a template.")
@click.option("--data", default="{}", help="What the template is filled with: JSON, or @file.")
@click.option("--subject", default="", help="Subject, without a template.")
@click.option("--text", default="", help="Text, without a template.")
@click.option("--html", default="", help="HTML, without a template.")
@click.option("--category", default=None, help="What users turn on and off; by default the template's.")
@click.option("--key", default=None, help="Idempotency key: the same one never sends twice.")
@account_option
@env_option
@json_option
@click.pass_obj
def send(context: CommandContext, recipient: str, env: str | None, account: str, as_json: bool, **fields: Any) -> None:
    """Send one notification.

    \b
    Examples:
      nself notify send --to ada@example.com --template welcome --data '{"name": "Ada"}'
      nself notify send --to https://example.com/hook --text "Deployed."
    """
    data = read_json(fields.pop("data"), "--data")
    kind = "url" if recipient.startswith(("http://", "https://")) else "email" if "@" in recipient else "user_id"
    wanted = {
        "to": {kind: recipient},
        "data": data,
        "idempotency_key": fields.pop("key"),
        **{name: value for name, value in fields.items() if value},
    }
    with plugin_client(context, "notify", env, account=account) as client:
        sent = client.post("notifications", wanted)
    if as_json:
        print_json(sent)
        return
    say(f"{sent['id']} is {sent['status']}")
    tell(f"next: nself notify show {sent['id']}")


@notify.command()
@click.option("--status", type=click.Choice(["queued", "retrying", "sent", "failed", "suppressed"]), default=None)
@click.option("--user", "user_id", default=None, help="Only a user's.")
@click.option("--limit", type=click.IntRange(1, 200), default=20, show_default=True, help="At most so many.")
@account_option
@env_option
@json_option
@click.pass_obj
def log(
    context: CommandContext, status: str | None, user_id: str | None, limit: int, account: str, env: str | None, as_json: bool
) -> None:
    """The delivery log, newest first.

    \b
    Examples:
      nself notify log --status failed --json
    """
    with plugin_client(context, "notify", env, account=account) as client:
        found = client.get("notifications", status=status, user_id=user_id, limit=limit)["notifications"]
    if as_json:
        print_json(found)
        return
    print_table(
        ("id", "status", "channel", "recipient", "subject", "created", "error"),
        [
            (n["id"], n["status"], n["channel"], n["recipient"], n["subject"], n["created_at"][:19], n["error"][:60])
            for n in found
        ],
    )


@notify.command()
@click.argument("id")
@account_option
@env_option
@json_option
@click.pass_obj
def show(context: CommandContext, id: str, account: str, env: str | None, as_json: bool) -> None:
    """One notification with every attempt at it.

    \b
    Examples:
      nself notify show ID
    """
    with plugin_client(context, "notify", env, account=account) as client:
        found = client.get(f"notifications/{id}")
    if as_json:
        print_json(found)
        return
    for name in ("id", "status", "channel", "recipient", "category", "template", "subject", "created_at", "sent_at", "error"):
        say(f"{name:<12}{found[name] or '-'}")
    print_table(
        ("attempt", "outcome", "took", "at", "detail"),
        [(a["number"], a["outcome"], f"{a['took_ms']} ms", a["at"][:19], a["detail"]) for a in found["log"]],
    )


@notify.command()
@click.argument("id")
@account_option
@env_option
@click.pass_obj
def retry(context: CommandContext, id: str, account: str, env: str | None) -> None:
    """Try a failed notification again.

    \b
    Examples:
      nself notify retry ID
    """
    with plugin_client(context, "notify", env, account=account) as client:
        client.post(f"notifications/{id}/retry")
    say(f"{id} is queued again")


@notify.group()
def templates() -> None:
    """Templates: list, set from files, preview, delete.

    \b
    Examples:
      nself notify templates list
      nself notify templates set welcome --subject "Hello {{ name }}" --text @welcome.txt
    """


@templates.command("list")
@account_option
@env_option
@json_option
@click.pass_obj
def list_templates(context: CommandContext, account: str, env: str | None, as_json: bool) -> None:
    """List templates with the variables each asks for.

    \b
    Examples:
      nself notify templates list --json
    """
    with plugin_client(context, "notify", env, account=account) as client:
        found = client.get("templates")
    if as_json:
        print_json(found)
        return
    print_table(
        ("name", "locale", "category", "version", "variables"),
        [(t["name"], t["locale"] or "all", t["category"], t["version"], ", ".join(t["variables"])) for t in found],
    )


@templates.command("set")
@click.argument("name")
@click.option("--locale", default="", help="A language such as de or de-AT; by default every language without its own.")
@click.option("--category", default="transactional", show_default=True, help="What users turn on and off.")
@click.option("--subject", default="", help="Subject, a Jinja2 template.")
@click.option("--text", default="", help="Text, or @file.")
@click.option("--html", default="", help="HTML, or @file.")
@account_option
@env_option
@click.pass_obj
def set_template(context: CommandContext, name: str, text: str, html: str, account: str, env: str | None, **fields: str) -> None:
    """Make or replace a template.

    \b
    Examples:
      nself notify templates set welcome --subject "Hello {{ name }}" --text @welcome.txt --html @welcome.html
    """
    with plugin_client(context, "notify", env, account=account) as client:
        made = client.put(f"templates/{name}", {**fields, "text": _content(text), "html": _content(html)})
    say(f"{made['name']} is at version {made['version']}; it asks for {', '.join(made['variables']) or 'no variables'}")


def _content(text: str) -> str:
    if not text.startswith("@"):
        return text
    try:
        return Path(text[1:]).read_text("utf-8")
    except OSError as error:
        raise click.BadParameter(f"{text[1:]}: {error.strerror}") from None


@templates.command()
@click.argument("name")
@click.option("--data", default="{}", help="JSON, or @file.")
@click.option("--locale", default="", help="Language.")
@account_option
@env_option
@json_option
@click.pass_obj
def preview(context: CommandContext, name: str, data: str, locale: str, account: str, env: str | None, as_json: bool) -> None:
    """Fill in a template without sending.

    \b
    Examples:
      nself notify templates preview welcome --data '{"name": "Ada"}'
    """
    with plugin_client(context, "notify", env, account=account) as client:
        filled = client.post(f"templates/{name}/preview", {"data": read_json(data, "--data"), "locale": locale})
    if as_json:
        print_json(filled)
        return
    say(f"Subject: {filled['subject']}\n\n{filled['text'] or filled['html']}")


@templates.command("delete")
@click.argument("name")
@click.option("--locale", default=None, help="In one language alone.")
@yes_option
@account_option
@env_option
@click.pass_obj
def delete_template(context: CommandContext, name: str, locale: str | None, yes: bool, account: str, env: str | None) -> None:
    """Delete a template.

    \b
    Examples:
      nself notify templates delete welcome --yes
    """
    require_yes(f"Delete the template {name}?", yes=yes)
    with plugin_client(context, "notify", env, account=account) as client:
        client.delete(f"templates/{name}", locale=locale)
    say(f"{name} is deleted")
