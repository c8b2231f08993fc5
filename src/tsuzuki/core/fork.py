"""A fork: a new run that goes on from an event of an old one, if wanted with another result or a further signal.

The new run's history is that of the old one up to a place where its code had decided all that it could, then a
workflow task that failed as RESET_WORKFLOW (so that every SDK replays it and draws new random numbers from there on),
then what was changed. The old run is only read.

What was under way at that event goes on in the new run: activities are scheduled anew, timers and timeouts keep the
time that they had left. What ran elsewhere (children, signals to other workflows) is not done again: its recorded
outcome is taken over, and while there is none the fork is refused. A pause is over: a fork is there to go on.

Invariant: the new run has no parent and no cron schedule, so nothing of it reaches runs of the old chain.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.api.enums.v1 import EventType
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflowservice.v1 import (
    ResetWorkflowExecutionRequest,
    SignalWorkflowExecutionRequest,
    StartWorkflowExecutionRequest,
)

from . import activity, child_workflow, signal, timer, workflow_pause, workflow_task
from .branch import copy_event, fail_task, offer_pending, take_past
from .caller import sign
from .close import STATUS_AFTER
from .limits import too_large
from .refusal import InvalidInput
from .times import duration_ns, set_duration, set_time, time_ns
from .workflow_task import ENGINE_IDENTITY

if TYPE_CHECKING:
    from .execution import Execution
    from .limits import Limits
    from .moment import Moment

HEADER: Final = "__tsuzuki_fork"
"""A start with this header asks for a fork. It holds a `ResetWorkflowExecutionRequest`: the old run, the event, signals
to inject."""
RESULT_HEADER: Final = "__tsuzuki_fork_result/"
"""With an activity id behind it: the result that this activity is to have in the new run."""
MEMO: Final = "tsuzuki_forked_from"
"""Where a fork comes from: workflow id, run id, event id, in the new run's memo."""

_MESSAGES: Final = frozenset(
    (
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_COMPLETED,
    )
)
"""Events that a workflow task's completion wrote and that do not name it."""

_ELSEWHERE: Final = frozenset(
    (
        child_workflow.INITIATED,
        EventType.EVENT_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED,
        EventType.EVENT_TYPE_REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED,
    )
)


@dataclass
class ForkPlan:
    """What a new run is made of; the events are copies.

    Attributes:
        source: The old run, and the event that was meant.
        events: Of the old run, as far as they are taken, with what is changed in them.
        outcomes: Recorded later in the old run, of what was under way elsewhere.
        results: Of pending activities, by the id of their scheduled event.
        signals: To inject.
    """

    source: ResetWorkflowExecutionRequest
    events: list[HistoryEvent]
    outcomes: list[HistoryEvent] = field(default_factory=list)
    results: dict[int, Payloads] = field(default_factory=dict)
    signals: list[SignalWorkflowExecutionRequest] = field(default_factory=list)


# ---- planning ----------------------------------------------------------------------------------------


def source_of(request: StartWorkflowExecutionRequest) -> ResetWorkflowExecutionRequest:
    """The old run and the event that a start with the header names.

    Raises:
        InvalidInput: The header holds something else.
    """
    try:
        return ResetWorkflowExecutionRequest.FromString(request.header.fields[HEADER].data)
    except DecodeError:
        raise InvalidInput(f"the header {HEADER} holds no ResetWorkflowExecutionRequest.") from None


def plan(request: StartWorkflowExecutionRequest, history: Sequence[HistoryEvent], limits: Limits) -> ForkPlan:
    """Decide what a fork is made of; carrying it out cannot fail.

    Args:
        request: The start that asks for it.
        history: Of the old run; it is not changed.
        limits: The bounds.

    Raises:
        InvalidInput: There is no such event or activity, the result was seen before the event, something that runs
            elsewhere has no outcome yet, or a value is over its limit.
    """
    source = source_of(request)
    last = cut(history, source.workflow_task_finish_event_id)
    events = [copy_event(event) for event in history[:last]]
    made = ForkPlan(source, events)
    wanted = {
        name.removeprefix(RESULT_HEADER): payload
        for name, payload in request.header.fields.items()
        if name.startswith(RESULT_HEADER)
    }
    for activity_id, payload in wanted.items():
        if payload.ByteSize() > limits.payload_bytes_max:
            what = f"the result of activity '{activity_id}'"
            raise InvalidInput(too_large(what, payload.ByteSize(), limits.payload_bytes_max))
    _change_results(made, wanted, history)
    made.outcomes.extend(_outcomes_elsewhere(history, last))
    made.signals.extend(_signals(source, request))
    for asked in made.signals:
        signal.check_signal(asked, limits)
    signals = sum(event.event_type == signal.SIGNALED for event in events) + len(made.signals)
    if signals > limits.signals_max:
        raise InvalidInput(f"the fork would have {signals:,} signals; the limit of a run is {limits.signals_max:,}.")
    return made


