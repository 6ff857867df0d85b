"""``nself cron``: schedules and their runs."""

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
    require_yes,
    say,
    tell,
    yes_option,
)

if TYPE_CHECKING:
    from hookspecs import CommandContext


@click.group(short_help="Schedules that call an HTTP endpoint: add, list, run now, pause, history.")
def cron() -> None:
    """Schedules that call an HTTP endpoint. The stack must run.

    \b
    Examples:
      nself cron add nightly "0 3 * * *" https://example.com/hooks/nightly
      nself cron runs --status failed
    """


@cron.command("list")
@account_option
@env_option
@json_option
@click.pass_obj
def list_(context: CommandContext, account: str, env: str | None, as_json: bool) -> None:
    """List schedules with their next time and how the last run ended.

    \b
    Examples:
      nself cron list --json
    """
    with plugin_client(context, "cron", env, account=account) as client:
        found = client.get("jobs")
    if as_json:
        print_json(found)
        return
    print_table(
        ("name", "schedule", "zone", "next", "last", "calls"),
        [
            (
                job["name"],
                job["schedule"],
                job["timezone"],
                "paused" if job["paused"] else (job["next_run_at"] or "")[:16],
                job["last_status"] or "-",
                f"{job['method']} {job['url']}",
            )
            for job in found
        ],
    )


@cron.command()
@click.argument("name")
@click.argument("schedule")
@click.argument("url")
@click.option("--method", type=click.Choice(["GET", "POST", "PUT", "PATCH", "DELETE"]), default="POST", show_default=True)
@click.option("--header", "headers", multiple=True, metavar="NAME: VALUE", help="A request header; more than once.")
@click.option("--body", default=None, help="Request body.")
@click.option("--timezone", default="UTC", show_default=True, help="An IANA name.")
@click.option("--timeout", "timeout_seconds", type=click.IntRange(1, 3600), default=None, help="Seconds a call may take.")
@click.option("--retries", type=click.IntRange(0, 10), default=0, show_default=True, help="Further tries of a failed run.")
@click.option("--overlap", is_flag=True, help="Let a run start while the one before is under way.")
@click.option("--missed", type=click.Choice(["skip", "once"]), default="skip", show_default=True, help="After an outage.")
@account_option
@env_option
@json_option
@click.pass_obj
def add(
    context: CommandContext, name: str, headers: tuple[str, ...], account: str, env: str | None, as_json: bool, **fields: Any
) -> None:
    """Make or change a schedule: five cron fields in quotes, or a word such as @hourly.

    \b
    Examples:
      nself cron add nightly "0 3 * * *" https://example.com/hooks/nightly --timezone Europe/Vienna
      nself cron add ping "*/5 * * * *" https://example.com/health --method GET
    """
    pairs = dict(_header(text) for text in headers)
    with plugin_client(context, "cron", env, account=account) as client:
        made = client.put(f"jobs/{name}", {**fields, "headers": pairs})
    if as_json:
        print_json(made)
        return
    say(f"{made['name']} comes next at {made['next_run_at']}")
    tell(f"try it now: nself cron run {name}")


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon:
        raise click.BadParameter(f"{text!r} is not NAME: VALUE", param_hint="--header")
    return name.strip(), value.strip()


@cron.command()
@click.argument("name")
@account_option
@env_option
@json_option
@click.pass_obj
def run(context: CommandContext, name: str, account: str, env: str | None, as_json: bool) -> None:
    """Run a schedule now; its times stay as they are.

    \b
    Examples:
      nself cron run nightly
    """
    with plugin_client(context, "cron", env, account=account) as client:
        started = client.post(f"jobs/{name}/runs")
    if as_json:
        print_json(started)
        return
    say(f"run {started['id']} is queued")
    tell(f"next: nself cron runs --job {name}")


@cron.command()
@click.argument("name")
@account_option
@env_option
@click.pass_obj
def pause(context: CommandContext, name: str, account: str, env: str | None) -> None:
    """Stop a schedule from coming.

    \b
    Examples:
      nself cron pause nightly
    """
    with plugin_client(context, "cron", env, account=account) as client:
        client.post(f"jobs/{name}/pause")
    say(f"{name} is paused")


@cron.command()
@click.argument("name")
@account_option
@env_option
@click.pass_obj
def resume(context: CommandContext, name: str, account: str, env: str | None) -> None:
    """Let a paused schedule come again.

    \b
    Examples:
      nself cron resume nightly
    """
    with plugin_client(context, "cron", env, account=account) as client:
        job = client.post(f"jobs/{name}/resume")
    say(f"{name} comes next at {job['next_run_at']}")


@cron.command()
@click.option("--job", default=None, help="Only this schedule's.")
@click.option(
    "--status",
    type=click.Choice(["queued", "running", "succeeded", "failed", "missed", "skipped"]),
    default=None,
    help="Only these.",
)
@click.option("--limit", type=click.IntRange(1, 200), default=20, show_default=True, help="At most so many.")
@account_option
@env_option
@json_option
@click.pass_obj
def runs(
    context: CommandContext, job: str | None, status: str | None, limit: int, account: str, env: str | None, as_json: bool
) -> None:
    """The history of runs, newest first.

    \b
    Examples:
      nself cron runs --status failed --json
    """
    with plugin_client(context, "cron", env, account=account) as client:
        found = client.get("runs", job=job, status=status, limit=limit)
    if as_json:
        print_json(found)
        return
    print_table(
        ("job", "for", "cause", "status", "tries", "answer", "detail"),
        [
            (r["job"], r["scheduled_for"][:19], r["cause"], r["status"], r["attempt"], r["http_status"] or "-", r["detail"][:60])
            for r in found
        ],
    )


@cron.command()
@click.argument("name")
@yes_option
@account_option
@env_option
@click.pass_obj
def remove(context: CommandContext, name: str, yes: bool, account: str, env: str | None) -> None:
    """Delete a schedule and its history.

    \b
    Examples:
      nself cron remove nightly --yes
    """
    require_yes(f"Delete the schedule {name} and its history?", yes=yes)
    with plugin_client(context, "cron", env, account=account) as client:
        client.delete(f"jobs/{name}")
    say(f"{name} is deleted")
