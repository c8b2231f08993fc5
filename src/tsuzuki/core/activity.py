"""Activities of a run: scheduled once, attempted until one outcome is recorded.

History shows the schedule and, when the activity closes, the start of its last attempt and the outcome. The
attempts between are kept beside history and survive a restart. Invariants: an attempt starts at most once; no
attempt starts before its back-off ends; the outcome is recorded once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import TYPE_CHECKING, Final

from temporalio.api.activity.v1 import ActivityOptions
from temporalio.api.common.v1 import Payloads, Priority, RetryPolicy
from temporalio.api.enums.v1 import EventType, RetryState, TimeoutType
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import ActivityTaskScheduledEventAttributes, HistoryEvent

from . import retry
from .apply import applies
from .pause_info import note_pauses
from .refusal import NotFound
from .times import NEVER, duration_ns, set_time, time_ns
from .wake import WakeKind
from .workflow_task import schedule_if_needed

if TYPE_CHECKING:
    from .execution import Execution

SCHEDULED: Final = EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
STARTED: Final = EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED
COMPLETED: Final = EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED
FAILED: Final = EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED
TIMED_OUT: Final = EventType.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT
CANCEL_REQUESTED: Final = EventType.EVENT_TYPE_ACTIVITY_TASK_CANCEL_REQUESTED
CANCELED: Final = EventType.EVENT_TYPE_ACTIVITY_TASK_CANCELED

START_TO_CLOSE: Final = TimeoutType.TIMEOUT_TYPE_START_TO_CLOSE
SCHEDULE_TO_START: Final = TimeoutType.TIMEOUT_TYPE_SCHEDULE_TO_START
SCHEDULE_TO_CLOSE: Final = TimeoutType.TIMEOUT_TYPE_SCHEDULE_TO_CLOSE
HEARTBEAT: Final = TimeoutType.TIMEOUT_TYPE_HEARTBEAT

_NOT_RETRYABLE: Final = RetryState.RETRY_STATE_NON_RETRYABLE_FAILURE

TIMEOUT_MESSAGES: Final[Mapping[int, str]] = {
    START_TO_CLOSE: "activity StartToClose timeout",
    SCHEDULE_TO_START: "activity ScheduleToStart timeout",
    SCHEDULE_TO_CLOSE: (
        "Not enough time to schedule next retry before activity ScheduleToClose timeout, giving up retrying"
    ),
    HEARTBEAT: "activity Heartbeat timeout",
}
"""In the real server's words, by which users of every language know them."""


class ActivityState(IntEnum):
    SCHEDULED = 1
    """Waiting for a worker, or for its back-off to end."""
    STARTED = 2
    CLOSED = 3


class ActivityInput(IntEnum):
    START = 1
    RETRY = 2
    CLOSE = 3


ACTIVITY_MOVES: Final[Mapping[tuple[ActivityState, ActivityInput], ActivityState]] = {
    (ActivityState.SCHEDULED, ActivityInput.START): ActivityState.STARTED,
    (ActivityState.STARTED, ActivityInput.RETRY): ActivityState.SCHEDULED,
    (ActivityState.SCHEDULED, ActivityInput.CLOSE): ActivityState.CLOSED,
    (ActivityState.STARTED, ActivityInput.CLOSE): ActivityState.CLOSED,
}


class Mark(IntFlag):
    """What people have done to an activity that is not over with the next attempt, or that explains its state."""

    OPERATED = 1
    """Somebody has: its attempts need not be those that its policy would have made."""
    RESET = 2
    """The running attempt should stop: the activity begins anew."""
    FORGET_HEARTBEAT = 4
    """The next attempt does not see the heartbeat details of those before it."""


NO_MARK: Final = Mark(0)


@dataclass(frozen=True, slots=True)
class Pause:
    """Who paused an activity, when and why."""

    since_ns: int
    identity: str
    reason: str


