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

    At the change to summer time a run of the skipped hour comes when the hour is over; at the change back it runs once.
    """
    from croniter import CroniterBadDateError, croniter

    local = after.astimezone(zone(timezone))
    times = croniter(schedule, local)
    while True:
        try:
            yield times.get_next(datetime).astimezone(UTC)
        except CroniterBadDateError:
            raise ValueError(f"{schedule!r} never comes") from None
