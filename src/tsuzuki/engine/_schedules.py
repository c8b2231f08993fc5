"""The RPCs that make schedules, look at them and change them."""

from __future__ import annotations

from typing import Final

from temporalio.api.common.v1 import Memo
from temporalio.api.enums.v1 import ScheduleOverlapPolicy, WorkflowExecutionStatus
from temporalio.api.schedule.v1 import Schedule, ScheduleActionResult, SchedulePatch, ScheduleSpec
from temporalio.api.workflowservice.v1 import (
    CountSchedulesRequest,
    CountSchedulesResponse,
    CreateScheduleRequest,
    CreateScheduleResponse,
    DeleteScheduleRequest,
    DeleteScheduleResponse,
    DescribeScheduleRequest,
    DescribeScheduleResponse,
    ListScheduleMatchingTimesRequest,
    ListScheduleMatchingTimesResponse,
    ListSchedulesRequest,
    ListSchedulesResponse,
    PatchScheduleRequest,
    PatchScheduleResponse,
    UpdateScheduleRequest,
    UpdateScheduleResponse,
)

from tsuzuki.core import start
from tsuzuki.core.limits import check_id, too_large
from tsuzuki.core.refusal import AlreadyStarted, Exhausted, InvalidInput, NotFound
from tsuzuki.core.schedule import SECONDS_MAX, Spec, compile_spec
from tsuzuki.core.search_attributes import Kind, Kinds, check_search_attributes
from tsuzuki.core.times import set_duration, set_time, time_ns
from tsuzuki.core.workflow_task import NORMAL
from tsuzuki.store import Attribute

from ._engine import Engine
from ._refusals import refusals_as_errors
from ._schedule_state import Action, Progress, ScheduleState
from ._scheduler import Scheduler, start_request
from ._search_attributes import SearchAttributeRegister
from .list_filter import fits, read_filter

MATCHING_TIMES_MAX: Final = 1000
_FUTURE_MAX: Final = 10
_LISTED_FUTURE_MAX: Final = 5
_PAGE_MAX: Final = 1000
_SCHEDULE_ID: Final = "ScheduleId"
_BACKFILLS_MAX: Final = 100


class _ScheduleAttributes:
    """What lists of schedules are filtered by."""

    def __init__(self, register: SearchAttributeRegister, namespace: str) -> None:
        self._register = register
        self._namespace = namespace
        self.kinds: Kinds = {**register.kinds(namespace), _SCHEDULE_ID: Kind.KEYWORD}

    def attribute(self, name: str) -> Attribute:
        return Attribute(0, many=False) if name == _SCHEDULE_ID else self._register.attribute(self._namespace, name)

    def values_of(self, schedule: ScheduleState) -> dict[int, tuple[str | int | float, ...]]:
        paused = self._register.attribute(self._namespace, "TemporalSchedulePaused").key
        found: dict[int, tuple[str | int | float, ...]] = {
            0: (schedule.asked.schedule_id,),
            paused: (int(schedule.asked.schedule.state.paused),),
        }
        return found | self._register.values(self._namespace, schedule.asked.search_attributes)


