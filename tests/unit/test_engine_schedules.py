"""Schedules in virtual time: what they start when, by which overlap policy, across restarts and failed commits."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from engine_requests import HOUR, MINUTE, SECOND, Refused
from engine_site import Site
from google.protobuf.json_format import ParseDict
from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.command.v1 import Command
from temporalio.api.common.v1 import Payloads, SearchAttributes
from temporalio.api.enums.v1 import CommandType, IndexedValueType, ScheduleOverlapPolicy
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, DeleteNamespaceRequest
from temporalio.api.schedule.v1 import BackfillRequest, Schedule, SchedulePatch, TriggerImmediatelyRequest
from temporalio.api.workflowservice.v1 import (
    CountSchedulesRequest,
    CreateScheduleRequest,
    DeleteScheduleRequest,
    DescribeScheduleRequest,
    DescribeScheduleResponse,
    ListScheduleMatchingTimesRequest,
    ListSchedulesRequest,
    ListWorkflowExecutionsRequest,
    PatchScheduleRequest,
    RegisterNamespaceRequest,
    UpdateScheduleRequest,
)

from tsuzuki.core.schedule import BufferedStart, decide
from tsuzuki.core.schedule.buffer import ALLOW_ALL, BUFFER_ALL, BUFFER_ONE, CANCEL_OTHER, SKIP, TERMINATE_OTHER
from tsuzuki.engine import _scheduler
from tsuzuki.service import StatusCode
from tsuzuki.store import SqliteStore
from tsuzuki.testing import Fault, FaultyStore, LocalServer, Moment, Point
from tsuzuki.testing._local_server import NAMESPACE, complete_workflow, fail_workflow

EVERY_MINUTE = {"interval": [{"interval": "60s"}]}


def _schedule(spec: dict[str, Any] | None = None, **parts: Any) -> Schedule:
    schedule: Schedule = ParseDict({"spec": EVERY_MINUTE if spec is None else spec, **parts}, Schedule())
    action = schedule.action.start_workflow
    action.workflow_id, action.workflow_type.name, action.task_queue.name = "w", "Workflow", "queue"
    return schedule


def _create(server: LocalServer, schedule: Schedule | None = None, schedule_id: str = "s", **fields: Any) -> bytes:
    request = CreateScheduleRequest(
        namespace=NAMESPACE, schedule_id=schedule_id, schedule=schedule or _schedule(), request_id="r", **fields
    )
    return server.call(server.service.create_schedule(request)).conflict_token


def _describe(server: LocalServer, schedule_id: str = "s") -> DescribeScheduleResponse:
    request = DescribeScheduleRequest(namespace=NAMESPACE, schedule_id=schedule_id)
    return server.call(server.service.describe_schedule(request))


def _patch(server: LocalServer, **patch: Any) -> None:
    request = PatchScheduleRequest(namespace=NAMESPACE, schedule_id="s", patch=SchedulePatch(**patch))
    server.call(server.service.patch_schedule(request))


def _runs(server: LocalServer, query: str = "") -> list[str]:
    """The workflow ids without their common beginning, in the order of their starts."""
    request = ListWorkflowExecutionsRequest(namespace=NAMESPACE, query=query)
    page = server.call(server.service.list_workflow_executions(request))
    infos = sorted(page.executions, key=lambda info: (info.start_time.ToNanoseconds(), info.execution.workflow_id))
    return [info.execution.workflow_id for info in infos]


def _at(server: LocalServer, *minutes: int) -> list[str]:
    """The workflow ids of the whole minutes after the clock's start."""
    first = datetime.fromtimestamp(1_750_000_000 // 60 * 60, UTC)
    return [f"w-{(first + timedelta(minutes=each)).strftime('%Y-%m-%dT%H:%M:%SZ')}" for each in minutes]


def _policy(policy: int, **parts: Any) -> Schedule:
    return _schedule(policies={"overlapPolicy": policy}, **parts)


# ---- starting ----------------------------------------------------------------------------------------


def test_a_workflow_is_started_at_each_time(server: LocalServer) -> None:
    _create(server, _policy(ALLOW_ALL))
    server.advance(3 * MINUTE)
    assert _runs(server) == _at(server, 1, 2, 3)
    [started, *_] = server.history(_at(server, 1)[0])
    attributes = started.workflow_execution_started_event_attributes
    assert attributes.identity == "temporal-scheduler-default-s"
    shown = {name: payload.data for name, payload in attributes.search_attributes.indexed_fields.items()}
    nominal = _at(server, 1)[0].removeprefix("w-")
    assert shown == {"TemporalScheduledById": b'"s"', "TemporalScheduledStartTime": f'"{nominal}"'.encode()}
    assert _runs(server, f"TemporalScheduledById = 's' AND TemporalScheduledStartTime = '{nominal}'") == _at(server, 1)
    info = _describe(server).info
    assert (info.action_count, len(info.running_workflows), len(info.recent_actions)) == (3, 3, 3)
    assert [each.seconds % 60 for each in info.future_action_times] == [0] * 10


def test_a_look_at_an_earlier_run_is_not_taken_for_the_end_of_the_workflow(server: LocalServer) -> None:
    _create(server)
    server.advance(MINUTE)
    [workflow_id] = _at(server, 1)
    earlier = server.describe(workflow_id).workflow_execution_info.execution.run_id
    onwards = Command(command_type=CommandType.COMMAND_TYPE_CONTINUE_AS_NEW_WORKFLOW_EXECUTION)
    onwards.continue_as_new_workflow_execution_command_attributes.SetInParent()
    server.complete_workflow_task(onwards)
    assert server.notation(workflow_id, earlier) == "Started | WFT | ContinuedAsNew"
    server.advance(MINUTE)
    assert len(_describe(server).info.running_workflows) == 1
    server.complete_workflow_task(complete_workflow())
    server.advance(MINUTE)
    assert _runs(server) == [*_at(server, 1), *_at(server, 1), *_at(server, 3)]


def test_a_schedule_stands_in_line_once_however_often_it_is_looked_at(server: LocalServer) -> None:
    _create(server, _schedule({"interval": [{"interval": "864000s"}]}))
    for _ in range(20):
        _patch(server, trigger_immediately=TriggerImmediatelyRequest())
        server.advance(SECOND)
    assert len(server.service._scheduler._due) <= 2


def test_no_more_starts_wait_than_may_wait(server: LocalServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_scheduler, "BUFFER_MAX", 3)
    _create(server, _policy(BUFFER_ALL))
    server.advance(6 * MINUTE)
    info = _describe(server).info
    assert (info.buffer_size, info.buffer_dropped, len(info.running_workflows)) == (3, 2, 1)


def test_a_schedule_that_acts_and_is_deleted_in_one_commit_is_gone(site: Site) -> None:
    _create(site.server, _policy(ALLOW_ALL))
    service = site.server.service
    patch = SchedulePatch(trigger_immediately=TriggerImmediatelyRequest())

    async def both() -> None:
        await asyncio.gather(
            service.patch_schedule(PatchScheduleRequest(namespace=NAMESPACE, schedule_id="s", patch=patch)),
            service.delete_schedule(DeleteScheduleRequest(namespace=NAMESPACE, schedule_id="s")),
        )

    site.server.call(both())
    server = site.restart()
    assert not server.call(server.service.list_schedules(ListSchedulesRequest(namespace=NAMESPACE))).schedules


def test_what_was_due_before_an_update_is_the_old_schedules(server: LocalServer) -> None:
    """It may be late: the machine slept, or nobody had rung yet."""
    _create(server)
    server.clock.step(MINUTE)
    request = UpdateScheduleRequest(namespace=NAMESPACE, schedule_id="s", schedule=_schedule({}))
    server.call(server.service.update_schedule(request))
    assert _runs(server) == _at(server, 1)


def test_what_was_due_before_a_pause_is_done(server: LocalServer) -> None:
    _create(server)
    server.clock.step(MINUTE)
    _patch(server, pause="enough")
    server.advance(5 * MINUTE)
    assert _runs(server) == _at(server, 1)


def test_one_that_breaks_keeps_no_other_from_acting(server: LocalServer, monkeypatch: pytest.MonkeyPatch) -> None:
    act = _scheduler.Scheduler.act
    broken = True

    def sometimes(scheduler: _scheduler.Scheduler, schedule: Any) -> None:
        if broken and schedule.asked.schedule_id == "a":
            raise AssertionError("broken")
        act(scheduler, schedule)

    _create(server, schedule_id="a")
    _create(server, _policy(ALLOW_ALL), schedule_id="b")
    monkeypatch.setattr(_scheduler.Scheduler, "act", sometimes)
    server.advance(MINUTE)
    assert _describe(server, "b").info.action_count == 1
    broken = False
    server.advance(3 * MINUTE)
    assert _describe(server, "a").info.recent_actions, "it is tried again"


FAR: tuple[int, ...] = (253_402_300_800, 253_402_300_799, 2**63 - 1, -(2**63), -1, -62_135_596_801)
"""Seconds that no calendar has, at either end and around it."""


@pytest.mark.parametrize("seconds", FAR)
@pytest.mark.parametrize(
    "spec", [EVERY_MINUTE, {"cronString": ["CRON_TZ=Asia/Tokyo * * * * *"]}], ids=["every", "cron"]
)
def test_times_that_no_calendar_has_are_no_times(server: LocalServer, seconds: int, spec: dict[str, Any]) -> None:
    far = Timestamp(seconds=seconds)
    for name in ("start_time", "end_time"):
        bounded = _schedule(spec)
        getattr(bounded.spec, name).CopyFrom(far)
        _create(server, bounded, f"{name} {seconds}")
        assert len(_describe(server, f"{name} {seconds}").info.future_action_times) in (0, 10)
    _create(server, _schedule(spec))
    _patch(server, backfill_request=[BackfillRequest(start_time=far, end_time=far)])
    for first, last in ((far, far), (far, Timestamp(seconds=2**63 - 1)), (Timestamp(), far)):
        request = ListScheduleMatchingTimesRequest(
            namespace=NAMESPACE, schedule_id="s", start_time=first, end_time=last
        )
        server.call(server.service.list_schedule_matching_times(request))
    with Refused(StatusCode.INVALID_ARGUMENT, "expected a time from 1970"):
        _patch(server, trigger_immediately=TriggerImmediatelyRequest(scheduled_time=far))
    server.advance(MINUTE)


def test_skip_drops_what_comes_while_one_runs(server: LocalServer) -> None:
    _create(server)
    server.advance(3 * MINUTE)
    assert _runs(server) == _at(server, 1)
    server.complete_workflow_task(complete_workflow())
    server.advance(MINUTE)
    assert _runs(server) == _at(server, 1, 4)
    assert _describe(server).info.overlap_skipped == 2
    assert [each.start_workflow_status for each in _describe(server).info.recent_actions] == [2, 1]


def test_buffers_start_when_the_one_before_ends_in_the_same_commit(server: LocalServer) -> None:
    _create(server, _policy(BUFFER_ONE))
    server.advance(4 * MINUTE)
    server.complete_workflow_task(complete_workflow())
    assert _runs(server) == _at(server, 1, 2)
    assert _describe(server).info.overlap_skipped == 2
    server.complete_workflow_task(complete_workflow())
    assert _runs(server) == _at(server, 1, 2)


def test_all_are_buffered(server: LocalServer) -> None:
    _create(server, _policy(BUFFER_ALL))
    server.advance(4 * MINUTE)
    assert _describe(server).info.buffer_size == 3
    for count in range(2, 5):
        server.complete_workflow_task(complete_workflow())
        assert _runs(server) == _at(server, *range(1, count + 1))


def test_cancel_other_asks_and_waits(server: LocalServer) -> None:
    _create(server, _policy(CANCEL_OTHER))
    server.advance(3 * MINUTE)
    first = _at(server, 1)[0]
    assert _runs(server) == [first]
    assert server.notation(first) == "Started | WorkflowTaskScheduled | CancelRequested"
    server.complete_workflow_task(complete_workflow())
    assert _runs(server) == _at(server, 1, 3)


def test_terminate_other_ends_at_once(server: LocalServer) -> None:
    _create(server, _policy(TERMINATE_OTHER))
    server.advance(3 * MINUTE)
    assert _runs(server) == _at(server, 1, 2, 3)
    assert _runs(server, "ExecutionStatus = 'Terminated'") == _at(server, 1, 2)
    assert [running.workflow_id for running in _describe(server).info.running_workflows] == _at(server, 3)


def test_the_last_result_and_the_failure_since_are_handed_on(server: LocalServer) -> None:
    _create(server)
    server.advance(MINUTE)
    result = Payloads()
    result.payloads.add().data = b"7"
    command = complete_workflow()
    command.complete_workflow_execution_command_attributes.result.CopyFrom(result)
    server.complete_workflow_task(command)
    server.advance(MINUTE)
    server.complete_workflow_task(fail_workflow("boom"))
    server.advance(MINUTE)
    attributes = server.history(_at(server, 3)[0])[0].workflow_execution_started_event_attributes
    assert attributes.last_completion_result == result
    assert attributes.continued_failure.message == "boom"


def test_a_workflow_that_is_retried_still_runs(server: LocalServer) -> None:
    schedule = _schedule(policies={"pauseOnFailure": True})
    schedule.action.start_workflow.retry_policy.maximum_attempts = 2
    _create(server, schedule)
    server.advance(MINUTE)
    server.complete_workflow_task(fail_workflow())
    server.advance(2 * MINUTE)
    assert set(_runs(server)) == set(_at(server, 1))
    assert not _describe(server).schedule.state.paused
    server.complete_workflow_task(fail_workflow("again"))
    state = _describe(server).schedule.state
    assert (state.paused, state.notes) == (True, f"paused due to workflow failure: {_at(server, 1)[0]}: again")
    server.advance(HOUR)
    assert set(_runs(server)) == set(_at(server, 1))


# ---- bounds ------------------------------------------------------------------------------------------


def test_a_number_of_actions_is_kept(server: LocalServer) -> None:
    _create(server, _policy(ALLOW_ALL, state={"limitedActions": True, "remainingActions": "2"}))
    server.advance(5 * MINUTE)
    assert _runs(server) == _at(server, 1, 2)
    assert _describe(server).schedule.state.remaining_actions == 0
    _patch(server, trigger_immediately=TriggerImmediatelyRequest())
    assert len(_runs(server)) == 3  # a person is not bound by it


def test_a_pause_holds_back_times_but_not_people(server: LocalServer) -> None:
    _create(server, _policy(ALLOW_ALL))
    _patch(server, pause="lunch")
    server.advance(3 * MINUTE)
    assert _runs(server) == []
    state = _describe(server).schedule.state
    assert (state.paused, state.notes) == (True, "lunch")
    _patch(server, trigger_immediately=TriggerImmediatelyRequest())
    assert len(_runs(server)) == 1
    _patch(server, unpause="back")
    server.advance(MINUTE)
    assert len(_runs(server)) == 2  # what passed meanwhile is not caught up with
    assert _describe(server).info.missed_catchup_window == 0


def test_times_have_a_beginning_an_end_exclusions_and_a_zone(server: LocalServer) -> None:
    spec = {
        "calendar": [{"hour": "9,10", "dayOfWeek": "mon-fri"}],
        "excludeCalendar": [{"hour": "10", "dayOfWeek": "wed"}],
        "timezoneName": "Asia/Tokyo",
        "endTime": "2025-06-19T00:30:00Z",
    }
    _create(server, _schedule(spec, policies={"overlapPolicy": ALLOW_ALL}))
    server.advance(timedelta(days=10))
    days = [run.removeprefix("w-2025-06-") for run in _runs(server)]
    assert days == ["16T00:00:00Z", "16T01:00:00Z", "17T00:00:00Z", "17T01:00:00Z", "18T00:00:00Z", "19T00:00:00Z"]


def test_jitter_is_the_same_again_and_within_its_bound(server: LocalServer) -> None:
    _create(server, _schedule({**EVERY_MINUTE, "jitter": "30s"}, policies={"overlapPolicy": ALLOW_ALL}))
    shown = [each.ToNanoseconds() for each in _describe(server).info.future_action_times]
    late = [ns % (60 * 10**9) / 10**9 for ns in shown]
    assert all(0 <= each <= 30 for each in late)
    assert len(set(late)) > 5
    server.advance(10 * MINUTE)
    done = [each.actual_time.ToNanoseconds() for each in _describe(server).info.recent_actions]
    assert done[:9] == shown[:9]
    assert _runs(server)[:9] == _at(server, *range(1, 10))  # ids are of the nominal times


def test_matching_times(server: LocalServer) -> None:
    _create(server)
    request = ListScheduleMatchingTimesRequest(
        namespace=NAMESPACE, schedule_id="s", start_time=Timestamp(seconds=0), end_time=Timestamp(seconds=180)
    )
    found = server.call(server.service.list_schedule_matching_times(request)).start_time
    assert [each.seconds for each in found] == [60, 120, 180]
    request.end_time.seconds = 10**9
    assert len(server.call(server.service.list_schedule_matching_times(request)).start_time) == 1000


# ---- people ------------------------------------------------------------------------------------------


def test_a_backfill_takes_all_times_of_a_range(server: LocalServer) -> None:
    _create(server, _schedule(state={"paused": True}))
    backfill = BackfillRequest(overlap_policy=ScheduleOverlapPolicy.SCHEDULE_OVERLAP_POLICY_ALLOW_ALL)
    backfill.start_time.FromJsonString("2024-01-01T00:00:00Z")
    backfill.end_time.FromJsonString("2024-01-01T00:03:00Z")
    _patch(server, backfill_request=[backfill])
    assert sorted(_runs(server)) == [f"w-2024-01-01T00:0{minute}:00Z" for minute in range(4)]


def test_a_long_backfill_waits_for_room_and_is_taken_whole(site: Site) -> None:
    server = site.server
    _create(server, _schedule({"interval": [{"interval": "3600s"}]}, state={"paused": True}))
    backfill = BackfillRequest(overlap_policy=ScheduleOverlapPolicy.SCHEDULE_OVERLAP_POLICY_BUFFER_ALL)
    backfill.start_time.FromJsonString("2024-01-01T00:00:00Z")
    backfill.end_time.FromJsonString("2024-02-01T00:00:00Z")
    _patch(server, backfill_request=[backfill])
    assert _describe(server).info.buffer_size <= 500
    server = site.restart()
    for _ in range(745):
        server.complete_workflow_task(complete_workflow())
    server.advance(SECOND)
    info = _describe(server).info
    assert (info.action_count, info.buffer_size, info.buffer_dropped, info.overlap_skipped) == (745, 0, 0, 0)


def test_an_update_needs_the_token_of_what_it_changes(server: LocalServer) -> None:
    token = _create(server)
    request = UpdateScheduleRequest(namespace=NAMESPACE, schedule_id="s", conflict_token=token)
    request.schedule.CopyFrom(_schedule({"interval": [{"interval": "3600s"}]}))
    server.call(server.service.update_schedule(request))
    with Refused(StatusCode.FAILED_PRECONDITION, "mismatched conflict token"):
        server.call(server.service.update_schedule(request))
    server.advance(MINUTE)
    assert _runs(server) == []
    described = _describe(server)
    assert described.conflict_token != token
    assert described.info.HasField("update_time")
    server.advance(HOUR)
    assert len(_runs(server)) == 1


def test_a_deleted_schedule_starts_nothing_more_and_its_workflows_go_on(site: Site) -> None:
    server = site.server
    _create(server, _policy(BUFFER_ALL))
    server.advance(2 * MINUTE)
    server.call(server.service.delete_schedule(DeleteScheduleRequest(namespace=NAMESPACE, schedule_id="s")))
    with Refused(StatusCode.NOT_FOUND, "no schedule 's'"):
        _describe(server)
    server.complete_workflow_task(complete_workflow())
    server = site.restart()
    server.advance(HOUR)
    assert _runs(server) == _at(server, 1)
    _create(server)  # and its id is free


def test_the_same_request_makes_one_schedule(server: LocalServer) -> None:
    assert _create(server) == _create(server)
    with Refused(StatusCode.ALREADY_EXISTS, "exists already"):
        request = CreateScheduleRequest(namespace=NAMESPACE, schedule_id="s", schedule=_schedule(), request_id="other")
        server.call(server.service.create_schedule(request))


def test_schedules_are_listed_in_pages(server: LocalServer) -> None:
    for number in range(5):
        _create(server, schedule_id=f"s{number}", schedule=_schedule(state={"paused": True, "notes": "n"}))
        server.advance(SECOND)
    for size in (1, 2, 5, 0):
        ids: list[str] = []
        request = ListSchedulesRequest(namespace=NAMESPACE, maximum_page_size=size)
        while True:
            page = server.call(server.service.list_schedules(request))
            ids += [entry.schedule_id for entry in page.schedules]
            assert all((entry.info.paused, entry.info.notes) == (True, "n") for entry in page.schedules)
            request.next_page_token = page.next_page_token
            if not page.next_page_token:
                break
        assert ids == ["s4", "s3", "s2", "s1", "s0"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"spec": {"cronString": ["bad"]}}, "CronString does not have 5-7 fields"),
        ({"spec": {"interval": [{"interval": "0.5s"}]}}, "interval is too small"),
        ({"spec": {"timezoneName": "Nope"}}, "unknown time zone Nope"),
        ({"spec": {"calendar": [{"hour": "25"}]}}, r"Hour is not in range \[0-23\]: '25'"),
        ({"action": {}}, "Only StartWorkflow action is supported"),
        ({"action": {"startWorkflow": {"workflowId": "", "workflowType": {"name": "W"}}}}, "workflow id is empty"),
        ({"action": {"startWorkflow": {"workflowId": "w", "taskQueue": {"name": "q"}}}}, "workflow type is empty"),
    ],
)
def test_what_cannot_be_scheduled_is_refused(server: LocalServer, change: dict[str, Any], words: str) -> None:
    schedule = _schedule()
    for name, value in change.items():
        getattr(schedule, name).Clear()
        ParseDict(value, getattr(schedule, name))
    with Refused(StatusCode.INVALID_ARGUMENT, words):
        _create(server, schedule)


