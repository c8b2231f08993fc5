"""Local activities: run by the worker itself, known to history only by the marker of how they ended.

    first time:  REQUESTED --ended--> ENDED --MarkerRecorded--> RECORDED
                     ^
                    live (replay is over, and there is no marker)
                     |
    on replay:   REPLAYING --ended (by its marker, shown ahead)--> REPLAYED --MarkerRecorded--> RECORDED

On replay the code is told in the order of the markers, one after the other, as it was the first time: not when
their events are reached but as soon as the code of their workflow task has run.

An activity that is tried again after a timer ends with a marker that says so; the next call is another machine
with the same handle. With TRY_CANCEL and ABANDON a cancelled one ends at once, and so does its marker.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from temporalio.api.common.v1 import Payload, Payloads
from temporalio.api.enums.v1 import RetryState
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import HistoryEvent

from tsuzuki.activity import name_and_result_type
from tsuzuki.converter import PayloadEncodeError
from tsuzuki.workflow import ActivityCancellationType, NondeterminismError

from .._activity_attempt import CANCEL_REQUESTED
from .._commands import PendingCommand
from .._source import Source, find_source
from ._activity import argument_error, decode_result
from ._local_activity_handle import RunningLocalActivity
from ._local_activity_marker import (
    LOCAL_ACTIVITY,
    LocalOutcome,
    RecordedOutcome,
    read_marker,
    seq_of,
    write_marker,
)
from ._local_activity_options import LocalActivityOptions, local_activity_options
from ._marker_command import RECORDED
from ._moves import CANCEL, ENDED, LIVE, REPLAY, next_state

if TYPE_CHECKING:
    from .._local_execution import LocalExecution
    from .._workflow_run import WorkflowRun

_SECOND_NS: Final = 1_000_000_000
_MICROSECOND_NS: Final = 1000


class LocalActivityState(StrEnum):
    """Where a local activity stands."""

    CREATED = "created"
    REQUESTED = "requested"
    REPLAYING = "replaying"
    REPLAYED = "replayed"
    ENDED = "ended"
    RECORDED = "recorded"


_S: Final = LocalActivityState

LOCAL_ACTIVITY_MOVES: Final[Mapping[tuple[LocalActivityState, int], LocalActivityState]] = {
    (_S.CREATED, LIVE): _S.REQUESTED,
    (_S.CREATED, REPLAY): _S.REPLAYING,
    (_S.REQUESTED, CANCEL): _S.REQUESTED,
    (_S.REQUESTED, ENDED): _S.ENDED,
    (_S.REPLAYING, LIVE): _S.REQUESTED,
    (_S.REPLAYING, CANCEL): _S.REPLAYING,
    (_S.REPLAYING, ENDED): _S.REPLAYED,
    (_S.REPLAYED, CANCEL): _S.REPLAYED,
    (_S.REPLAYED, RECORDED): _S.RECORDED,
    (_S.ENDED, CANCEL): _S.ENDED,
    (_S.ENDED, RECORDED): _S.RECORDED,
    (_S.RECORDED, CANCEL): _S.RECORDED,
}


class LocalActivityMachine:
    """One call of a local activity: all its attempts up to the end, or up to a timer.

    Attributes:
        seq: Number of the call; it counts the activities of the run.
        activity_id: Its id.
        name: Activity type.
        input: Its arguments, encoded.
        headers: What interceptors send with it.
        options: As the caller gave them.
        first_attempt: Number of its first attempt; more than 1 after a timer.
        original_ns: When the first call was made, by the workflow's clock.
        scheduled_ns: When the worker was asked for this one.
        execution: What runs it, once something does.
        source: The line that called it, if it was user code.
    """

    __slots__ = (
        "_handle",
        "_result_hint",
        "activity_id",
        "execution",
        "first_attempt",
        "headers",
        "input",
        "name",
        "options",
        "original_ns",
        "scheduled_ns",
        "seq",
        "source",
        "state",
    )

    def __init__(
        self,
        seq: int,
        name: str,
        arguments: Payloads,
        options: LocalActivityOptions,
        *,
        headers: Mapping[str, Payload],
        result_hint: Any,
        source: Source | None,
        now_ns: int,
        original_ns: int | None = None,
        first_attempt: int = 1,
    ) -> None:
        self.seq = seq
        self.activity_id = options.activity_id or str(seq)
        self.name = name
        self.input = arguments
        self.headers = headers
        self.options = options
        self.first_attempt = first_attempt
        self.scheduled_ns = now_ns
        self.original_ns = now_ns if original_ns is None else original_ns
        self.execution: LocalExecution | None = None
        self.state = LocalActivityState.CREATED
        self._result_hint = result_hint
        self.source = source
        self._handle: RunningLocalActivity | None = None

    def move(self, event_type: int) -> None:
        """Take an event, or one of the inputs that are none."""
        self.state = next_state(LOCAL_ACTIVITY_MOVES, self.state, event_type, f"local activity {self.activity_id}")

    def begin(self, run: WorkflowRun, handle: RunningLocalActivity) -> None:
        """Have it run, or wait for its marker."""
        self._handle = handle
        if run.replaying:
            self.move(REPLAY)
            run.local_calls().add(self)
        else:
            self.request(run)

    def request(self, run: WorkflowRun) -> None:
        """Have the worker run it."""
        self.move(LIVE)
        self.scheduled_ns = run.time_ns
        calls = run.local_calls()
        calls.add(self)
        calls.request(self)

    @property
    def is_replaying(self) -> bool:
        """Whether it waits for its marker."""
        return self.state is LocalActivityState.REPLAYING

    def go_live(self, run: WorkflowRun) -> None:
        """Replay is over: if no marker came, the worker is to run it."""
        if self.state is LocalActivityState.REPLAYING:
            run.settings.check_local_activity(self.name)
            self.request(run)

    def recorded(self, run: WorkflowRun, event: HistoryEvent) -> str | None:
        """Take MarkerRecorded."""
        attributes = event.marker_recorded_event_attributes
        if attributes.marker_name != LOCAL_ACTIVITY or seq_of(event) != self.seq:
            return self.describe(event.event_type)
        self.move(RECORDED)
        run.local_calls().forget(self)
        return None

    def describe(self, event_type: int) -> str:
        """Return the command in words."""
        return f"RecordMarker of local activity {self.name!r} (activity {self.activity_id})"

    def forget(self) -> None:
        """Let go of the handle."""
        if self._handle is not None:
            self._handle.let_go()
        self._handle = None

    # ---- how it ended ----------------------------------------------------------------------------------

    def end(self, run: WorkflowRun, outcome: LocalOutcome) -> None:
        """Take the outcome for the first time; the marker's place is among the commands so far."""
        self.move(ENDED)
        run.local_calls().ended(self)
        message = write_marker(
            run,
            seq=self.seq,
            activity_id=self.activity_id,
            name=self.name,
            outcome=outcome,
            summary=self.options.summary,
        )
        run.commands.append(PendingCommand(RECORDED, self, message, self.source))

    def replay(self, run: WorkflowRun, recorded: RecordedOutcome) -> LocalOutcome:
        """Take the outcome from its marker; the code is still to be told.

        Raises:
            NondeterminismError: It is that of another activity.
        """
        if (recorded.activity_id, recorded.name) != (self.activity_id, self.name):
            raise NondeterminismError(
                event_id=recorded.event.event_id,
                event=describe_marker(recorded.event),
                command=self.describe(RECORDED),
                source=str(self.source or run.source),
            )
        self.move(ENDED)
        return recorded.outcome

    def tell(self, run: WorkflowRun, outcome: LocalOutcome) -> None:
        """Job: tell the code."""
        if outcome.complete_ns is not None:
            run.time_ns = max(run.time_ns, outcome.complete_ns)
        handle, self._handle = self._handle, None
        if handle is None:
            return
        if outcome.backoff_ns:
            seconds = outcome.backoff_ns // _MICROSECOND_NS * _MICROSECOND_NS / _SECOND_NS
            handle.back_off(seconds, self._next_call(run, outcome))
        elif outcome.failure is not None:
            failure = self._as_caller_sees_it(outcome.failure)
            handle.resolve(None, run.failure_converter.from_failure(failure, run.payload_converter))
        else:
            result = outcome.result or Payloads()
            handle.resolve(decode_result(run, result, self._result_hint, self.name, self.activity_id), None)

    def _next_call(
        self, run: WorkflowRun, outcome: LocalOutcome
    ) -> Callable[[RunningLocalActivity], LocalActivityMachine]:
        run.activity_count = seq = run.activity_count + 1  # it is counted now, and begins after the timer

        def again(handle: RunningLocalActivity) -> LocalActivityMachine:
            machine = LocalActivityMachine(
                seq,
                self.name,
                self.input,
                self.options,
                headers=self.headers,
                result_hint=self._result_hint,
                source=self.source,
                now_ns=run.time_ns,
                original_ns=outcome.original_ns,
                first_attempt=outcome.attempt + 1,
            )
            machine.begin(run, handle)
            return machine

        return again

    def _as_caller_sees_it(self, failure: Failure) -> Failure:
        """What the activity raised is not wrapped; what happened to it is."""
        how = _WRAPPED.get(failure.WhichOneof("failure_info") or "")
        if how is None:
            return failure
        wrapped = Failure(message=f"Local Activity {how}", cause=failure)
        info = wrapped.activity_failure_info
        info.activity_type.name = self.name
        info.activity_id = self.activity_id
        info.retry_state = RetryState.RETRY_STATE_CANCEL_REQUESTED  # for timeouts too, as the official SDK has it
        return wrapped

    # ---- cancellation ----------------------------------------------------------------------------------

    def request_cancel(self, run: WorkflowRun) -> None:
        """Cancel it; what that means depends on its `cancellation_type`."""
        before = self.state
        self.move(CANCEL)
        waits = self.options.cancellation_type is ActivityCancellationType.WAIT_CANCELLATION_COMPLETED
        if before is LocalActivityState.REQUESTED:
            if waits and self.execution is not None:
                self.execution.cancel()
            else:
                self._end_cancelled(run, run.time_ns if waits else None)
        elif before is LocalActivityState.REPLAYING and not waits:
            recorded = run.local_calls().take_shown(self.seq)
            if recorded is not None:
                run.follow_up_jobs.append((self.tell, run, self.replay(run, recorded)))

    def _end_cancelled(self, run: WorkflowRun, complete_ns: int | None) -> None:
        if self.execution is None:
            pass
        elif self.options.cancellation_type is ActivityCancellationType.ABANDON:
            self.execution.abandon()
        else:
            self.execution.drop(CANCEL_REQUESTED)
        outcome = LocalOutcome(
            attempt=self.first_attempt if self.first_attempt > 1 else 0,
            failure=cancelled_failure(),
            complete_ns=complete_ns,
            original_ns=self.original_ns,
        )
        self.end(run, outcome)
        run.follow_up_jobs.append((self.tell, run, outcome))