@dataclass(slots=True)
class Activity:
    """A pending activity. Times in nanoseconds; a timeout of 0 is none."""

    scheduled_event_id: int
    asked: ActivityTaskScheduledEventAttributes
    first_scheduled_ns: int
    start_to_close_ns: int
    schedule_to_start_ns: int
    heartbeat_timeout_ns: int
    expiration_ns: int | None
    """When schedule-to-close is over, all attempts included."""
    attempt_scheduled_ns: int
    """When the current attempt may start at the earliest."""
    task_queue: str = ""
    state: ActivityState = ActivityState.SCHEDULED
    attempt: int = 1
    started_ns: int | None = None
    incarnation: int | None = None
    """The process incarnation that runs the started attempt; None for a remote worker."""
    identity: str = ""
    request_id: str = ""
    heartbeat_ns: int | None = None
    heartbeat_details: Payloads | None = None
    last_failure: Failure | None = None
    last_ended_ns: int | None = None
    cancel_requested_event_id: int = 0
    handed_out: bool = False
    """A worker has the started attempt; false between the start and its commit."""
    pause: Pause | None = None
    """While it is there no attempt starts and no timeout counts."""
    options: ActivityOptions | None = None
    """Those in force, once somebody has changed them; see `activity_options`."""
    marks: Mark = NO_MARK

    @property
    def retry_policy(self) -> RetryPolicy:
        return self.asked.retry_policy if self.options is None else self.options.retry_policy

    @property
    def priority(self) -> Priority:
        return self.asked.priority if self.options is None else self.options.priority

    @property
    def may_back_off(self) -> bool:
        """Whether an attempt that has not started may have to wait: the first one does only if somebody wants it so."""
        return self.attempt > 1 or self.marks != NO_MARK

    def move(self, given: ActivityInput) -> None:
        self.state = ACTIVITY_MOVES[self.state, given]

    def deadline(self) -> tuple[int, TimeoutType.ValueType]:
        """The next timeout of the attempt as it stands, and its kind."""
        if self.pause is not None:
            return NEVER, SCHEDULE_TO_CLOSE
        due, kind = self.expiration_ns or NEVER, SCHEDULE_TO_CLOSE
        if self.state == ActivityState.STARTED:
            assert self.started_ns is not None
            if self.start_to_close_ns and self.started_ns + self.start_to_close_ns < due:
                due, kind = self.started_ns + self.start_to_close_ns, START_TO_CLOSE
            if self.heartbeat_timeout_ns:
                silent_ns = max(self.heartbeat_ns or 0, self.started_ns) + self.heartbeat_timeout_ns
                if silent_ns < due:
                    due, kind = silent_ns, HEARTBEAT
        elif self.schedule_to_start_ns and self.attempt_scheduled_ns + self.schedule_to_start_ns <= due:
            due, kind = self.attempt_scheduled_ns + self.schedule_to_start_ns, SCHEDULE_TO_START
        return due, kind


# ---- what history implies ----------------------------------------------------------------------------


@applies(SCHEDULED)
def apply_scheduled(run: Execution, event: HistoryEvent) -> None:
    asked = event.activity_task_scheduled_event_attributes
    scheduled_ns = time_ns(event.event_time)
    schedule_to_close_ns = duration_ns(asked.schedule_to_close_timeout)
    event_id = event.event_id
    activity = Activity(
        scheduled_event_id=event_id,
        asked=asked,
        task_queue=asked.task_queue.name,
        first_scheduled_ns=scheduled_ns,
        start_to_close_ns=duration_ns(asked.start_to_close_timeout),
        schedule_to_start_ns=duration_ns(asked.schedule_to_start_timeout),
        heartbeat_timeout_ns=duration_ns(asked.heartbeat_timeout),
        expiration_ns=scheduled_ns + schedule_to_close_ns if schedule_to_close_ns else None,
        attempt_scheduled_ns=scheduled_ns,
    )
    run.activities[event_id] = activity
    run.activity_ids[asked.activity_id] = event_id
    run.touched_activities.add(event_id)


