"""What schedules do when their time comes.

Owns: the schedules of a store, in memory, and the one alarm for the next of them. A schedule's start of a workflow and
its note of it are in one commit, and so are a workflow's end and what the schedule makes of it. So after a crash no
time is acted on twice and none is forgotten: what was due meanwhile is caught up with, as far as its catch-up window
reaches.

Workflow ids come from nominal times, as on Temporal's server: `report-2026-01-01T00:00:00Z`.
"""

from __future__ import annotations

import heapq
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Final

from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import EventType, WorkflowExecutionStatus
from temporalio.api.history.v1 import History
from temporalio.api.schedule.v1 import BackfillRequest
from temporalio.api.workflowservice.v1 import RequestCancelWorkflowExecutionRequest, StartWorkflowExecutionRequest

from tsuzuki.core import close, signal, start
from tsuzuki.core.execution import RUNNING, Execution
from tsuzuki.core.refusal import Refusal
from tsuzuki.core.schedule import BufferedStart, decide
from tsuzuki.core.times import SECOND, time_ns
from tsuzuki.service import ServiceError
from tsuzuki.store import Batch

from ._clock import Alarm
from ._engine import Engine
from ._schedule_state import KIND, Action, Backfill, Running, ScheduleState

logger = logging.getLogger("tsuzuki.engine")

BUFFER_MAX: Final = 1000
RECENT_MAX: Final = 10
STEP_TIMES_MAX: Final = 500
"""Times of one schedule that are dealt with in one go."""
_LOOK_NS: Final = 60 * SECOND
"""How often the next schedule is looked at even if it is far: clocks may be set."""
_FAILED: Final = WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_FAILED
_TIMED_OUT: Final = WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_TIMED_OUT
_COMPLETED_EVENT: Final = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED
_FAILED_EVENT: Final = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED

_COPIED: Final = (
    *("workflow_type", "task_queue", "input", "workflow_execution_timeout", "workflow_run_timeout"),
    *("workflow_task_timeout", "retry_policy", "memo", "search_attributes", "header", "user_metadata", "priority"),
)