_WRAPPED: Final[Mapping[str, str]] = {"timeout_failure_info": "timed out", "canceled_failure_info": "cancelled"}


def cancelled_failure() -> Failure:
    """Build the failure of an activity that did not get to say anything to its cancellation."""
    failure = Failure(message="Activity cancelled")
    failure.canceled_failure_info.SetInParent()
    return failure


def start_local_activity(
    run: WorkflowRun,
    activity: Any,
    args: Sequence[Any],
    result_type: Any,
    options: Mapping[str, Any],
    headers: Mapping[str, Payload] | None = None,
) -> RunningLocalActivity:
    """Have the worker run an activity, and return its handle.

    Raises:
        TypeError, ValueError: An option, or an activity that the worker does not have.
    """
    name, result_hint = name_and_result_type(activity)
    checked = local_activity_options(name, options)
    if not run.replaying:
        run.settings.check_local_activity(name)
    source = find_source()
    arguments = Payloads()
    if args:
        try:
            run.payload_converter.write_payloads(args, arguments)
        except PayloadEncodeError as error:
            raise argument_error(activity, name, error, source) from error
    run.activity_count = seq = run.activity_count + 1
    machine = LocalActivityMachine(
        seq,
        name,
        arguments,
        checked,
        headers=headers or {},
        result_hint=result_hint if result_type is None else result_type,
        source=source,
        now_ns=run.time_ns,
    )
    handle = RunningLocalActivity(run, machine)
    machine.begin(run, handle)
    return handle


# ---- history -----------------------------------------------------------------------------------------------


def _peek(run: WorkflowRun, event: HistoryEvent) -> None:
    run.local_calls().show(read_marker(event))


def _takes_replayed(run: WorkflowRun, event: HistoryEvent) -> bool:
    """Give a marker to the call that was told of it; its place among the commands does not matter."""
    machine = run.commands[0].machine if run.commands else None
    if isinstance(machine, LocalActivityMachine):  # recorded for the first time, in order
        return False
    replayed = run.local_calls().find(seq_of(event))
    if replayed is None or replayed.state is not LocalActivityState.REPLAYED:
        return False
    return replayed.recorded(run, event) is None


def describe_marker(event: HistoryEvent) -> str:
    """Return a recorded marker in words."""
    recorded = read_marker(event)
    return f"MarkerRecorded of local activity {recorded.name!r} (activity {recorded.activity_id})"


PEEKS: Final = {LOCAL_ACTIVITY: _peek}
SKIPS: Final = {LOCAL_ACTIVITY: _takes_replayed}
DESCRIPTIONS: Final = {LOCAL_ACTIVITY: describe_marker}