@applies(CANCEL_REQUESTED)
def apply_cancel_requested(run: Execution, event: HistoryEvent) -> None:
    scheduled_event_id = event.activity_task_cancel_requested_event_attributes.scheduled_event_id
    activity = run.activities.get(scheduled_event_id)
    if activity is not None:  # else its outcome waits behind the workflow task that asks
        activity.cancel_requested_event_id = event.event_id


@applies(COMPLETED)
def apply_completed(run: Execution, event: HistoryEvent) -> None:
    _forget(run, event.activity_task_completed_event_attributes.scheduled_event_id)


@applies(FAILED)
def apply_failed(run: Execution, event: HistoryEvent) -> None:
    _forget(run, event.activity_task_failed_event_attributes.scheduled_event_id)


@applies(TIMED_OUT)
def apply_timed_out(run: Execution, event: HistoryEvent) -> None:
    _forget(run, event.activity_task_timed_out_event_attributes.scheduled_event_id)


@applies(CANCELED)
def apply_canceled(run: Execution, event: HistoryEvent) -> None:
    _forget(run, event.activity_task_canceled_event_attributes.scheduled_event_id)


def _forget(run: Execution, scheduled_event_id: int) -> None:
    activity = run.activities.pop(scheduled_event_id)
    activity.move(ActivityInput.CLOSE)
    activity_id = activity.asked.activity_id
    if run.activity_ids.get(activity_id) == scheduled_event_id:  # else another one has it: this end had to wait
        del run.activity_ids[activity_id]
    run.touched_activities.discard(scheduled_event_id)
    run.forgotten_activities.add(scheduled_event_id)
    run.wake_no_more(WakeKind.ACTIVITY, scheduled_event_id)
    if activity.pause is not None:
        note_pauses(run)


# ---- attempts ----------------------------------------------------------------------------------------


def watch_deadline(run: Execution, activity: Activity) -> None:
    """Set what will wake the run for this activity: its next timeout, or the end of its back-off."""
    due, _ = activity.deadline()
    waits = activity.state == ActivityState.SCHEDULED and activity.may_back_off
    if waits and activity.pause is None and run.pause is None:
        due = min(due, activity.attempt_scheduled_ns)
    if due < NEVER:
        run.wake_at(WakeKind.ACTIVITY, due, activity.scheduled_event_id)
    else:
        run.wake_no_more(WakeKind.ACTIVITY, activity.scheduled_event_id)


def backs_off(activity: Activity, now_ns: int) -> bool:
    """Whether the attempt must wait. The first one never does by itself, even if the clock was set back since its
    schedule."""
    return activity.may_back_off and activity.attempt_scheduled_ns > now_ns


def is_held(run: Execution, activity: Activity) -> bool:
    """Whether a pause, its own or the run's, keeps the attempt from workers."""
    return activity.pause is not None or run.pause is not None


def may_start(run: Execution, activity: Activity, now_ns: int) -> bool:
    """Whether a worker may take the attempt that waits."""
    return not is_held(run, activity) and not backs_off(activity, now_ns)


def go_on(run: Execution, activity: Activity, now_ns: int) -> None:
    """A pause may be over: see what the attempt waits for, a worker too if it started and reached none."""
    due(run, activity.scheduled_event_id, now_ns)
    if activity.state == ActivityState.STARTED and not activity.handed_out and not is_held(run, activity):
        run.ready_activities.append(activity.scheduled_event_id)


def start(
    run: Execution,
    scheduled_event_id: int,
    now_ns: int,
    *,
    identity: str,
    request_id: str,
    incarnation: int | None,
) -> Activity:
    """A worker takes the attempt. Durable before the worker sees it."""
    activity = run.activities[scheduled_event_id]
    assert may_start(run, activity, now_ns), "an attempt must not start before its back-off ends, nor while paused"
    activity.move(ActivityInput.START)
    activity.started_ns = now_ns
    activity.identity = identity
    activity.request_id = request_id
    activity.incarnation = incarnation
    activity.handed_out = False
    run.touched_activities.add(scheduled_event_id)
    run.dirty = True
    watch_deadline(run, activity)
    return activity