class Schedules:
    def __init__(self, engine: Engine, scheduler: Scheduler) -> None:
        self._engine = engine
        self._scheduler = scheduler

    # ---- changing ----------------------------------------------------------------------------------

    async def create(self, request: CreateScheduleRequest) -> CreateScheduleResponse:
        engine = self._engine
        engine.check_writable()
        engine.check_namespace(request.namespace)
        with refusals_as_errors():
            check_id("the schedule id", request.schedule_id, engine.limits)
            existing = self._scheduler.schedules.get((request.namespace, request.schedule_id))
            if existing is None:
                schedule = self._new(request)
            elif existing.asked.request_id != request.request_id or not request.request_id:
                raise AlreadyStarted(
                    f"schedule '{request.schedule_id}' exists already. Update it, or choose another id.",
                    "",
                    existing.asked.request_id,
                )
        if existing is None:
            engine.namespaces.check_start(request.namespace)
            self._scheduler.add(schedule)
            if request.HasField("initial_patch"):
                self._patch(schedule, request.initial_patch)
            existing = schedule
        token = existing.conflict_token
        await engine.durable()
        return CreateScheduleResponse(conflict_token=token)

    def _new(self, request: CreateScheduleRequest) -> ScheduleState:
        asked = CreateScheduleRequest()
        asked.CopyFrom(request)
        asked.ClearField("initial_patch")
        limits = self._engine.limits_of(request.namespace)
        if asked.memo.ByteSize() > limits.memo_bytes_max:
            what = f"the memo of schedule '{asked.schedule_id}'"
            raise InvalidInput(too_large(what, asked.memo.ByteSize(), limits.memo_bytes_max))
        kinds = self._engine.search_attributes.kinds(asked.namespace)
        check_search_attributes(asked.search_attributes, kinds, limits)
        if request.HasField("initial_patch"):
            self._check_patch(request.initial_patch)
        now_ns = self._engine.clock.now_ns()
        state = ScheduleState(asked, self._completed(asked.schedule), Progress(now_ns, now_ns))
        self._check_action(state)
        return state

    def _completed(self, schedule: Schedule) -> Spec:
        """Give a schedule its canonical spec and its defaults."""
        spec = compile_spec(schedule.spec)
        schedule.spec.CopyFrom(spec.canonical)
        if not schedule.policies.overlap_policy:
            schedule.policies.overlap_policy = ScheduleOverlapPolicy.SCHEDULE_OVERLAP_POLICY_SKIP
        state = ScheduleState(CreateScheduleRequest(schedule=schedule), spec, Progress(0, 0))
        set_duration(schedule.policies.catchup_window, state.catchup_ns)
        schedule.state.SetInParent()
        if schedule.action.HasField("start_workflow"):
            schedule.action.start_workflow.task_queue.kind = NORMAL
        return spec

    def _check_action(self, schedule: ScheduleState) -> None:
        asked, engine = schedule.asked, self._engine
        if not asked.schedule.action.HasField("start_workflow"):
            raise InvalidInput("Only StartWorkflow action is supported for schedules; give one.")
        action = asked.schedule.action.start_workflow
        check_id("the workflow id", action.workflow_id, engine.limits)
        if action.workflow_id_reuse_policy not in (0, 1):
            raise InvalidInput("a schedule's workflow has no id reuse policy: its ids hold times. Leave it out.")
        if action.cron_schedule:
            raise InvalidInput("a schedule's workflow has no cron schedule; put the times into the schedule.")
        now_ns = engine.clock.now_ns()
        kinds = engine.search_attributes.kinds(asked.namespace)
        start.check_request(start_request(schedule, now_ns), engine.limits_of(asked.namespace), now_ns, kinds)

    async def update(self, request: UpdateScheduleRequest) -> UpdateScheduleResponse:
        engine = self._engine
        engine.check_writable()
        engine.check_namespace(request.namespace)
        with refusals_as_errors():
            existing = self._find(request.namespace, request.schedule_id)
            if request.conflict_token and request.conflict_token != existing.conflict_token:
                raise Exhausted(
                    f"mismatched conflict token: schedule '{request.schedule_id}' has been changed meanwhile. Describe "
                    "it again, and base the update on that."
                )
            changed = CreateScheduleRequest()
            changed.CopyFrom(existing.asked)
            changed.schedule.CopyFrom(request.schedule)
            if request.HasField("search_attributes"):
                kinds = engine.search_attributes.kinds(request.namespace)
                check_search_attributes(request.search_attributes, kinds, engine.limits_of(request.namespace))
                changed.search_attributes.CopyFrom(request.search_attributes)
            spec = self._completed(changed.schedule)
            self._check_action(ScheduleState(changed, spec, existing.progress))
        now_ns = engine.clock.now_ns()
        self._scheduler.act(existing)  # what was due until now is the old schedule's
        existing.asked, existing.spec = changed, spec
        progress = existing.progress
        progress.conflict_token += 1
        progress.updated_ns = now_ns
        progress.seen_ns = now_ns
        self._scheduler.act(existing)
        await engine.durable()
        return UpdateScheduleResponse()

    async def patch(self, request: PatchScheduleRequest) -> PatchScheduleResponse:
        engine = self._engine
        engine.check_writable()
        engine.check_namespace(request.namespace)
        with refusals_as_errors():
            if not request.HasField("patch"):
                raise InvalidInput("Patch is not set on request.")
            schedule = self._find(request.namespace, request.schedule_id)
            self._check_patch(request.patch)
        self._patch(schedule, request.patch)
        await engine.durable()
        return PatchScheduleResponse()

    def _check_patch(self, patch: SchedulePatch) -> None:
        if len(patch.backfill_request) > _BACKFILLS_MAX:
            raise InvalidInput(f"{len(patch.backfill_request)} backfills at once; the limit is {_BACKFILLS_MAX}.")
        for backfill in patch.backfill_request:
            if time_ns(backfill.start_time) > time_ns(backfill.end_time):
                raise InvalidInput("a backfill starts after its end; expected start_time not after end_time.")
        scheduled = patch.trigger_immediately.scheduled_time
        if not 0 <= scheduled.seconds <= SECONDS_MAX:
            raise InvalidInput(
                f"the scheduled_time of a trigger is {scheduled.seconds} s; expected a time from 1970 to the year 9999."
            )

    def _patch(self, schedule: ScheduleState, patch: SchedulePatch) -> None:
        state = schedule.asked.schedule.state
        if patch.pause or patch.unpause:
            self._scheduler.act(schedule)  # what was due until now is done as before
            state.paused = bool(patch.pause)
            state.notes = patch.pause or patch.unpause
            schedule.progress.conflict_token += 1
        if patch.HasField("trigger_immediately"):
            trigger = patch.trigger_immediately
            nominal_ns = time_ns(trigger.scheduled_time) if trigger.HasField("scheduled_time") else 0
            self._scheduler.trigger(schedule, nominal_ns, int(trigger.overlap_policy))
        for backfill in patch.backfill_request:
            self._scheduler.backfill(schedule, backfill)
        self._scheduler.act(schedule)

    async def delete(self, request: DeleteScheduleRequest) -> DeleteScheduleResponse:
        self._engine.check_writable()
        self._engine.check_namespace(request.namespace)
        with refusals_as_errors():
            schedule = self._find(request.namespace, request.schedule_id)
        self._scheduler.remove(schedule)
        await self._engine.durable()
        return DeleteScheduleResponse()

    # ---- looking -----------------------------------------------------------------------------------

    async def describe(self, request: DescribeScheduleRequest) -> DescribeScheduleResponse:
        await self._look(request.namespace)
        with refusals_as_errors():
            schedule = self._find(request.namespace, request.schedule_id)
        asked, progress = schedule.asked, schedule.progress
        response = DescribeScheduleResponse(schedule=asked.schedule, conflict_token=schedule.conflict_token)
        response.memo.CopyFrom(asked.memo)
        shown = self._engine.search_attributes.typed(asked.namespace, asked.search_attributes)
        response.search_attributes.CopyFrom(shown)
        info = response.info
        info.action_count = progress.action_count
        info.missed_catchup_window = progress.missed
        info.overlap_skipped = progress.skipped
        info.buffer_dropped = progress.dropped
        info.buffer_size = len(progress.buffered)
        for running in progress.running:
            info.running_workflows.add(workflow_id=running.workflow_id, run_id=running.first_run_id)
        info.recent_actions.extend(map(_result, progress.recent))
        for ns in self._future(schedule, _FUTURE_MAX):
            set_time(info.future_action_times.add(), ns)
        set_time(info.create_time, progress.created_ns)
        if progress.updated_ns:
            set_time(info.update_time, progress.updated_ns)
        return response

    def _future(self, schedule: ScheduleState, most: int) -> list[int]:
        found: list[int] = []
        state = schedule.asked.schedule.state
        if state.limited_actions:
            most = min(most, max(0, state.remaining_actions))
        after_ns = max(schedule.progress.seen_ns, self._engine.clock.now_ns())
        while len(found) < most:
            times = schedule.spec.next_after(after_ns, schedule.asked.schedule_id)
            if times is None:
                break
            found.append(times.actual_ns)
            after_ns = times.nominal_ns
        return found

    async def list_all(self, request: ListSchedulesRequest) -> ListSchedulesResponse:
        """The newest first."""
        await self._look(request.namespace)
        with refusals_as_errors():
            ids = [schedule.asked.schedule_id for schedule in self._of(request.namespace, request.query)]
            first = 0
            if request.next_page_token:
                token = request.next_page_token.decode(errors="replace")
                created, _, last = token.partition(" ")
                if not created.isdecimal() or not last:
                    raise InvalidInput("next_page_token is none of this engine's; pass the token as it was received.")
                place = (-int(created[:20]), last)
                first = sum(self._place(request.namespace, each) <= place for each in ids)
        size = min(request.maximum_page_size, _PAGE_MAX) if request.maximum_page_size > 0 else _PAGE_MAX
        response = ListSchedulesResponse()
        for schedule_id in ids[first : first + size]:
            schedule = self._scheduler.schedules[request.namespace, schedule_id]
            asked = schedule.asked
            entry = response.schedules.add(schedule_id=schedule_id, memo=Memo())
            entry.memo.CopyFrom(asked.memo)
            shown = self._engine.search_attributes.typed(asked.namespace, asked.search_attributes)
            entry.search_attributes.CopyFrom(shown)
            info = entry.info
            info.spec.CopyFrom(_short(asked.schedule.spec))
            info.workflow_type.CopyFrom(asked.schedule.action.start_workflow.workflow_type)
            info.notes, info.paused = asked.schedule.state.notes, asked.schedule.state.paused
            info.recent_actions.extend(map(_result, schedule.progress.recent[-_LISTED_FUTURE_MAX:]))
            for ns in self._future(schedule, _LISTED_FUTURE_MAX):
                set_time(info.future_action_times.add(), ns)
        if first + size < len(ids):
            created_ns = self._scheduler.schedules[request.namespace, ids[first + size - 1]].progress.created_ns
            response.next_page_token = f"{created_ns} {ids[first + size - 1]}".encode()
        return response

    def _place(self, namespace: str, schedule_id: str) -> tuple[int, str]:
        return -self._scheduler.schedules[namespace, schedule_id].progress.created_ns, schedule_id

    async def count(self, request: CountSchedulesRequest) -> CountSchedulesResponse:
        await self._look(request.namespace)
        with refusals_as_errors():
            return CountSchedulesResponse(count=len(self._of(request.namespace, request.query)))

    def _of(self, namespace: str, query: str) -> list[ScheduleState]:
        """Those that a filter finds, over ScheduleId, TemporalSchedulePaused and search attributes of their own."""
        owned = [schedule for schedule in self._scheduler.schedules.values() if schedule.asked.namespace == namespace]
        if query.strip():
            attributes = _ScheduleAttributes(self._engine.search_attributes, namespace)
            condition = read_filter(query, attributes).condition
            owned = [schedule for schedule in owned if fits(condition, attributes.values_of(schedule))]
        return sorted(owned, key=lambda schedule: (-schedule.progress.created_ns, schedule.asked.schedule_id))

    async def matching_times(self, request: ListScheduleMatchingTimesRequest) -> ListScheduleMatchingTimesResponse:
        """The first 1,000 of them."""
        await self._look(request.namespace)
        with refusals_as_errors():
            schedule = self._find(request.namespace, request.schedule_id)
        response = ListScheduleMatchingTimesResponse()
        found = schedule.spec.between(time_ns(request.start_time), time_ns(request.end_time), request.schedule_id)
        for times, _ in zip(found, range(MATCHING_TIMES_MAX), strict=False):
            set_time(response.start_time.add(), times.actual_ns)
        return response

    async def _look(self, namespace: str) -> None:
        self._engine.check_open()
        self._engine.check_namespace(namespace)
        await self._engine.durable_if_writable()

    def _find(self, namespace: str, schedule_id: str) -> ScheduleState:
        schedule = self._scheduler.schedules.get((namespace, schedule_id))
        if schedule is None:
            raise NotFound(f"there is no schedule '{schedule_id}' in namespace '{namespace}'.")
        return schedule


def _short(spec: ScheduleSpec) -> ScheduleSpec:
    """Without what makes a list long."""
    short = ScheduleSpec()
    short.CopyFrom(spec)
    short.ClearField("exclude_structured_calendar")
    short.ClearField("jitter")
    short.ClearField("timezone_data")
    return short


def _result(action: Action) -> ScheduleActionResult:
    result = ScheduleActionResult(start_workflow_status=WorkflowExecutionStatus.ValueType(action.status))
    set_time(result.schedule_time, action.nominal_ns)
    set_time(result.actual_time, action.actual_ns)
    result.start_workflow_result.workflow_id = action.workflow_id
    result.start_workflow_result.run_id = action.run_id
    return result
