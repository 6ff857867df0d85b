"""``nself jobs``: the application's queue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from hookspecs.client import plugin_client
from hookspecs.terminal import account_option, env_option, json_option, print_json, print_table, read_json, say

if TYPE_CHECKING:
    from hookspecs import CommandContext


@click.group(short_help="The application's background queue: enqueue, look, retry, pause.")
def jobs() -> None:
    """The application's background queue. The stack must run.

    \b
    Examples:
      nself jobs enqueue mail '{"to": "ada@example.com"}' --priority 5
      nself jobs list --state dead
    """


@jobs.command()
@account_option
@env_option
@json_option
@click.pass_obj
def queues(context: CommandContext, account: str, env: str | None, as_json: bool) -> None:
    """List queues with what stands in each.

    \b
    Examples:
      nself jobs queues --json
    """
    with plugin_client(context, "jobs", env, account=account) as client:
        found = client.get("queues")
    if as_json:
        print_json(found)
        return
    print_table(
        ("queue", "waiting", "delayed", "held", "dead", "oldest", "state"),
        [
            (
                q["name"], q["waiting"], q["delayed"], q["held"], q["dead"],
                f"{q['oldest_seconds']:.0f} s" if q["oldest_seconds"] is not None else "-",
                "paused" if q["paused"] else "pushes" if q["push_url"] else "-",
            )
            for q in found
        ],
    )  # fmt: skip


@jobs.command()
@click.argument("queue")
@click.argument("payload", default="{}")
@click.option("--type", "type_", default="", help="What kind of job it is, for workers that take only some.")
@click.option("--priority", type=click.IntRange(-1000, 1000), default=0, show_default=True, help="Higher goes first.")
@click.option("--delay", type=click.FloatRange(0), default=0, help="Seconds from now.")
@click.option("--key", default=None, help="While a job with this key is not over, no second one is made.")
@account_option
@env_option
@json_option
@click.pass_obj
def enqueue(
    context: CommandContext, queue: str, payload: str, type_: str, key: str | None, account: str, env: str | None,
    as_json: bool, **fields: Any,
) -> None:  # fmt: skip
    """Put a job on a queue. PAYLOAD is JSON, or @file.

    \b
    Examples:
      nself jobs enqueue mail '{"to": "ada@example.com"}' --delay 60
    """
    wanted = {"payload": read_json(payload, "the payload"), "type": type_, "unique_key": key, **fields}
    with plugin_client(context, "jobs", env, account=account) as client:
        made = client.post(f"queues/{queue}/jobs", wanted)
    if as_json:
        print_json(made)
    else:
        say(f"job {made['id']} is {made['state']} on {made['queue']}")


@jobs.command("list")
@click.option("--queue", default=None, help="Only this queue's.")
@click.option("--state", type=click.Choice(["waiting", "held", "done", "dead", "cancelled"]), default=None, help="Only these.")
@click.option("--limit", type=click.IntRange(1, 200), default=20, show_default=True, help="At most so many.")
@account_option
@env_option
@json_option
@click.pass_obj
def list_(
    context: CommandContext, queue: str | None, state: str | None, limit: int, account: str, env: str | None, as_json: bool
) -> None:
    """List jobs, newest first; --state dead gives the dead letters.

    \b
    Examples:
      nself jobs list --state dead --json
    """
    with plugin_client(context, "jobs", env, account=account) as client:
        found = client.get("jobs", queue=queue, state=state, limit=limit)
    if as_json:
        print_json(found)
        return
    print_table(
        ("id", "queue", "type", "state", "tries", "due", "error"),
        [
            (
                j["id"],
                j["queue"],
                j["type"],
                j["state"],
                f"{j['attempts']}/{j['max_attempts']}",
                j["run_at"][:19],
                j["error"][:60],
            )
            for j in found
        ],
    )


@jobs.command()
@click.argument("id", type=int)
@account_option
@env_option
@click.pass_obj
def show(context: CommandContext, id: int, account: str, env: str | None) -> None:
    """One job, as JSON.

    \b
    Examples:
      nself jobs show 42
    """
    with plugin_client(context, "jobs", env, account=account) as client:
        print_json(client.get(f"jobs/{id}"))


@jobs.command()
@click.argument("id", type=int)
@account_option
@env_option
@click.pass_obj
def retry(context: CommandContext, id: int, account: str, env: str | None) -> None:
    """Put a dead or cancelled job back on its queue.

    \b
    Examples:
      nself jobs retry 42
    """
    with plugin_client(context, "jobs", env, account=account) as client:
        client.post(f"jobs/{id}/retry")
    say(f"job {id} waits again")


@jobs.command()
@click.argument("id", type=int)
@account_option
@env_option
@click.pass_obj
def cancel(context: CommandContext, id: int, account: str, env: str | None) -> None:
    """Take a waiting job off its queue; retry puts it back.

    \b
    Examples:
      nself jobs cancel 42
    """
    with plugin_client(context, "jobs", env, account=account) as client:
        client.post(f"jobs/{id}/cancel")
    say(f"job {id} is cancelled")


@jobs.command()
@click.argument("queue")
@account_option
@env_option
@click.pass_obj
def pause(context: CommandContext, queue: str, account: str, env: str | None) -> None:
    """Hand out no more jobs of a queue; what is held goes on.

    \b
    Examples:
      nself jobs pause mail
    """
    _set(context, queue, env, account, paused=True)
    say(f"{queue} is paused")


@jobs.command()
@click.argument("queue")
@account_option
@env_option
@click.pass_obj
def resume(context: CommandContext, queue: str, account: str, env: str | None) -> None:
    """Hand out a paused queue's jobs again.

    \b
    Examples:
      nself jobs resume mail
    """
    _set(context, queue, env, account, paused=False)
    say(f"{queue} goes on")


@jobs.command()
@click.argument("queue")
@click.argument("url")
@account_option
@env_option
@click.pass_obj
def push(context: CommandContext, queue: str, url: str, account: str, env: str | None) -> None:
    """Post a queue's jobs to URL instead of waiting for workers; an empty URL ends that.

    \b
    Examples:
      nself jobs push mail https://example.com/jobs/mail
      nself jobs push mail ""
    """
    _set(context, queue, env, account, push_url=url or None)
    say(f"{queue} is pushed to {url}" if url else f"{queue} waits for workers")


@jobs.command()
@account_option
@env_option
@json_option
@click.pass_obj
def schedules(context: CommandContext, account: str, env: str | None, as_json: bool) -> None:
    """List recurring jobs with their next time.

    \b
    Examples:
      nself jobs schedules --json
    """
    with plugin_client(context, "jobs", env, account=account) as client:
        found = client.get("schedules")
    if as_json:
        print_json(found)
        return
    print_table(
        ("name", "schedule", "queue", "type", "next"),
        [(s["name"], s["schedule"], s["queue"], s["type"], s["next_run_at"][:19]) for s in found],
    )


@jobs.command()
@click.argument("name")
@click.argument("when")
@click.argument("queue")
@click.argument("payload", default="{}")
@click.option("--type", "type_", default="", help="What kind of job it is, for workers that take only some.")
@click.option("--priority", type=click.IntRange(-1000, 1000), default=0, show_default=True, help="Higher goes first.")
@account_option
@env_option
@json_option
@click.pass_obj
def schedule(
    context: CommandContext, name: str, when: str, queue: str, payload: str, type_: str, priority: int, account: str,
    env: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Make or change a recurring job. WHEN is five cron fields in quotes, in UTC; PAYLOAD is JSON, or @file.

    \b
    Examples:
      nself jobs schedule tidy "0 3 * * *" upkeep '{"days": 30}'
    """
    wanted = {"schedule": when, "queue": queue, "payload": read_json(payload, "the payload"), "type": type_, "priority": priority}
    with plugin_client(context, "jobs", env, account=account) as client:
        made = client.put(f"schedules/{name}", wanted)
    if as_json:
        print_json(made)
    else:
        say(f"{name} comes next at {made['next_run_at'][:19]} UTC")


@jobs.command()
@click.argument("name")
@account_option
@env_option
@click.pass_obj
def unschedule(context: CommandContext, name: str, account: str, env: str | None) -> None:
    """Delete a recurring job; what it has enqueued stays.

    \b
    Examples:
      nself jobs unschedule tidy
    """
    with plugin_client(context, "jobs", env, account=account) as client:
        client.delete(f"schedules/{name}")
    say(f"{name} comes no more")


def _set(context: CommandContext, name: str, env: str | None, account: str, **changes: Any) -> None:
    with plugin_client(context, "jobs", env, account=account) as client:
        known = next((q for q in client.get("queues") if q["name"] == name), {})
        kept = {
            field: known[field] for field in ("paused", "max_attempts", "backoff_seconds", "concurrency", "push_url") if known
        }
        client.put(f"queues/{name}", {**kept, **changes})
