"""Cron schedules: the times that they name, over changes of clocks, months and missed times."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tsuzuki.core import cron
from tsuzuki.core.refusal import InvalidInput
from tsuzuki.core.times import SECOND


def ns(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * SECOND


def times(schedule: str, after: str, count: int) -> list[str]:
    found, at_ns = [], ns(after)
    for _ in range(count):
        next_ns = cron.parse(schedule).next_after(at_ns, at_ns)
        assert next_ns is not None
        assert next_ns > at_ns
        at_ns = next_ns
        found.append(datetime.fromtimestamp(at_ns // SECOND, UTC).strftime("%m-%d %H:%M"))
    return found


@pytest.mark.parametrize(
    ("schedule", "after", "expected"),
    [
        ("*/20 * * * *", "2026-01-01T00:00:00", ["01-01 00:20", "01-01 00:40", "01-01 01:00"]),
        ("59 23 31 * *", "2026-01-31T23:59:00", ["03-31 23:59", "05-31 23:59"]),
        ("0 0 29 2 *", "2026-03-01T00:00:00", ["02-29 00:00"]),
        ("0 0 13 * 5", "2026-02-01T00:00:00", ["02-06 00:00", "02-13 00:00", "02-20 00:00"]),  # either day
        ("0 0 13 * *", "2026-02-01T00:00:00", ["02-13 00:00", "03-13 00:00"]),
        ("0 0 ? * 5", "2026-02-01T00:00:00", ["02-06 00:00", "02-13 00:00"]),
        ("0 9 * * *", "2026-01-01T09:00:00", ["01-02 09:00"]),
        ("CRON_TZ=Asia/Tokyo 0 9 * * *", "2026-01-01T09:00:00", ["01-02 00:00"]),
        # New York, 2026: 02:30 does not exist on 8 March, 01:30 comes twice on 1 November.
        ("CRON_TZ=America/New_York 30 2 * * *", "2026-03-07T12:00:00", ["03-09 06:30"]),
        ("CRON_TZ=America/New_York 30 1 * * *", "2026-11-01T00:00:00", ["11-01 05:30", "11-01 06:30", "11-02 06:30"]),
        # Cairo's clocks change at midnight: 24 April 2026 has no 00:00.
        ("CRON_TZ=Africa/Cairo 0 0 * * *", "2026-04-22T23:00:00", ["04-24 21:00"]),
        ("@weekly", "2026-01-01T00:00:00", ["01-04 00:00", "01-11 00:00"]),
    ],
)
def test_times(schedule: str, after: str, expected: list[str]) -> None:
    assert times(schedule, after, len(expected)) == expected


def test_missed_times_are_passed_over() -> None:
    due, late = ns("2026-01-01T10:00:00"), ns("2026-01-01T13:30:00")
    assert cron.backoff_ns("0 * * * *", due, late) == 1800 * SECOND
    assert cron.backoff_ns("@every 2h", due, late) == 1800 * SECOND
    assert cron.backoff_ns("@every 1s", due, late) == 0  # due at this very moment
    assert cron.backoff_ns("@every 1s", due, late + 1) == SECOND


def test_a_backoff_is_rounded_up_to_seconds() -> None:
    now = ns("2026-01-01T10:00:00") + SECOND // 4
    assert cron.backoff_ns("@every 1s", now, now) == SECOND
    assert cron.backoff_ns("* * * * *", now, now) == 60 * SECOND


def test_a_schedule_that_never_comes() -> None:
    assert cron.parse("0 0 31 2 *").next_after(0, 0) is None
    with pytest.raises(InvalidInput, match="names no time in the next 5 years"):
        cron.check("0 0 31 2 *", 0)


@pytest.mark.parametrize(
    ("schedule", "why"),
    [
        ("* * * *", "has 4 fields; expected minute, hour, day of month, month, day of week"),
        ("60 * * * *", "'60' in the field minute is out of bounds; expected 0 to 59"),
        ("* * * foo *", "'foo' in the field month is no number or one of jan, feb"),
        ("*/0 * * * *", "has a step of 0"),
        ("@often", "'@often' is not one of @yearly"),
        ("@every soon", "'soon' is not a duration such as 90s"),
        ("CRON_TZ=Mars * * * * *", "time zone 'Mars' is not known here"),
    ],
)
def test_what_is_wrong_is_named(schedule: str, why: str) -> None:
    with pytest.raises(InvalidInput, match="invalid CronSchedule") as refused:
        cron.parse(schedule)
    assert why in str(refused.value)
