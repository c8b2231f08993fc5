"""Specifications of schedules: their canonical form and the times that they name, on the real server and by our rules.

Left out: jitter, whose amount is each server's own choice; and zones where the real server errs when clocks change, at
midnight (it leaves out the whole day) or east of Greenwich in autumn (it names times that do not fit).
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from google.protobuf.json_format import MessageToDict, ParseDict
from temporalio.api.schedule.v1 import Schedule, ScheduleSpec
from temporalio.api.workflowservice.v1 import (
    CreateScheduleRequest,
    DescribeScheduleRequest,
    ListScheduleMatchingTimesRequest,
)
from temporalio.client import Client
from temporalio.service import RPCError

from tsuzuki.core.refusal import InvalidInput
from tsuzuki.core.schedule import compile_spec

SPECS = 150
TIMES_MAX = 60
ZONES = ["", "UTC", "Asia/Tokyo", "Asia/Kolkata", "America/New_York", "America/Los_Angeles", "America/St_Johns"]
SPANS = [
    (datetime(2026, 1, 1, 0, 30, 15, tzinfo=UTC), timedelta(days=3)),
    (datetime(2026, 3, 7, tzinfo=UTC), timedelta(days=3)),  # New York changes its clocks
    (datetime(2026, 11, 1, 3, tzinfo=UTC), timedelta(hours=8)),
    (datetime(2026, 9, 5, tzinfo=UTC), timedelta(days=3)),
    (datetime(2024, 2, 27, tzinfo=UTC), timedelta(days=800)),
]
CRONS = (
    """