def find_started(run: Execution, scheduled_event_id: int, attempt: int | None, start: str = "") -> Activity:
    """The running attempt that a token names (attempt None: whichever runs). `start` is the request id of its start:
    after a reset an attempt has the number of an earlier one.

    Raises:
        NotFound: It is over: another attempt runs, the activity closed, or the run did.
    """
    activity = run.activities.get(scheduled_event_id) if run.is_open else None
    if (
        activity is None
        or activity.state != ActivityState.STARTED
        or attempt not in (None, activity.attempt)
        or start not in ("", activity.request_id)
    ):
        raise NotFound(
            f"the activity attempt is over (workflow '{run.workflow_id}', run {run.run_id}, scheduled event "
            f"{scheduled_event_id}, attempt {attempt or 'any'}): it completed, timed out or was retried, or "
            "its run closed. Drop its result."
        )
    return activity


def heartbeat(run: Execution, activity: Activity, details: Payloads | None, now_ns: int) -> bool:
    """Note a sign of life; its details, or their absence, replace those before. True if the attempt should stop."""
    activity.heartbeat_ns = now_ns
    activity.heartbeat_details = details
    run.touched_activities.add(activity.scheduled_event_id)
    run.dirty = True
    watch_deadline(run, activity)
    return activity.cancel_requested_event_id != 0


def _record_started(run: Execution, activity: Activity) -> int:
    """The started event, written when the attempt that counts has ended; it carries that attempt's start time,
    which may lie before the events just written. Returns its id, or 0 while it waits for its place."""
    event = HistoryEvent()
    event.event_type = STARTED
    assert activity.started_ns is not None
    set_time(event.event_time, activity.started_ns)
    attributes = event.activity_task_started_event_attributes
    attributes.scheduled_event_id = activity.scheduled_event_id
    attributes.identity = activity.identity
    attributes.request_id = activity.request_id
    attributes.attempt = activity.attempt
    if activity.last_failure is not None:
        attributes.last_failure.CopyFrom(activity.last_failure)
    run.record_or_buffer(event)
    return event.event_id


_ENDED_FIELDS: Final[Mapping[int, str]] = {
    COMPLETED: "activity_task_completed_event_attributes",
    FAILED: "activity_task_failed_event_attributes",
    TIMED_OUT: "activity_task_timed_out_event_attributes",
    CANCELED: "activity_task_canceled_event_attributes",
}
ENDS: Final = frozenset(_ENDED_FIELDS)
"""The outcomes of an activity."""


def outcome_of(event: HistoryEvent) -> int:
    """The scheduled event id of the activity that an event of `ENDS` ends."""
    scheduled_event_id: int = getattr(event, _ENDED_FIELDS[event.event_type]).scheduled_event_id
    return scheduled_event_id


def started_event_of(event: HistoryEvent) -> int:
    """The started event id of the attempt that an event of `ENDS` ends; 0 if none started."""
    started_event_id: int = getattr(event, _ENDED_FIELDS[event.event_type]).started_event_id
    return started_event_id


def link_started_event(event: HistoryEvent, started_ids: dict[int, int]) -> None:
    """Point an outcome that waited at the started event that waited before it."""
    if event.event_type == STARTED:
        started_ids[event.activity_task_started_event_attributes.scheduled_event_id] = event.event_id
    elif event.event_type in ENDS:
        attributes = getattr(event, _ENDED_FIELDS[event.event_type])
        attributes.started_event_id = started_ids.get(attributes.scheduled_event_id, 0)


# ---- outcomes ----------------------------------------------------------------------------------------