# ---- crashes -----------------------------------------------------------------------------------------


def test_a_restart_neither_repeats_nor_forgets_a_time(site: Site) -> None:
    """Invariant 40."""
    _create(site.server, _policy(ALLOW_ALL))
    server = site.server
    for _ in range(6):
        server.advance(timedelta(seconds=50))
        server = site.restart(after=timedelta(seconds=50))
    server.advance(timedelta(seconds=1))
    passed = int((server.clock.now_ns() - 1_750_000_000 // 60 * 60 * 10**9) / 60e9)
    assert _runs(server) == _at(server, *range(1, passed + 1))
    assert _describe(server).info.missed_catchup_window == 0


def test_what_is_older_than_the_catch_up_window_is_missed(site: Site) -> None:
    _create(site.server, _schedule(policies={"overlapPolicy": ALLOW_ALL, "catchupWindow": "150s"}))
    server = site.restart(after=10 * MINUTE)
    server.advance(SECOND)
    assert len(_runs(server)) in (2, 3)
    info = _describe(server).info
    assert info.missed_catchup_window + info.action_count == 10


def test_what_ended_and_what_it_let_start_survive_together(site: Site) -> None:
    _create(site.server, _policy(BUFFER_ALL))
    site.server.advance(3 * MINUTE)
    site.server.complete_workflow_task(complete_workflow())
    server = site.restart()
    assert _runs(server) == _at(server, 1, 2)
    server.complete_workflow_task(complete_workflow())
    assert _runs(server) == _at(server, 1, 2, 3)


@pytest.mark.parametrize("point", [Point.BEFORE_COMMIT, Point.AFTER_COMMIT])
@pytest.mark.parametrize("ahead", range(1, 6))
def test_a_failed_commit_neither_repeats_nor_forgets_a_time(point: Point, ahead: int) -> None:
    """Invariants 4 and 40."""
    store = FaultyStore(SqliteStore.open(None))
    with LocalServer(store) as server:
        _create(server, _policy(ALLOW_ALL))
        store.faults[Moment(point, store.passed[point] + ahead)] = Fault.FAILED
        for _ in range(48):
            server.advance(timedelta(seconds=10))
        assert not store.faults, "nothing was broken"
        assert _runs(server) == _at(server, *range(1, 9))


# ---- the policies, alone -----------------------------------------------------------------------------


def _starts(*policies: int) -> list[BufferedStart]:
    return [BufferedStart(number, number, policy, manual=False) for number, policy in enumerate(policies)]


@pytest.mark.parametrize(
    ("policies", "running", "overlapping", "start", "waiting", "skipped"),
    [
        ([SKIP, SKIP], False, [], 0, [], 1),
        ([SKIP, SKIP], True, [], None, [], 2),
        ([BUFFER_ONE] * 4, False, [], 0, [1], 2),
        ([BUFFER_ONE] * 4, True, [], None, [0], 3),
        ([BUFFER_ALL] * 3, True, [], None, [0, 1, 2], 0),
        ([CANCEL_OTHER] * 3, True, [], None, [2], 2),
        ([CANCEL_OTHER] * 3, False, [], 2, [], 2),
        ([TERMINATE_OTHER] * 3, True, [], 2, [], 2),
        ([ALLOW_ALL, SKIP, ALLOW_ALL], True, [0, 2], None, [], 1),
        ([BUFFER_ALL, SKIP, BUFFER_ONE, BUFFER_ONE], False, [], 0, [2], 2),
    ],
)
def test_what_becomes_of_starts_that_wait(
    policies: list[int], running: bool, overlapping: list[int], start: int | None, waiting: list[int], skipped: int
) -> None:
    decision = decide(_starts(*policies), running=running)
    assert [each.nominal_ns for each in decision.overlapping] == overlapping
    assert (None if decision.start is None else decision.start.nominal_ns) == start
    assert [each.nominal_ns for each in decision.waiting] == waiting
    assert decision.skipped == skipped
    assert (decision.cancel, decision.terminate) == (
        CANCEL_OTHER in policies and running,
        TERMINATE_OTHER in policies and running,
    )


def test_schedules_go_with_their_namespace(site: Site) -> None:
    server = site.server

    def team(request_type: Any, **fields: Any) -> Any:
        return request_type(namespace="team", **fields)

    register = RegisterNamespaceRequest(namespace="team")
    register.workflow_execution_retention_period.seconds = 86_400
    server.call(server.service.register_namespace(register))
    create = team(CreateScheduleRequest, schedule_id="s", schedule=_schedule())
    server.call(server.service.create_schedule(create))
    server.advance(MINUTE)
    server.call(server.service.delete_namespace(DeleteNamespaceRequest(namespace="team")))
    for _ in range(5):
        server.advance(MINUTE)
    server.call(server.service.register_namespace(register))
    for _ in range(2):
        server.advance(5 * MINUTE)
        with Refused(StatusCode.NOT_FOUND, "no schedule 's' in namespace 'team'"):
            server.call(server.service.describe_schedule(team(DescribeScheduleRequest, schedule_id="s")))
        listed = server.call(server.service.list_workflow_executions(team(ListWorkflowExecutionsRequest)))
        assert not listed.executions
        server = site.restart()


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("ScheduleId = 's1'", ["s1"]),
        ("ScheduleId STARTS_WITH 's' AND TemporalSchedulePaused = true", ["s0"]),
        ("TemporalSchedulePaused = false", ["s2", "s1"]),
        ("Color = 'red'", ["s1"]),
        ("NOT Color = 'red'", ["s2"]),
        ("Color != 'red' OR ScheduleId = 's0'", ["s2", "s0"]),
        ("Color IS NULL", ["s0"]),
        ("Color IN ('red', 'blue') AND NOT (ScheduleId BETWEEN 's2' AND 's9')", ["s1"]),
        ("WorkflowId = 's1'", []),
    ],
)
def test_schedules_are_found_by_a_filter(server: LocalServer, query: str, found: list[str]) -> None:
    register = AddSearchAttributesRequest(namespace=NAMESPACE)
    register.search_attributes["Color"] = IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD
    server.call(server.service.add_search_attributes(register))
    for number, color in enumerate(["", "red", "blue"]):
        attributes = SearchAttributes()
        if color:
            attributes.indexed_fields["Color"].data = f'"{color}"'.encode()
        state = {"paused": not color}
        _create(server, _schedule(state=state), schedule_id=f"s{number}", search_attributes=attributes)
        server.advance(SECOND)
    request = ListSchedulesRequest(namespace=NAMESPACE, query=query)
    page = server.call(server.service.list_schedules(request))
    assert [entry.schedule_id for entry in page.schedules] == found
    counted = server.call(server.service.count_schedules(CountSchedulesRequest(namespace=NAMESPACE, query=query)))
    assert counted.count == len(found)