def cut(history: Sequence[HistoryEvent], event_id: int) -> int:
    """The last event that a fork takes: of what code decided at a time it must have all or nothing.

    Raises:
        InvalidInput: There is no such event.
    """
    if not 1 <= event_id <= len(history):
        raise InvalidInput(f"there is no event {event_id} to fork from: the history has events 1 to {len(history)}.")
    last = event_id
    while last < len(history) and (_is_decided(history[last]) or _has_half_an_attempt(history[:last])):
        last += 1
    if history[last - 1].event_type not in STATUS_AFTER:
        return last
    while _is_decided(history[last - 1]):  # the task that ended the run is to be done again
        last -= 1
    return last - 1  # before its WorkflowTaskCompleted, or before what ended the run from outside


def _is_decided(event: HistoryEvent) -> bool:
    """Whether the completion of a workflow task wrote this event."""
    if event.event_type in _MESSAGES:
        return True
    attributes = getattr(event, str(event.WhichOneof("attributes")))
    return bool(getattr(attributes, "workflow_task_completed_event_id", 0))


def _has_half_an_attempt(events: Sequence[HistoryEvent]) -> bool:
    """Whether the start of an activity is among them and its outcome, which is recorded with it, is not."""
    started = {
        event.activity_task_started_event_attributes.scheduled_event_id
        for event in events
        if event.event_type == activity.STARTED
    }
    return bool(started - {activity.outcome_of(event) for event in events if event.event_type in activity.ENDS})


def _change_results(made: ForkPlan, wanted: Mapping[str, Payload], history: Sequence[HistoryEvent]) -> None:
    for activity_id, payload in wanted.items():
        scheduled = next((event for event in reversed(made.events) if _schedules(event, activity_id)), None)
        if scheduled is None:
            later = next((event.event_id for event in history if _schedules(event, activity_id)), None)
            hint = "this run has no such activity" if later is None else f"fork from event {later} or a later one"
            raise InvalidInput(f"activity '{activity_id}' is not scheduled up to event {len(made.events)}; {hint}.")
        result = Payloads(payloads=[payload])
        outcome = next((event for event in made.events if _ends(event, scheduled.event_id)), None)
        if outcome is None:
            made.results[scheduled.event_id] = result
            continue
        _check_unseen(made.events, outcome, activity_id)
        started_event_id = activity.started_event_of(outcome)
        if not started_event_id:
            raise InvalidInput(
                f"activity '{activity_id}' never started (event {outcome.event_id}); to give it a result fork from an "
                f"event before {outcome.event_id}."
            )
        outcome.event_type = activity.COMPLETED
        attributes = outcome.activity_task_completed_event_attributes  # in place of another outcome, if it was one
        attributes.Clear()
        attributes.result.CopyFrom(result)
        attributes.scheduled_event_id = scheduled.event_id
        attributes.started_event_id = started_event_id


def _schedules(event: HistoryEvent, activity_id: str) -> bool:
    return (
        event.event_type == activity.SCHEDULED
        and event.activity_task_scheduled_event_attributes.activity_id == activity_id
    )


def _ends(event: HistoryEvent, scheduled_event_id: int) -> bool:
    return event.event_type in activity.ENDS and activity.outcome_of(event) == scheduled_event_id


def _check_unseen(events: Sequence[HistoryEvent], outcome: HistoryEvent, activity_id: str) -> None:
    """What code has seen cannot be changed behind its back: it decided by it."""
    started_event_id = 0
    for event in events[outcome.event_id :]:
        if event.event_type == workflow_task.STARTED:
            started_event_id = event.event_id
        elif event.event_type == workflow_task.COMPLETED and started_event_id:
            raise InvalidInput(
                f"the workflow has seen the outcome of activity '{activity_id}' (event {outcome.event_id}) when it "
                f"decided at event {event.event_id}; to change it fork from an event from {outcome.event_id} to "
                f"{started_event_id}."
            )


def _outcomes_elsewhere(history: Sequence[HistoryEvent], last: int) -> Iterator[HistoryEvent]:
    for initiated in history[:last]:
        if initiated.event_type not in _ELSEWHERE:
            continue
        answers = [event for event in history[initiated.event_id :] if _initiated_by(event) == initiated.event_id]
        final = [event for event in answers if event.event_type != child_workflow.STARTED]
        if not final:
            target = getattr(initiated, str(initiated.WhichOneof("attributes")))
            what = getattr(target, "workflow_id", "") or target.workflow_execution.workflow_id
            raise InvalidInput(
                f"workflow '{what}', started or signalled at event {initiated.event_id}, has not answered yet, and a "
                f"fork does not do it again. Wait until it has, or fork from an event before {initiated.event_id}."
            )
        yield from (copy_event(event) for event in answers if event.event_id > last)


def _initiated_by(event: HistoryEvent) -> int:
    return getattr(getattr(event, str(event.WhichOneof("attributes"))), "initiated_event_id", 0)


def _signals(
    source: ResetWorkflowExecutionRequest, request: StartWorkflowExecutionRequest
) -> Iterator[SignalWorkflowExecutionRequest]:
    for position, operation in enumerate(source.post_reset_operations):
        asked = SignalWorkflowExecutionRequest(
            signal_name=operation.signal_workflow.signal_name,
            identity=request.identity,
            request_id=f"{request.request_id}/{position}",
        )
        if operation.signal_workflow.HasField("input"):
            asked.input.CopyFrom(operation.signal_workflow.input)
        yield asked