def complete(run: Execution, activity: Activity, result: Payloads | None, identity: str, now_ns: int) -> None:
    """Record the result; it may come by the activity's id while no attempt runs."""
    if activity.state == ActivityState.SCHEDULED:
        activity.move(ActivityInput.START)
        activity.started_ns = now_ns
        activity.identity = identity
    started_event_id = _record_started(run, activity)
    event = run.event(COMPLETED, now_ns)
    attributes = event.activity_task_completed_event_attributes
    if result is not None:
        attributes.result.CopyFrom(result)
    attributes.scheduled_event_id = activity.scheduled_event_id
    attributes.started_event_id = started_event_id
    attributes.identity = identity
    run.record_or_buffer(event)
    schedule_if_needed(run, now_ns)


def fail(run: Execution, activity: Activity, failure: Failure, identity: str, now_ns: int) -> None:
    """The attempt failed: schedule the next one if the policy has one, else record the failure."""
    state = _retry(run, activity, failure, now_ns)
    if state == retry.IN_PROGRESS:
        return
    started_event_id = _record_started(run, activity)
    event = run.event(FAILED, now_ns)
    attributes = event.activity_task_failed_event_attributes
    attributes.failure.CopyFrom(failure)
    attributes.scheduled_event_id = activity.scheduled_event_id
    attributes.started_event_id = started_event_id
    attributes.identity = identity
    attributes.retry_state = state
    run.record_or_buffer(event)
    schedule_if_needed(run, now_ns)


def report_cancelled(run: Execution, activity: Activity, details: Payloads | None, identity: str, now_ns: int) -> None:
    """The worker stopped the attempt because it was asked to."""
    started_event_id = _record_started(run, activity)
    event = _cancelled_event(run, activity, details, now_ns)
    attributes = event.activity_task_canceled_event_attributes
    attributes.started_event_id = started_event_id
    attributes.identity = identity
    run.record_or_buffer(event)
    schedule_if_needed(run, now_ns)


def cancel_waiting(run: Execution, activity: Activity, details: Payloads, now_ns: int) -> None:
    """A workflow task cancels an activity whose attempt no worker has: it is over, behind the task's events."""
    scheduled_event_id = activity.scheduled_event_id
    run.buffer(_cancelled_event(run, activity, details, now_ns))
    for ready in (run.ready_activities, run.eager_activities):
        if scheduled_event_id in ready:  # the same task scheduled it
            ready.remove(scheduled_event_id)


def _cancelled_event(run: Execution, activity: Activity, details: Payloads | None, now_ns: int) -> HistoryEvent:
    event = run.event(CANCELED, now_ns)
    attributes = event.activity_task_canceled_event_attributes
    if details is not None:
        attributes.details.CopyFrom(details)
    attributes.latest_cancel_requested_event_id = activity.cancel_requested_event_id
    attributes.scheduled_event_id = activity.scheduled_event_id
    return event


def due(run: Execution, scheduled_event_id: int, now_ns: int) -> None:
    """A wake-up of this activity: its back-off ended, or a timeout passed."""
    activity = run.activities[scheduled_event_id]
    deadline_ns, kind = activity.deadline()
    if deadline_ns <= now_ns:
        _time_out(run, activity, kind, now_ns)
        return
    if activity.state == ActivityState.SCHEDULED and may_start(run, activity, now_ns):
        offer(run, activity)
        return
    watch_deadline(run, activity)


def offer(run: Execution, activity: Activity) -> None:
    """The attempt may start now: what is left to wake the run for is its timeout."""
    run.ready_activities.append(activity.scheduled_event_id)
    deadline_ns, _ = activity.deadline()
    if deadline_ns < NEVER:
        run.wake_at(WakeKind.ACTIVITY, deadline_ns, activity.scheduled_event_id)
    else:
        run.wake_no_more(WakeKind.ACTIVITY, activity.scheduled_event_id)


