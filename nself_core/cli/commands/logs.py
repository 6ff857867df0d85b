"""``nself logs``."""

from __future__ import annotations

import json
import os
import re
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click

from nself_core.cli import output
from nself_core.cli.options import env_option

if TYPE_CHECKING:
    from hookspecs.models.runtime import LogLine

_PALETTE = ("cyan", "yellow", "green", "magenta", "blue", "bright_cyan", "bright_yellow", "bright_green", "bright_magenta")
_SPAN = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?\Z")


class Moment(click.ParamType[datetime]):
    """A span back from now (``10m``, ``1h30m``, ``2d``) or an ISO time."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        text = str(value).strip()
        match = _SPAN.match(text)
        if text and match:
            days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
            return datetime.now(UTC) - timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
        try:
            found = datetime.fromisoformat(text)
        except ValueError:
            self.fail(f"{text!r} is neither a span such as 10m or 1h30m nor an ISO time", param, ctx)
        return found if found.tzinfo else found.astimezone()


@click.command()
@click.argument("services", nargs=-1)
@env_option
@click.option("-f", "--follow", is_flag=True, help="Keep showing what comes, until Ctrl-C.")
@click.option("-n", "--tail", type=click.IntRange(min=0), default=100, show_default=True, help="Lines of each service.")
@click.option("--all", "everything", is_flag=True, help="All lines there are.")
@click.option("--since", type=Moment(), metavar="TIME", help="Only since then: 10m, 2h, 1d, or an ISO time.")
@click.option("--grep", "pattern", metavar="REGEX", help="Only lines that match, whatever the case.")
@click.option("-t", "--timestamps", is_flag=True, help="Show the time of each line.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
def command(
    *,
    services: tuple[str, ...],
    env: str | None,
    follow: bool,
    tail: int,
    everything: bool,
    since: datetime | None,
    pattern: str | None,
    timestamps: bool,
    as_json: bool,
) -> None:
    """Show what the services write, oldest first: all of them, or SERVICES.

    \b
    Examples:
      nself logs -f
      nself logs api -n 20 -t
      nself logs --since 10m --grep 'error|fatal'
    """
    from hookspecs.errors import UserError
    from nself_core.lifecycle import select
    from nself_core.workspace import Workspace

    try:
        expression = re.compile(pattern, re.IGNORECASE) if pattern else None
    except re.error as error:
        raise click.BadParameter(f"{pattern!r} is no regular expression: {error}", param_hint="--grep") from None
    workspace = Workspace.open(env)
    name = workspace.runtime_name()
    stack = workspace.stack(name)
    wanted = select.chosen(stack, [select.runnable(stack, s) for s in services])
    if workspace.recorded_runtime() is None:
        raise UserError("nothing was started here yet, so there are no logs", remedy="nself start", code="not-started")
    lines = workspace.runtime(name).logs(wanted, follow=follow, tail=None if everything else tail, since=since)
    names = [s.name for s in stack.services if wanted is None or s.name in wanted]
    width = max(map(len, names), default=0)
    colours = {service: _PALETTE[index % len(_PALETTE)] for index, service in enumerate(names)}
    shown = 0
    try:
        for line in lines:
            if expression is None or expression.search(line.text):
                shown += 1
                click.echo(_json(line) if as_json else _text(line, width, colours, timestamps=timestamps))
    except BrokenPipeError:  # `nself logs | head` has seen enough; closing the stream again at exit must not fail either
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return
    if not shown and not follow:
        output.tell("No lines to show.")


def _json(line: LogLine) -> str:
    time = line.time.isoformat() if line.time else None
    return json.dumps({"service": line.service, "time": time, "stream": line.stream, "text": line.text}, ensure_ascii=False)


def _text(line: LogLine, width: int, colours: dict[str, str], *, timestamps: bool) -> str:
    label = output.style(line.service.ljust(width), fg=colours.get(line.service))
    moment = f"{line.time.astimezone().isoformat(timespec='milliseconds')} " if timestamps and line.time else ""
    text = line.text if output.colour_wanted() else click.unstyle(line.text)
    return f"{label} | {moment}{text}"