0 12 * * MON-FRI|*/15 * * * *|30 2 * * *|0 0 1 * *|5/20 1-3 * * *|@hourly|@daily|@weekly|@monthly|@yearly|@every 90m
@every 1h/15m|0 9,17 * * 1,3,5|0 0 29 2 *|0 12 * * SUN 2026|15 30 2 * * * *|0 0 L * *|* * * *|0 0 * * 7|0 0 * * 5-7|bad
0 0 * jan,MARCH tue|0 0 32 * *|0 24 * * *|*/0 * * * *|0 0 * * * # noon|0 1 * * * 1999|CRON_TZ=Asia/Tokyo 0 8 * * *
TZ=America/Chicago 30 2 * * *|0 3-1 * * *|@midnight|@never|@every|@every 0.5s|@every 10s/20s|1-10/3 0 * * *
0 2 * 3,11 SUN
""".replace("\n", "|")
    .strip("|")
    .split("|")
)

NOON, CHICAGO_NOON, CHICAGO_HOURLY = "0 12 * * *", "TZ=America/Chicago 0 12 * * *", "CRON_TZ=America/Chicago @every 1h"
ZONED = [
    {"cronString": [NOON, CHICAGO_NOON]},
    {"cronString": [CHICAGO_NOON, CHICAGO_NOON]},
    {"cronString": [CHICAGO_NOON, "TZ=Asia/Tokyo 0 1 * * *"]},
    {"cronString": [CHICAGO_NOON, "@every 1h"]},
    {"cronString": [CHICAGO_NOON, CHICAGO_HOURLY]},
    {"cronString": [CHICAGO_HOURLY, NOON]},
    {"cronString": [CHICAGO_HOURLY, "TZ=Asia/Tokyo @every 2h"]},
    {"cronString": [CHICAGO_HOURLY], "timezoneName": "Asia/Tokyo"},
    {"cronString": [CHICAGO_NOON], "timezoneName": "Asia/Tokyo"},
    {"cronString": [CHICAGO_NOON, NOON], "timezoneName": "America/Chicago"},
]
"""Cron strings with and without a time zone."""


def calendar(chance: random.Random) -> dict[str, str]:
    choices = {
        "second": ["0", "15", "*/20", "0,59"],
        "minute": ["0", "30", "*/10", "5-20/5", "59"],
        "hour": ["2", "*", "0-5", "1,2,3", "23", "*/6"],
        "dayOfMonth": ["*", "1", "29-31", "*/7", "8"],
        "month": ["*", "3", "jan-apr", "October,nov", "2", "*/5"],
        "year": ["*", "2026", "2024-2027/2", "2025"],
        "dayOfWeek": ["*", "sun", "1-5", "Saturday", "0,6", "7", "*/2"],
    }
    return {name: chance.choice(texts) for name, texts in choices.items() if chance.random() < 0.5}


def structured(chance: random.Random) -> dict[str, Any]:
    """It may leave fields out, and then names nothing; or be none."""
    everything = {
        "second": [{}],
        "minute": [{"start": 0, "end": 59, "step": chance.choice([0, 7, 30])}],
        "hour": [{"start": chance.choice([0, 2, 23]), "end": chance.choice([0, 23])}],
        "dayOfMonth": [{"start": 1, "end": 31}],
        "month": [{"start": 1, "end": 12, "step": chance.choice([1, 2])}],
        "dayOfWeek": [{"start": 0, "end": chance.choice([3, 6])}],
    }
    return everything if chance.random() < 0.8 else {"hour": [{"start": chance.choice([0, 24])}]}


def spec(chance: random.Random) -> dict[str, Any]:
    """A specification as JSON."""
    given: dict[str, Any] = {}
    for _ in range(chance.choice([1, 1, 2])):
        match chance.randint(0, 3):
            case 0:
                given.setdefault("cronString", []).append(chance.choice(CRONS))
            case 1 | 2:
                given.setdefault("calendar", []).append(calendar(chance))
            case _:
                every = chance.choice(["3600s", "90s", "86400s", "37s", "604800s", "1.5s", "0s"])
                given.setdefault("interval", []).append(
                    {"interval": every, "phase": chance.choice(["0s", "17s", "1800s"])}
                )
    if chance.random() < 0.3:
        given["structuredCalendar"] = [structured(chance)]
    if chance.random() < 0.3:
        given["excludeCalendar"] = [calendar(chance)]
    if chance.random() < 0.7:
        given["timezoneName"] = chance.choice(ZONES)
    if chance.random() < 0.15:
        given["startTime"] = chance.choice(["2026-01-02T00:00:00Z", "2026-03-08T06:30:00.5Z"])
    if chance.random() < 0.15:
        given["endTime"] = chance.choice(["2026-01-03T00:00:00Z", "2026-11-01T06:00:00Z"])
    return given


async def theirs(client: Client, number: int, given: dict[str, Any]) -> tuple[dict[str, Any], list[list[int]]] | None:
    """The canonical form and the times; None if it is refused."""
    service, schedule_id = client.workflow_service, f"s{number}"
    create = CreateScheduleRequest(namespace="default", schedule_id=schedule_id, request_id=schedule_id)
    create.schedule.CopyFrom(ParseDict({"spec": given, "state": {"paused": True}}, Schedule()))
    action = create.schedule.action.start_workflow
    action.workflow_id, action.workflow_type.name, action.task_queue.name = "w", "W", "q"
    try:
        await service.create_schedule(create)
    except RPCError:
        return None
    described = await service.describe_schedule(DescribeScheduleRequest(namespace="default", schedule_id=schedule_id))
    found = []
    for start, length in SPANS:
        request = ListScheduleMatchingTimesRequest(namespace="default", schedule_id=schedule_id)
        request.start_time.FromDatetime(start)
        request.end_time.FromDatetime(start + length)
        answer = await service.list_schedule_matching_times(request)
        found.append([each.seconds for each in answer.start_time][:TIMES_MAX])
    return MessageToDict(described.schedule.spec), found


def ours(given: dict[str, Any]) -> tuple[dict[str, Any], list[list[int]]] | None:
    try:
        compiled = compile_spec(ParseDict(given, ScheduleSpec()))
    except InvalidInput:
        return None
    found = []
    for start, length in SPANS:
        start_ns, end_ns = (int(each.timestamp()) * 10**9 for each in (start, start + length))
        times = compiled.between(start_ns, end_ns, "")
        found.append([each.nominal_ns // 10**9 for each, _ in zip(times, range(TIMES_MAX), strict=False)])
    return MessageToDict(compiled.canonical), found


def difference(real: Any, mine: Any) -> str:
    if real is None or mine is None or real[0] != mine[0]:
        return f"    real {real and real[0]}\n    ours {mine and mine[0]}"
    lines = []
    for (start, _), theirs_found, ours_found in zip(SPANS, real[1], mine[1], strict=True):
        only_real = [str(datetime.fromtimestamp(each, UTC)) for each in theirs_found if each not in ours_found]
        only_ours = [str(datetime.fromtimestamp(each, UTC)) for each in ours_found if each not in theirs_found]
        if only_real or only_ours:
            lines.append(f"    from {start}: only real {only_real[:5]}, only ours {only_ours[:5]}")
    return "\n".join(lines)


async def compare(target: str, seed: int) -> list[str]:
    client = await Client.connect(target)
    chance = random.Random(seed)
    different, refused, named = [], 0, 0
    specs = [{"cronString": [text]} for text in CRONS] + ZONED + [spec(chance) for _ in range(SPECS)]
    for number, given in enumerate(specs):
        real, mine = await theirs(client, number, given), ours(given)
        refused += mine is None
        named += 0 if mine is None else any(mine[1])
        if real != mine:
            different.append(f"{given}\n{difference(real, mine)}")
    print(f"{named} specifications name times, {refused} were refused")
    assert named > SPECS / 2
    assert refused > 10
    return different


def test_specifications_name_the_same_times(real_server: str) -> None:
    """Differential."""
    seed = int(os.environ.get("TSUZUKI_SEED") or time.time_ns() % 10**9)
    print(f"again: TSUZUKI_SEED={seed} pytest tests/differential/test_schedule_times.py")
    different = asyncio.run(compare(real_server, seed))
    assert not different, "\n".join([f"{len(different)} differ", *different[:10]])
