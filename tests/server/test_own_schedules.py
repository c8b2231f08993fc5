"""Schedules through our client, on an engine in its process and on a server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio

from server._running import in_process
from tsuzuki import workflow
from tsuzuki.client import (
    Client,
    InvalidArgumentError,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleBackfill,
    ScheduleCalendarSpec,
    ScheduleIntervalSpec,
    ScheduleNotFoundError,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleRange,
    ScheduleSpec,
    ScheduleState,
    ScheduleUpdate,
    ScheduleUpdateInput,
    WorkflowExecutionStatus,
)
from tsuzuki.worker import Worker


@workflow.defn
class Report:
    @workflow.run
    async def run(self, name: str) -> str:
        return f"report {name}"


@pytest_asyncio.fixture(params=["embedded", "server"])
async def client(request: pytest.FixtureRequest) -> AsyncIterator[Client]:
    async with AsyncExitStack() as opened:
        target = "sqlite://"
        if request.param == "server":
            target = (await opened.enter_async_context(in_process())).target
        yield await opened.enter_async_context(await Client.connect(target))


def paused() -> Schedule:
    return Schedule(
        ScheduleActionStartWorkflow(Report.run, "daily", id="report", task_queue="q", memo={"m": 1}),
        ScheduleSpec(
            calendars=[ScheduleCalendarSpec(hour=(ScheduleRange(2, 4),), comment="early")],
            intervals=[ScheduleIntervalSpec(timedelta(days=10), timedelta(hours=1))],
            skip=[ScheduleCalendarSpec(day_of_week=(ScheduleRange(0),))],
            start_at=datetime(2026, 1, 1, tzinfo=UTC),
            end_at=datetime(2100, 1, 1, tzinfo=UTC),
            jitter=timedelta(seconds=3),
            time_zone_name="Asia/Tokyo",
        ),
        SchedulePolicy(ScheduleOverlapPolicy.BUFFER_ALL, timedelta(hours=1), pause_on_failure=True),
        ScheduleState("made", paused=True, limited_actions=True, remaining_actions=7),
    )


async def test_what_was_given_is_described(client: Client) -> None:
    given = paused()
    handle = await client.create_schedule("s", given, memo={"who": "me"})
    described = await handle.describe()
    assert described.schedule.spec == given.spec
    assert described.schedule.policy == given.policy
    assert described.schedule.state == given.state
    action = described.schedule.action
    assert (action.workflow, action.id, action.task_queue, action.args) == ("Report", "report", "q", ["daily"])
    assert await described.memo() == {"who": "me"}
    assert len(described.info.next_action_times) == 7
    assert described.info.created_at is not None
    with pytest.raises(ScheduleAlreadyRunningError):
        await client.create_schedule("s", given)


async def test_a_schedule_is_changed_paused_listed_and_deleted(client: Client) -> None:
    handle = await client.create_schedule("s", paused())

    async def change(given: ScheduleUpdateInput) -> ScheduleUpdate:
        schedule = given.description.schedule
        schedule.spec = ScheduleSpec(cron_expressions=["0 12 * * *"])
        return ScheduleUpdate(schedule)

    await handle.update(change)
    await handle.unpause(note="go")
    [listed] = [each async for each in await client.list_schedules()]
    assert (listed.id, listed.workflow, listed.state.note, listed.state.paused) == ("s", "Report", "go", False)
    assert [each.hour for each in listed.spec.calendars] == [(ScheduleRange(12),)]
    assert len(listed.next_action_times) == 5
    await handle.pause()
    assert (await handle.describe()).schedule.state.paused
    await handle.update(lambda given: None)
    await client.get_schedule_handle("s").delete()
    with pytest.raises(ScheduleNotFoundError):
        await handle.describe()


async def test_its_workflows_run(client: Client) -> None:
    start = datetime(2026, 1, 5, tzinfo=UTC)
    backfill = ScheduleBackfill(start, start + timedelta(days=1), ScheduleOverlapPolicy.ALLOW_ALL)
    handle = await client.create_schedule("s", paused(), trigger_immediately=True, backfill=[backfill])
    async with Worker(client, task_queue="q", workflows=[Report]):
        recent = (await handle.describe()).info.recent_actions
        assert len(recent) > 3
        for each in recent:
            assert await client.get_workflow_handle(each.action.workflow_id).result() == "report daily"
        assert {each.status for each in (await handle.describe()).info.recent_actions} == {
            WorkflowExecutionStatus.COMPLETED
        }
        found = [run async for run in client.list_workflows("TemporalScheduledById = 's'")]
        assert {run.id for run in found} == {each.action.workflow_id for each in recent}
        assert await found[0].memo() == {"m": 1}


async def test_what_makes_no_schedule_is_refused(client: Client) -> None:
    schedule = paused()
    schedule.spec = ScheduleSpec(cron_expressions=["often"])
    with pytest.raises(InvalidArgumentError, match="does not have 5-7 fields"):
        await client.create_schedule("s", schedule)
    schedule = paused()
    schedule.state.limited_actions = False
    with pytest.raises(InvalidArgumentError, match="limited_actions=True"):
        await client.create_schedule("s", schedule)
    with pytest.raises(InvalidArgumentError, match="no time zone"):
        ScheduleBackfill(datetime(2026, 1, 1), datetime(2026, 1, 2))._to_proto()