class Scheduler:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.schedules: dict[tuple[str, str], ScheduleState] = {}
        self._due: list[tuple[int, tuple[str, str]]] = []
        self._alarm: Alarm | None = None
        self._closed = False
        engine.recovery.when_started_over(self.load)
        engine.when_namespace_gone(self._forget_namespace)
        self.load()

    def load(self) -> None:
        """Read everything from the store: at opening, and after a failed commit."""
        self._engine.closings.clear()
        self._due.clear()
        self.schedules = {}
        for record in self._engine.store.records(KIND):
            schedule = ScheduleState.of(record)
            self.schedules[schedule.key] = schedule
            for running in schedule.progress.running:
                self._watch(schedule, running)
            self._look_at(schedule, self._engine.clock.now_ns())
        self._set_alarm()

    def close(self) -> None:
        self._closed = True
        if self._alarm is not None:
            self._alarm.cancel()

    def _forget_namespace(self, namespace: str) -> None:
        """Its records go with it."""
        for schedule in [each for each in self.schedules.values() if each.asked.namespace == namespace]:
            del self.schedules[schedule.key]

    # ---- time --------------------------------------------------------------------------------------

    def _look_at(self, schedule: ScheduleState, due_ns: int | None) -> None:
        if due_ns == schedule.due_ns:
            return  # it is in line
        schedule.due_ns = due_ns
        if due_ns is not None:
            heapq.heappush(self._due, (due_ns, schedule.key))

    def _set_alarm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if self._due and not self._closed:
            at_ns = min(self._due[0][0], self._engine.clock.now_ns() + _LOOK_NS)
            self._alarm = self._engine.clock.call_at(at_ns, self._ring)

    def _ring(self) -> None:
        self._alarm = None
        now_ns = self._engine.clock.now_ns()
        due = []
        while self._due and self._due[0][0] <= now_ns:
            due_ns, key = heapq.heappop(self._due)
            schedule = self.schedules.get(key)
            if schedule is not None and schedule.due_ns == due_ns:
                schedule.due_ns = None
                due.append(schedule)
        for schedule in due:
            try:
                self.act(schedule)
            except Exception:  # whatever happens to one schedule, the others act
                logger.critical("schedule %s broke; it is tried again", schedule.asked.schedule_id, exc_info=True)
                self._look_at(schedule, now_ns + _LOOK_NS)
        if self._alarm is None:
            self._set_alarm()

    # ---- acting ------------------------------------------------------------------------------------

    def act(self, schedule: ScheduleState) -> None:
        """Deal with the times that have come, and with starts that wait. Part of the next transaction."""
        if schedule.busy:
            return
        try:
            self._engine.check_writable()
        except ServiceError:
            return  # everything is read again when the store takes writes again
        with self._acting(schedule):
            next_ns = self._take_times(schedule)
            if self._take_backfills(schedule):
                next_ns = self._engine.clock.now_ns()
            self._take_buffered(schedule)
        self.put(schedule)
        self._look_at(schedule, next_ns)
        self._set_alarm()

    @contextmanager
    def _acting(self, schedule: ScheduleState) -> Iterator[None]:
        schedule.busy = True
        try:
            yield
        finally:
            schedule.busy = False

    def put(self, schedule: ScheduleState) -> None:
        record = schedule.record()

        def put(batch: Batch) -> None:
            batch.records.append(record)

        self._engine.journal.put(put)

    def _take_times(self, schedule: ScheduleState) -> int | None:
        """Buffer what is due; gives when to look again."""
        progress, now_ns = schedule.progress, self._engine.clock.now_ns()
        seed = schedule.asked.schedule_id
        for _ in range(STEP_TIMES_MAX):
            times = schedule.spec.next_after(progress.seen_ns, seed)
            if times is None:
                return None
            if times.actual_ns > now_ns:
                return times.actual_ns
            progress.seen_ns = times.nominal_ns
            if not self._may_act(schedule):
                continue
            if now_ns - times.actual_ns > schedule.catchup_ns:
                progress.missed += 1
                continue
            self._buffer(schedule, BufferedStart(times.nominal_ns, times.actual_ns, schedule.overlap, manual=False))
        return now_ns

    def _take_backfills(self, schedule: ScheduleState) -> bool:
        """Buffer times of the past, as far as there is room; True if there are more."""
        progress = schedule.progress
        room = min(STEP_TIMES_MAX, BUFFER_MAX // 2 - len(progress.buffered))
        while progress.backfills and room > 0:
            backfill = progress.backfills[0]
            for times in schedule.spec.between(backfill.after_ns, backfill.until_ns, schedule.asked.schedule_id):
                backfill.after_ns = times.nominal_ns
                self._buffer(
                    schedule,
                    BufferedStart(
                        times.nominal_ns, times.nominal_ns, backfill.overlap or schedule.overlap, manual=True
                    ),
                )
                room -= 1
                if room == 0:
                    return True
            progress.backfills.pop(0)
        return False

    def _buffer(self, schedule: ScheduleState, due: BufferedStart) -> None:
        if len(schedule.progress.buffered) >= BUFFER_MAX:
            schedule.progress.dropped += 1
        else:
            schedule.progress.buffered.append(due)

    def _may_act(self, schedule: ScheduleState) -> bool:
        state = schedule.asked.schedule.state
        return not state.paused and (not state.limited_actions or state.remaining_actions > 0)

    def _take_buffered(self, schedule: ScheduleState) -> None:
        progress = schedule.progress
        if not progress.buffered:
            return
        decision = decide(progress.buffered, running=bool(progress.running))
        progress.buffered = decision.waiting
        progress.skipped += decision.skipped
        if decision.terminate:
            self._end_running(schedule, terminate=True)
        elif decision.cancel:
            self._end_running(schedule, terminate=False)
        for each in decision.overlapping:
            self._start(schedule, each)
        if decision.start is not None:
            self._start(schedule, decision.start)

    def _end_running(self, schedule: ScheduleState, *, terminate: bool) -> None:
        engine, identity = self._engine, _identity(schedule)
        for running in list(schedule.progress.running):
            run = self._current(schedule, running)
            if run is None or not run.is_open:
                self._forget_running(schedule, running)
                continue
            with engine.changing(run):
                if terminate:
                    reason = "terminated by schedule overlap policy"
                    close.terminate(run, reason, None, identity, engine.moment(run.namespace))
                else:
                    request = RequestCancelWorkflowExecutionRequest(
                        reason="cancelled by schedule overlap policy", identity=identity
                    )
                    signal.request_cancel(run, request, engine.clock.now_ns(), engine.limits_of(run.namespace))

    def _current(self, schedule: ScheduleState, running: Running) -> Execution | None:
        """The run that a running workflow has come to: it may have continued as new."""
        run = self._engine.runs.find(schedule.asked.namespace, running.workflow_id, "")
        return run if run is not None and run.started.first_execution_run_id == running.first_run_id else None

    # ---- starting ----------------------------------------------------------------------------------

    def _start(self, schedule: ScheduleState, due: BufferedStart) -> None:
        engine, asked, progress = self._engine, schedule.asked, schedule.progress
        state = asked.schedule.state
        if not due.manual:
            if not self._may_act(schedule):
                return
            if state.limited_actions:
                state.remaining_actions -= 1
                progress.conflict_token += 1
        request = start_request(schedule, due.nominal_ns)
        existing = engine.runs.find(asked.namespace, request.workflow_id, "")
        if existing is not None and (existing.is_open or not asked.schedule.policies.keep_original_workflow_id):
            logger.info("schedule %s: workflow %s was started before", asked.schedule_id, request.workflow_id)
            return
        now_ns = engine.clock.now_ns()
        try:
            engine.namespaces.check_start(asked.namespace)
            kinds = engine.search_attributes.kinds(asked.namespace)
            start.check_request(request, engine.limits_of(asked.namespace), now_ns, kinds)
        except (Refusal, ServiceError) as refusal:
            logger.warning("schedule %s cannot start its workflow: %s", asked.schedule_id, refusal)
            return
        run = engine.runs.create(asked.namespace, request.workflow_id, engine.new_id(), engine.new_request_id())
        with engine.changing(run):
            start.start(run, request, now_ns, engine.limits_of(run.namespace))
        progress.action_count += 1
        progress.recent.append(Action(due.nominal_ns, now_ns, run.workflow_id, run.run_id, int(RUNNING)))
        del progress.recent[:-RECENT_MAX]
        running = Running(run.workflow_id, run.run_id)
        progress.running.append(running)
        self._watch(schedule, running)

    def _watch(self, schedule: ScheduleState, running: Running) -> None:
        key = (schedule.asked.namespace, running.workflow_id, running.first_run_id)
        self._engine.closings[key] = lambda run: self._ended(schedule, running, run)

    def _ended(self, schedule: ScheduleState, running: Running, run: Execution) -> None:
        """A workflow of the schedule has closed, and no other run follows; in the same transaction."""
        self._forget_running(schedule, running)
        if self.schedules.get(schedule.key) is not schedule:
            return
        for action in schedule.progress.recent:
            if action.workflow_id == running.workflow_id and action.run_id == running.first_run_id:
                action.status = int(run.status)
        self._learn(schedule, run)
        if schedule.busy:
            return
        self.act(schedule)

    def _learn(self, schedule: ScheduleState, run: Execution) -> None:
        event = History.FromString(run.tail[-1]).events[0]
        failure_words = None
        if event.event_type == _COMPLETED_EVENT:
            completed = event.workflow_execution_completed_event_attributes
            schedule.remember(completed.result if completed.HasField("result") else None, None)
        elif event.event_type == _FAILED_EVENT:
            failure = event.workflow_execution_failed_event_attributes.failure
            schedule.remember(None, failure)
            failure_words = f"paused due to workflow failure: {run.workflow_id}: {failure.message}"
        elif run.status == _TIMED_OUT:
            failure_words = f"paused due to workflow timeout: {run.workflow_id}"
        if failure_words is not None and schedule.asked.schedule.policies.pause_on_failure:
            schedule.asked.schedule.state.paused = True
            schedule.asked.schedule.state.notes = failure_words
            schedule.progress.conflict_token += 1

    def _forget_running(self, schedule: ScheduleState, running: Running) -> None:
        if running in schedule.progress.running:
            schedule.progress.running.remove(running)
        key = (schedule.asked.namespace, running.workflow_id, running.first_run_id)
        self._engine.closings.pop(key, None)

    # ---- what people ask for -----------------------------------------------------------------------

    def add(self, schedule: ScheduleState) -> None:
        self.schedules[schedule.key] = schedule
        self.act(schedule)

    def remove(self, schedule: ScheduleState) -> None:
        """Its workflows go on."""
        for running in list(schedule.progress.running):
            self._forget_running(schedule, running)
        del self.schedules[schedule.key]
        schedule.due_ns = None
        key = (KIND, *schedule.key)
        self._engine.journal.put(lambda batch: _take_out(batch, key))

    def trigger(self, schedule: ScheduleState, nominal_ns: int, overlap: int) -> None:
        now_ns = self._engine.clock.now_ns()
        self._buffer(schedule, BufferedStart(nominal_ns or now_ns, now_ns, overlap or schedule.overlap, manual=True))

    def backfill(self, schedule: ScheduleState, asked: BackfillRequest) -> None:
        after_ns = time_ns(asked.start_time) - 1
        schedule.progress.backfills.append(Backfill(after_ns, time_ns(asked.end_time), int(asked.overlap_policy)))


def _take_out(batch: Batch, key: tuple[str, str, str]) -> None:
    batch.records = [record for record in batch.records if record[:3] != key]
    batch.records_gone.append(key)


def _identity(schedule: ScheduleState) -> str:
    return f"temporal-scheduler-{schedule.asked.namespace}-{schedule.asked.schedule_id}"


def start_request(schedule: ScheduleState, nominal_ns: int) -> StartWorkflowExecutionRequest:
    """The start of the workflow of one time."""
    asked = schedule.asked
    action = asked.schedule.action.start_workflow
    nominal = datetime.fromtimestamp(nominal_ns // SECOND, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    workflow_id = action.workflow_id
    if not asked.schedule.policies.keep_original_workflow_id:
        workflow_id = f"{workflow_id}-{nominal}"
    request = StartWorkflowExecutionRequest(
        namespace=asked.namespace, workflow_id=workflow_id, identity=_identity(schedule)
    )
    for name in _COPIED:
        if action.HasField(name):
            getattr(request, name).CopyFrom(getattr(action, name))
    for name, kind, value in (
        ("TemporalScheduledStartTime", b"Datetime", nominal),
        ("TemporalScheduledById", b"Keyword", asked.schedule_id),
    ):
        payload = Payload(metadata={"encoding": b"json/plain", "type": kind}, data=json.dumps(value).encode())
        request.search_attributes.indexed_fields[name].CopyFrom(payload)
    result, failure = schedule.last_result, schedule.last_failure
    if result is not None:
        request.last_completion_result.CopyFrom(result)
    if failure is not None:
        request.continued_failure.CopyFrom(failure)
    return request
