"""``nself job``: the background jobs of plugins."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from hookspecs import UserError
from hookspecs.terminal import env_option, json_option, print_json, print_table, require_yes, say, tell, yes_option

from .database import ask

if TYPE_CHECKING:
    from hookspecs import CommandContext

    from ..jobs.records import State

STATES = click.Choice(["queued", "running", "done", "dead"])


@click.group(short_help="Background jobs of plugins: list, show, run again.")
def job() -> None:
    """Background jobs of plugins: list, show, run again. A job that failed too often is dead, and stays until you act.

    \b
    Examples:
      nself job list --state dead
      nself job retry 42
    """


@job.command("list")
@click.option("--plugin", default="", help="Only those of this plugin.")
@click.option("--name", default="", help="Only those of this name.")
@click.option("--state", type=STATES, help="Only those in this state.")
@click.option("--limit", type=click.IntRange(1, 10000), default=50, show_default=True, help="At most so many.")
@env_option
@json_option
@click.pass_obj
def list_(
    context: CommandContext, plugin: str, name: str, state: State | None, limit: int, env: str | None, as_json: bool
) -> None:
    """List jobs, newest first. Webhooks that came in stand under nself webhook.

    \b
    Examples:
      nself job list
      nself job list --plugin notify --state dead --json
    """
    from ..jobs.records import Records

    found = ask(context, env, lambda on: Records(on).newest(plugin=plugin, name=name, state=state, limit=limit))
    if as_json:
        print_json([each.model_dump(mode="json") for each in found])
        return
    if not found:
        tell("no jobs")
        return
    rows = [(j.id, j.plugin, j.name, j.state, j.attempts, f"{j.run_at:%Y-%m-%d %H:%M:%S}", short(j.error)) for j in found]
    print_table(("id", "plugin", "job", "state", "tries", "due (UTC)", "error"), rows)


@job.command()
@click.argument("number", metavar="ID", type=click.IntRange(1))
@env_option
@json_option
@click.pass_obj
def show(context: CommandContext, number: int, env: str | None, as_json: bool) -> None:
    """Show a job with its payload and its last error. What signs an outgoing webhook is never shown.

    \b
    Examples:
      nself job show 42
    """
    from ..jobs.records import Records

    found = ask(context, env, lambda on: Records(on).get(number))
    if found is None:
        raise _unknown(number)
    record, payload = found
    fields = record.model_dump(mode="json")
    if as_json:
        print_json(fields | {"payload": payload})
        return
    for name, value in fields.items():
        say(f"{name:<12} {'' if value is None else value}".rstrip())
    say(f"\n{payload}")


@job.command()
@click.argument("numbers", metavar="[ID]...", nargs=-1, type=click.IntRange(1))
@click.option("--dead", is_flag=True, help="All that are dead, of --plugin and --name where given.")
@click.option("--plugin", default="", help="With --dead: only those of this plugin.")
@click.option("--name", default="", help="With --dead: only those of this name.")
@env_option
@json_option
@click.pass_obj
def retry(
    context: CommandContext, numbers: tuple[int, ...], dead: bool, plugin: str, name: str, env: str | None, as_json: bool
) -> None:
    """Run jobs again that are dead or done, with all their tries before them.

    \b
    Examples:
      nself job retry 42 43
      nself job retry --dead --plugin notify
    """
    from ..jobs.records import Records

    if dead == bool(numbers) or (numbers and (plugin or name)):
        raise UserError("give either ids or --dead", remedy="nself job retry --help", exit_code=2)
    done = ask(context, env, lambda on: Records(on).retry(numbers=numbers, plugin=plugin, name=name))
    if missing := set(numbers) - set(done):
        raise UserError(f"no job {', '.join(map(str, sorted(missing)))} has ended", remedy="nself job list", code="unknown-job")
    print_json(done) if as_json else tell(f"{len(done)} queued again")


@job.command()
@click.argument("number", metavar="ID", type=click.IntRange(1))
@yes_option
@env_option
@click.pass_obj
def delete(context: CommandContext, number: int, yes: bool, env: str | None) -> None:
    """Delete a job that does not run.

    \b
    Examples:
      nself job delete 42
    """
    from ..jobs.records import Records

    require_yes(f"Delete job {number}? This cannot be taken back.", yes=yes)
    if not ask(context, env, lambda on: Records(on).delete(number)):
        raise UserError(f"there is no job {number} that could be deleted", remedy="nself job list", code="unknown-job")
    tell(f"job {number} is deleted")


@job.command()
@env_option
@json_option
@click.pass_obj
def status(context: CommandContext, env: str | None, as_json: bool) -> None:
    """Count what waits, runs and is dead, by plugin; webhooks too.

    \b
    Examples:
      nself job status
    """
    from ..jobs.records import Records

    found = ask(context, env, lambda on: Records(on).counts())
    if as_json:
        print_json([each.model_dump(mode="json") for each in found])
        return
    rows = [(c.plugin, c.queued, c.running, c.dead, c.done, f"{c.waits:.0f} s") for c in found]
    print_table(("plugin", "queued", "running", "dead", "done", "oldest waits"), rows)


def _unknown(number: int) -> UserError:
    return UserError(f"there is no job {number}", remedy="nself job list", code="unknown-job")


def short(text: str | None) -> str:
    """An error's beginning, on one line."""
    line = " ".join((text or "").split())
    return line if len(line) <= 60 else line[:59] + "…"
