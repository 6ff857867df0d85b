"""Cron expressions of five fields in a time zone, by croniter."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

#: The usual short words (crontab(5)).
WORDS = {"@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"}


def check(schedule: str, timezone: str) -> None:
    """``ValueError`` for a schedule that is none or never comes, and for an unknown time zone."""
    from croniter import croniter

    if schedule.startswith("@"):
        if schedule not in WORDS:
            raise ValueError(f"{schedule!r} is none of {', '.join(sorted(WORDS))}")
    elif len(schedule.split()) != 5:
        raise ValueError(f"{schedule!r} has not the five fields minute, hour, day, month and weekday")
    zone(timezone)
    if not croniter.is_valid(schedule):
        raise ValueError(f"{schedule!r} is no cron expression")
    next(upcoming(schedule, timezone, datetime.now(UTC)))


def zone(name: str) -> ZoneInfo:
    """The time zone of that IANA name; ``ValueError`` for one that is none."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"there is no time zone {name!r}; an IANA name is needed, such as Europe/Vienna") from None


def upcoming(schedule: str, timezone: str, after: datetime) -> Iterator[datetime]:
    """The times of a schedule strictly after ``after``, in UTC, for ever; ``ValueError`` where none comes.

    As cron(8) has it: at the change to summer time a run of the skipped hour comes when that is over, and at the change back
    a fixed time of day comes once, while what comes every hour or minute goes on through both hours.
    """
    from croniter import CroniterBadDateError, croniter

    local = after.astimezone(zone(timezone))
    times = croniter(schedule, local)
    fixed = schedule != "@hourly" and not any(field.startswith("*") for field in schedule.split()[:2])
    while True:
        try:
            found: datetime = times.get_next(datetime)
        except CroniterBadDateError:
            raise ValueError(f"{schedule!r} never comes") from None
        if not (fixed and found.astimezone(local.tzinfo).fold):
            yield found.astimezone(UTC)
