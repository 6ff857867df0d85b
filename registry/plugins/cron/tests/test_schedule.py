"""Schedules: what is one, and when it comes, across changes of summer time."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice

import pytest
from nself_plugin_cron.schedule import check, upcoming


@pytest.mark.parametrize("schedule", ["*/5 * * * *", "0 3 * * 1-5", "@hourly", "0 0 29 2 *", "15,45 8-18 * * mon"])
def test_schedules(schedule: str) -> None:
    check(schedule, "Europe/Vienna")


@pytest.mark.parametrize(
    ("schedule", "zone", "reason"),
    [
        ("* * * *", "UTC", "five fields"),
        ("* * * * * *", "UTC", "five fields"),
        ("61 * * * *", "UTC", "no cron expression"),
        ("0 0 31 2 *", "UTC", "never comes"),
        ("@fortnightly", "UTC", "none of"),
        ("@reboot", "UTC", "none of"),
        ("0 0 * * *", "Mars/Olympus", "no time zone"),
        ("0 0 * * *", "../../etc/passwd", "no time zone"),
    ],
)
def test_what_is_none(schedule: str, zone: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        check(schedule, zone)


def test_a_time_of_day_stays_through_the_change_of_summer_time() -> None:
    times = islice(upcoming("0 9 * * *", "Europe/Vienna", datetime(2026, 3, 27, 12, tzinfo=UTC)), 3)
    assert [(one.day, one.hour) for one in times] == [(28, 8), (29, 7), (30, 7)]


def test_the_skipped_hour_still_has_its_run_and_the_doubled_one_has_one() -> None:
    spring = list(islice(upcoming("30 2 * * *", "Europe/Vienna", datetime(2026, 3, 28, 12, tzinfo=UTC)), 2))
    assert [one.day for one in spring] == [29, 30]
    autumn = list(islice(upcoming("30 2 * * *", "Europe/Vienna", datetime(2026, 10, 24, 12, tzinfo=UTC)), 2))
    assert [one.day for one in autumn] == [25, 26]
    every = list(islice(upcoming("30 * * * *", "Europe/Vienna", datetime(2026, 10, 25, 0, 0, tzinfo=UTC)), 3))
    assert [one.hour for one in every] == [0, 1, 2]