def lose_attempt(run: Execution, activity: Activity, now_ns: int) -> None:
    """The process that ran the attempt is dead: try again at once, if the policy allows another attempt."""
    failure = Failure(
        message=f"attempt {activity.attempt} was lost: the process that ran it ended before it answered",
        source="Server",
    )
    failure.timeout_failure_info.timeout_type = START_TO_CLOSE
    state = _retry(run, activity, failure, now_ns, at_once=True)
    if state != retry.IN_PROGRESS:
        _record_timed_out(run, activity, failure, state, now_ns)


def forget_marks(activity: Activity) -> None:
    """An attempt begins that knows nothing of those before a reset."""
    if Mark.FORGET_HEARTBEAT in activity.marks:
        activity.heartbeat_details = None
        activity.heartbeat_ns = None
    activity.marks &= Mark.OPERATED


def _time_out(run: Execution, activity: Activity, kind: TimeoutType.ValueType, now_ns: int) -> None:
    failure = _timeout_failure(kind)
    state = RetryState.RETRY_STATE_TIMEOUT
    if kind in (START_TO_CLOSE, HEARTBEAT):
        state = _retry(run, activity, failure, now_ns)
        if state == retry.IN_PROGRESS:
            return
        if state == RetryState.RETRY_STATE_TIMEOUT:
            failure = _timeout_failure(SCHEDULE_TO_CLOSE)
    _record_timed_out(run, activity, failure, state, now_ns)


def _timeout_failure(kind: TimeoutType.ValueType) -> Failure:
    failure = Failure(message=TIMEOUT_MESSAGES[kind], source="Server")
    failure.timeout_failure_info.timeout_type = kind
    return failure


def _record_timed_out(
    run: Execution, activity: Activity, failure: Failure, state: RetryState.ValueType, now_ns: int
) -> None:
    if activity.heartbeat_details is not None:
        failure.timeout_failure_info.last_heartbeat_details.CopyFrom(activity.heartbeat_details)
    if activity.last_failure is not None:
        failure.cause.CopyFrom(activity.last_failure)
    if activity.state == ActivityState.STARTED:
        run.cancelled_activities.append((activity.scheduled_event_id, activity.attempt))
        started_event_id = _record_started(run, activity)
    else:
        started_event_id = 0
    event = run.event(TIMED_OUT, now_ns)
    attributes = event.activity_task_timed_out_event_attributes
    attributes.failure.CopyFrom(failure)
    attributes.scheduled_event_id = activity.scheduled_event_id
    attributes.started_event_id = started_event_id
    attributes.retry_state = state
    run.record_or_buffer(event)
    schedule_if_needed(run, now_ns)


def _retry(
    run: Execution, activity: Activity, failure: Failure, now_ns: int, *, at_once: bool = False
) -> RetryState.ValueType:
    """Schedule another attempt after a failed one, unless the policy, a cancel request or time forbids it.

    A paused activity has another one whatever number and time say: people decide what becomes of it.
    """
    if activity.cancel_requested_event_id:
        return RetryState.RETRY_STATE_CANCEL_REQUESTED
    policy = activity.retry_policy
    if activity.pause is not None:
        next_ns = now_ns
        state = retry.IN_PROGRESS if retry.is_retryable(policy, failure) else _NOT_RETRYABLE
    else:
        state, next_ns = retry.next_attempt(
            policy, activity.attempt, failure, now_ns, activity.expiration_ns, at_once=at_once
        )
    if state != retry.IN_PROGRESS:
        return state
    run.cancelled_activities.append((activity.scheduled_event_id, activity.attempt))
    activity.move(ActivityInput.RETRY)
    activity.attempt += 1
    activity.attempt_scheduled_ns = next_ns
    activity.started_ns = None
    activity.incarnation = None
    activity.last_failure = failure
    activity.last_ended_ns = now_ns
    if activity.marks and activity.pause is None:
        forget_marks(activity)
    run.touched_activities.add(activity.scheduled_event_id)
    run.dirty = True
    if may_start(run, activity, now_ns):
        run.ready_activities.append(activity.scheduled_event_id)
    watch_deadline(run, activity)
    return state