# ---- carrying out ------------------------------------------------------------------------------------


def carry_out(run: Execution, made: ForkPlan, moment: Moment, identity: str) -> None:
    """Give a new, empty run the history that was planned, and let it go on."""
    late_ns = max(0, moment.now_ns - time_ns(made.events[-1].event_time))
    _become_own_run(made, run, moment)
    _keep_time_left(made.events, late_ns)
    take_past(run, made.events)
    workflow_pause.end(run, moment.now_ns, ENGINE_IDENTITY)
    execution = made.source.workflow_execution
    failure = Failure(
        message=f"forked from workflow '{execution.workflow_id}', run {execution.run_id}, "
        f"at event {made.source.workflow_task_finish_event_id}",
        source="Server",
    )
    fail_task(run, failure, moment, base_run_id=execution.run_id, identity=ENGINE_IDENTITY)
    run.completing = True
    started_ids: dict[int, int] = {}
    for event in made.outcomes:
        _take_over(run, event, started_ids, moment.now_ns)
    for scheduled_event_id, result in made.results.items():
        activity.complete(run, run.activities[scheduled_event_id], result, identity, moment.now_ns)
    for asked in made.signals:
        signal.signal(run, asked, moment.now_ns, moment.limits)
    run.completing = False
    offer_pending(run, moment.now_ns)
    workflow_task.schedule_if_needed(run, moment.now_ns)


def _become_own_run(made: ForkPlan, run: Execution, moment: Moment) -> None:
    started = made.events[0].workflow_execution_started_event_attributes
    made.events[0].ClearField("principal")
    sign(made.events[0], run.caller)
    started.workflow_id = run.workflow_id
    started.first_execution_run_id = run.run_id
    for name in ("parent_workflow_namespace", "parent_workflow_namespace_id", "parent_workflow_execution"):
        started.ClearField(name)
    for name in ("parent_initiated_event_id", "root_workflow_execution", "cron_schedule", "completion_callbacks"):
        started.ClearField(name)  # type: ignore[arg-type]
    set_duration(started.first_workflow_task_backoff, 0)
    began_ns = time_ns(made.events[0].event_time)
    if started.HasField("workflow_execution_expiration_time"):
        whole_ns = duration_ns(started.workflow_execution_timeout)
        set_time(started.workflow_execution_expiration_time, moment.now_ns + whole_ns)
    if run_ns := duration_ns(started.workflow_run_timeout):
        set_duration(started.workflow_run_timeout, moment.now_ns - began_ns + run_ns)
    origin = started.memo.fields[MEMO]
    origin.metadata["encoding"] = b"json/plain"
    origin.data = _origin(made.source)


def _origin(source: ResetWorkflowExecutionRequest) -> bytes:
    execution = source.workflow_execution
    told = {
        "workflow_id": execution.workflow_id,
        "run_id": execution.run_id,
        "event_id": source.workflow_task_finish_event_id,
    }
    return json.dumps(told, separators=(",", ":"), ensure_ascii=False).encode()


def _keep_time_left(events: Iterable[HistoryEvent], late_ns: int) -> None:
    """Timers and activities that are pending at the end of these events have as long as they had then."""
    pending: dict[object, Duration] = {}
    for event in events:
        if event.event_type == timer.STARTED:
            started = event.timer_started_event_attributes
            pending[started.timer_id] = started.start_to_fire_timeout
        elif event.event_type == timer.FIRED:
            pending.pop(event.timer_fired_event_attributes.timer_id, None)
        elif event.event_type == timer.CANCELED:
            pending.pop(event.timer_canceled_event_attributes.timer_id, None)
        elif event.event_type == activity.SCHEDULED:
            scheduled = event.activity_task_scheduled_event_attributes
            if duration_ns(scheduled.schedule_to_close_timeout):
                pending[event.event_id] = scheduled.schedule_to_close_timeout
        elif event.event_type in activity.ENDS:
            pending.pop(activity.outcome_of(event), None)
    for left in pending.values():
        set_duration(left, duration_ns(left) + late_ns)


def _take_over(run: Execution, event: HistoryEvent, started_ids: dict[int, int], now_ns: int) -> None:
    """Record an event of the old run as news of the new one."""
    initiated_event_id = _initiated_by(event)
    attributes = getattr(event, str(event.WhichOneof("attributes")))
    if "started_event_id" in attributes.DESCRIPTOR.fields_by_name:
        child = run.children.get(initiated_event_id)
        known = child.started_event_id if child is not None else 0
        attributes.started_event_id = started_ids.get(initiated_event_id, known)
    run.last_event_ns = max(run.last_event_ns, now_ns)
    set_time(event.event_time, run.last_event_ns)
    event_id = run.record(event)
    if event.event_type == child_workflow.STARTED:
        started_ids[initiated_event_id] = event_id
    run.has_news = True
