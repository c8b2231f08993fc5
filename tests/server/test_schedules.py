"""Schedules through the official SDK and the official command line, on our server."""

from __future__ import annotations

import asyncio
import json
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from temporalio import workflow
from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleBackfill,
    ScheduleCalendarSpec,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleRange,
    ScheduleSpec,
    ScheduleState,
    ScheduleUpdate,
    ScheduleUpdateInput,
)
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from server.test_visibility import _cli
from tsuzuki.server import Server


@workflow.defn
class Report:
    @workflow.run
    async def run(self, name: str) -> str:
        return f"report {name}"


def schedule(**changes: object) -> Schedule:
    parts: dict[str, object] = {
        "action": ScheduleActionStartWorkflow(Report.run, "daily", id="report", task_queue="q", memo={"m": 1}),
        "spec": ScheduleSpec(
            calendars=[ScheduleCalendarSpec(hour=[ScheduleRange(2, 4)], day_of_week=[ScheduleRange(1, 5)])],
            intervals=[ScheduleIntervalSpec(every=timedelta(days=10), offset=timedelta(hours=1))],
            cron_expressions=["0 12 * * MON"],
            time_zone_name="Asia/Tokyo",
            jitter=timedelta(seconds=30),
        ),
        "policy": SchedulePolicy(overlap=ScheduleOverlapPolicy.BUFFER_ONE, pause_on_failure=True),
        "state": ScheduleState(note="made", paused=True),
        **changes,
    }
    return Schedule(**parts)  # type: ignore[arg-type]


async def test_the_official_sdk_makes_describes_changes_and_deletes(client: Client) -> None:
    handle = await client.create_schedule("s", schedule(), memo={"who": "me"})
    with pytest.raises(ScheduleAlreadyRunningError):
        await client.create_schedule("s", schedule())
    described = await handle.describe()
    assert described.schedule.state.note == "made"
    assert described.schedule.policy.overlap == ScheduleOverlapPolicy.BUFFER_ONE
    hours = [tuple(each.hour) for each in described.schedule.spec.calendars]
    assert hours == [(ScheduleRange(2, 4, 1),), (ScheduleRange(12, 12, 1),)]
    assert len(described.info.next_action_times) == 10
    assert await described.memo() == {"who": "me"}

    def change(given: ScheduleUpdateInput) -> ScheduleUpdate:
        changed = given.description.schedule
        changed.state.note = "changed"
        changed.spec = ScheduleSpec(intervals=[ScheduleIntervalSpec(every=timedelta(hours=1))])
        return ScheduleUpdate(changed)

    await handle.update(change)
    described = await handle.describe()
    assert (described.schedule.state.note, described.schedule.spec.intervals[0].every) == (
        "changed",
        timedelta(hours=1),
    )
    await handle.unpause(note="go")
    assert not (await handle.describe()).schedule.state.paused
    await handle.pause(note="stop")
    assert (await handle.describe()).schedule.state.note == "stop"
    assert [each.id async for each in await client.list_schedules()] == ["s"]
    await handle.delete()
    with pytest.raises(RPCError) as refused:
        await handle.describe()
    assert refused.value.status == RPCStatusCode.NOT_FOUND


async def test_scheduled_workflows_run_on_an_official_worker(client: Client) -> None:
    handle = await client.create_schedule("s", schedule(), trigger_immediately=True)
    runner = UnsandboxedWorkflowRunner()
    async with Worker(client, task_queue="q", workflows=[Report], workflow_runner=runner):
        [action] = (await handle.describe()).info.recent_actions
        started = action.action
        result = client.get_workflow_handle(started.workflow_id, run_id=started.first_execution_run_id)  # type: ignore[union-attr]
        assert await result.result() == "report daily"
        start = datetime(2026, 1, 5, tzinfo=UTC)
        await handle.backfill(
            ScheduleBackfill(start, start + timedelta(days=1), overlap=ScheduleOverlapPolicy.ALLOW_ALL)
        )
        found = [run.id async for run in client.list_workflows("TemporalScheduledById = 's' AND StartTime IS NOT NULL")]
        assert len(found) > 3
        assert all(each.startswith("report-20") for each in found)


async def test_the_official_command_line_works_on_schedules(server: Server) -> None:
    schedule_id = f"s-{uuid.uuid4()}"
    named = ("--schedule-id", schedule_id)
    action = ("--workflow-id", "w", "--type", "W", "--task-queue", "q", "--input", '"x"')
    await _cli(server.target, "schedule", "create", *named, *action, "--cron", "0 12 * * *", "--interval", "1h/5m")
    described = json.loads(await _cli(server.target, "schedule", "describe", *named, "--output", "json"))
    assert described["schedule"]["spec"]["interval"][0]["interval"] == "3600s"
    await _cli(server.target, "schedule", "toggle", *named, "--pause", "--reason", "lunch")
    await _cli(server.target, "schedule", "trigger", *named)
    times = ("--start-time", "2026-01-01T00:00:00Z", "--end-time", "2026-01-01T02:00:00Z")
    await _cli(server.target, "schedule", "backfill", *named, *times, "--overlap-policy", "AllowAll")
    for _ in range(100):
        described = json.loads(await _cli(server.target, "schedule", "describe", *named, "--output", "json"))
        if described["info"]["actionCount"] == "3":
            break
        await asyncio.sleep(0.05)
    assert described["info"]["actionCount"] == "3"
    assert described["schedule"]["state"] == {"notes": "lunch", "paused": True}
    assert schedule_id in await _cli(server.target, "schedule", "list")
    await _cli(server.target, "schedule", "update", *named, *action, "--interval", "2h")
    described = json.loads(await _cli(server.target, "schedule", "describe", *named, "--output", "json"))
    assert described["schedule"]["spec"]["interval"][0]["interval"] == "7200s"
    await _cli(server.target, "schedule", "delete", *named)
    assert schedule_id not in await _cli(server.target, "schedule", "list")
