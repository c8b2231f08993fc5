"""Every cron schedule: taken or refused, and first due when the real server says."""

from __future__ import annotations

import asyncio

import pytest
import temporalio.client
from temporalio.service import RPCError

from tsuzuki.core import cron
from tsuzuki.core.refusal import InvalidInput
from tsuzuki.core.times import SECOND, time_ns

SCHEDULES = (
    *("* * * * *", "  *   * * * *  ", "* * ? * ?", "*/7 * * * *", "0-59/7,3 * * * *", "5/10 * * * *", "+1 * * * *"),
    *("30 4 * * *", "0 22-23 * * *", "15 10 1,15 * *", "0 0 13 * 5", "0 0 13 * */2", "0 0 */2 * MON", "*-5 * * * *"),
    *("0 12 * jan mon", "0 0 * * SUN-tue", "0 0 29 2 *", "0 0 31 * *", "0 0 1 1 0,6", ",,5 * * * *", "*/1 * 1 * 2"),
    *("@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually"),
    *("@every 1s", "@every 90s", "@every 1h30m", "@every 1.5h", "@every 0s", "@every -1s", "@every 500ms"),
    *("@every 2562047h", "@every +5m", "@every 1m1.9s", "@every .5h", "@every 100000us", "@every 0"),
    *("TZ=Asia/Tokyo 0 9 * * *", "CRON_TZ=Asia/Tokyo @daily", "CRON_TZ= 5 * * * *", "CRON_TZ=UTC   @hourly"),
    *(
        "CRON_TZ=America/New_York 30 2 * 3 0",
        "CRON_TZ=America/New_York 30 1 * 11 0",
        "CRON_TZ=Asia/Kathmandu 0 * * * *",
    ),
    *("CRON_TZ=Australia/Lord_Howe */30 1-3 * 4,10 0", "CRON_TZ=America/Sao_Paulo 0 0 * * *"),
    *("", "bad", "* * * *", "* * * * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * 32 * *", "* * * 13 *"),
    *(
        "* * * 0 *",
        "* * * * 7",
        "@every",
        "@every ",
        "@every x",
        "@every 1d",
        "@every 5",
        "@often",
        "@Every 1s",
        "@DAILY",
    ),
    *(
        " @daily",
        "5-3 * * * *",
        "*/0 * * * *",
        "a * * * *",
        "1,2,x * * * *",
        "1--2 * * * *",
        "1/2/3 * * * *",
        "-1 * * * *",
    ),
    *("CRON_TZ=Mars * * * * *", "CRON_TZ=Mars/X * * * * *", "L * * * *", "* * * * 1#2", "1.5 * * * *", "* * 31 2 *"),
    *(", * * * *", "mon * * * *", "* * * * 1/", "* * * * /2", "0 0 30 2 *", "@every 1s 1s", "@every 1h-1m"),
)


def test_schedules(real_server: str) -> None:
    differing = asyncio.run(_differing(real_server))
    assert not differing, "\n".join(differing)


async def _differing(target: str) -> list[str]:
    client = await temporalio.client.Client.connect(target)
    found = await asyncio.gather(*(_compare(client, schedule) for schedule in SCHEDULES))
    return [difference for difference in found if difference]


async def _compare(client: temporalio.client.Client, schedule: str) -> str:
    try:
        handle = await client.start_workflow(
            "Nothing", id=f"cron {schedule}", task_queue="nobody polls", cron_schedule=schedule
        )
    except RPCError as error:
        theirs: str | int = error.status.name
        ours = [_ours(schedule, 0)]
    else:
        started = (await handle.fetch_history()).events[0]
        theirs = started.workflow_execution_started_event_attributes.first_workflow_task_backoff.ToNanoseconds()
        now_ns = time_ns(started.event_time)
        ours = [_ours(schedule, now_ns), _ours(schedule, now_ns - SECOND)]  # it looks at the clock a little earlier
    return "" if theirs in ours else f"{schedule!r}: theirs {theirs}, ours {ours}"


def _ours(schedule: str, now_ns: int) -> str | int:
    try:
        cron.check(schedule, now_ns)
    except InvalidInput:
        return "INVALID_ARGUMENT"
    return cron.backoff_ns(schedule, now_ns, now_ns) or 0


@pytest.mark.parametrize("schedule", ["TZ=UTC", "CRON_TZ=UTC"])
def test_a_zone_alone_is_refused(schedule: str) -> None:
    """The real server panics on it and answers INTERNAL."""
    assert _ours(schedule, 0) == "INVALID_ARGUMENT"
