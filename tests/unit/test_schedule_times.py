"""Times of a specification where the real server is no judge: changes of clocks, bounds of the search."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from google.protobuf.json_format import ParseDict
from temporalio.api.schedule.v1 import ScheduleSpec

from tsuzuki.core.refusal import InvalidInput
from tsuzuki.core.schedule import compile_spec


def _times(spec: dict[str, Any], start: str, end: str) -> list[str]:
    compiled = compile_spec(ParseDict(spec, ScheduleSpec()))
    start_ns, end_ns = (int(datetime.fromisoformat(each).timestamp()) * 10**9 for each in (start, end))
    return [
        datetime.fromtimestamp(each.nominal_ns // 10**9, UTC).strftime("%d %H:%M")
        for each in compiled.between(start_ns, end_ns, "")
    ]


@pytest.mark.parametrize(
    ("zone", "cron", "start", "end", "times"),
    [
        ("Europe/Berlin", "30 2 * * *", "2026-10-24T12:00Z", "2026-10-26T12:00Z", ["25 00:30", "25 01:30", "26 01:30"]),
        ("Europe/Berlin", "30 2 * * *", "2026-03-28T12:00Z", "2026-03-30T12:00Z", ["30 00:30"]),
        (
            "Europe/Berlin",
            "0 * * * *",
            "2026-10-24T23:30Z",
            "2026-10-25T03:00Z",
            ["25 00:00", "25 01:00", "25 02:00", "25 03:00"],
        ),
        (
            "America/New_York",
            "30 1 * * *",
            "2026-11-01T00:00Z",
            "2026-11-02T12:00Z",
            ["01 05:30", "01 06:30", "02 06:30"],
        ),
        ("Australia/Lord_Howe", "45 1 * * *", "2026-04-04T00:00Z", "2026-04-05T12:00Z", ["04 14:45", "04 15:15"]),
        ("America/Santiago", "0 12 * * sun", "2026-09-05T00:00Z", "2026-09-07T00:00Z", ["06 15:00"]),
        ("America/Santiago", "0 0 * * *", "2026-09-05T05:00Z", "2026-09-07T12:00Z", ["07 03:00"]),
    ],
)
def test_a_time_left_out_is_left_out_and_one_repeated_comes_twice(
    zone: str, cron: str, start: str, end: str, times: list[str]
) -> None:
    assert _times({"cronString": [cron], "timezoneName": zone}, start, end) == times


def test_a_time_that_never_comes_ends_the_search() -> None:
    spec = {"calendar": [{"month": "2", "dayOfMonth": "30"}]}
    assert _times(spec, "2026-01-01T00:00Z", "2300-01-01T00:00Z") == []
    everything = {"interval": [{"interval": "1s"}], "excludeStructuredCalendar": [_always()]}
    assert _times(everything, "2026-01-01T00:00Z", "2300-01-01T00:00Z") == []


def _always() -> dict[str, Any]:
    bounds = {"second": (0, 59), "minute": (0, 59), "hour": (0, 23), "dayOfMonth": (1, 31), "month": (1, 12)}
    return {name: [{"start": low, "end": high}] for name, (low, high) in {**bounds, "dayOfWeek": (0, 6)}.items()}


def test_a_specification_is_bounded() -> None:
    with pytest.raises(InvalidInput, match="more than 1000 calendars"):
        compile_spec(ScheduleSpec(cron_string=["* * * * *"] * 1001))
