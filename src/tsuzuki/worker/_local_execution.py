"""One call of a local activity while the worker runs it: its attempts, its timeouts, the waits between attempts.

Invariant: its outcome is reported once, or never if it was dropped or abandoned. A timeout counts when it passes,
whether or not the activity's code stops then; what that code still says is not heard.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Final, Protocol

from temporalio.api.enums.v1 import TimeoutType
from temporalio.api.failure.v1 import Failure
from temporalio.api.workflowservice.v1 import (
    PollActivityTaskQueueResponse,
    RespondActivityTaskCanceledRequest,
    RespondActivityTaskCompletedRequest,
    RespondActivityTaskFailedRequest,
)

from tsuzuki.activity import ActivityCancellationDetails
from tsuzuki.converter import write_headers

from ._activity_attempt import CANCEL_REQUESTED
from ._activity_outcome import Outcome
from ._activity_runner import TIMED_OUT
from ._alarms import Alarm, Alarms
from ._local_attempt import LocalAttempt
from ._local_retry import backoff_ns
from ._machines._local_activity import LocalActivityMachine, cancelled_failure
from ._machines._local_activity_marker import LocalOutcome
from ._pace import Pace

_SECOND_NS: Final = 1_000_000_000


class Phase(Enum):
    """Where a call stands."""

    QUEUED = "waits for a slot"
    RUNNING = "an attempt runs"
    BACKING_OFF = "waits for the next attempt"
    OVER = "over"


class ExecutionHost(Protocol):
    """What a call needs of the worker."""

    pace: Pace
    alarms: Alarms

    def queue(self, execution: LocalExecution) -> None:
        """Give it a slot, now or later: call its `start`."""
        ...

    def unqueue(self, execution: LocalExecution) -> None:
        """It needs no slot any more."""
        ...

    def run_attempt(self, execution: LocalExecution, task: PollActivityTaskQueueResponse) -> LocalAttempt:
        """Run an attempt in the slot that was given; call `attempt_ended` at its end."""
        ...


class LocalExecution:
    """See the module.

    Args:
        host: The worker.
        machine: The call.
        task: Facts about its workflow, the same for every attempt.
        report: Told how it ended.
    """

    def __init__(
        self,
        host: ExecutionHost,
        machine: LocalActivityMachine,
        task: PollActivityTaskQueueResponse,
        report: Callable[[LocalOutcome], None],
    ) -> None:
        self._host = host
        self._machine = machine
        self._options = machine.options
        self._task = task
        self._report: Callable[[LocalOutcome], None] | None = report
        self._attempt_number = machine.first_attempt
        self._attempt: LocalAttempt | None = None
        self._phase = Phase.QUEUED
        self._begun_s = host.pace.now()
        self._closes_s: float | None = None
        self._close_alarm: Alarm | None = None
        self._alarm: Alarm | None = None  # of the phase

    def begin(self) -> None:
        """Wait for a slot; or end at once, if the time for all attempts is up."""
        options, machine = self._options, self._machine
        if options.schedule_to_close_ns is not None:
            left_ns = options.schedule_to_close_ns - (machine.scheduled_ns - machine.original_ns)
            if left_ns <= 0:
                self._finish(failure=_timed_out(TimeoutType.TIMEOUT_TYPE_SCHEDULE_TO_CLOSE))
                return
            self._closes_s = self._begun_s + left_ns / _SECOND_NS
            self._close_alarm = self._host.alarms.set(self._closes_s, self._on_closed)
        if options.schedule_to_start_ns is not None:
            at_s = self._begun_s + options.schedule_to_start_ns / _SECOND_NS
            self._alarm = self._host.alarms.set(at_s, self._on_not_started)
        self._host.queue(self)

    # ---- attempts ------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Run the next attempt; there is a slot."""
        self._cancel_alarm()
        self._phase = Phase.RUNNING
        if self._options.start_to_close_ns is not None:
            at_s = self._host.pace.now() + self._options.start_to_close_ns / _SECOND_NS
            self._alarm = self._host.alarms.set(at_s, self._on_attempt_timed_out)
        self._attempt = self._host.run_attempt(self, self._next_task())

    def attempt_ended(self, attempt: LocalAttempt, outcome: Outcome) -> None:
        """Hear how an attempt ended; those that were given up before are not heard."""
        if attempt is not self._attempt or self._phase is not Phase.RUNNING:
            return
        self._attempt = None
        self._cancel_alarm()
        if isinstance(outcome, RespondActivityTaskCompletedRequest):
            self._finish(outcome)
        elif isinstance(outcome, RespondActivityTaskCanceledRequest):
            failure = Failure(message="Cancelled")
            failure.canceled_failure_info.SetInParent()
            if outcome.HasField("details"):
                failure.canceled_failure_info.details.CopyFrom(outcome.details)
            self._finish(failure=failure)
        elif isinstance(outcome, RespondActivityTaskFailedRequest):
            self._failed(outcome.failure)
        else:
            self._finish(failure=_not_elsewhere(self._machine.name))

    def _failed(self, failure: Failure) -> None:
        """Try again, here or after a timer of the workflow; or give up."""
        wait_ns = backoff_ns(self._options.retry_policy, self._attempt_number, failure)
        if wait_ns is None:
            self._finish(failure=failure)
            return
        if wait_ns > self._options.threshold_ns:
            self._finish(failure=failure, backoff=wait_ns)
            return
        at_s = self._host.pace.now() + wait_ns / _SECOND_NS
        if self._closes_s is not None and at_s >= self._closes_s:
            self._finish(failure=failure)  # no time for another one
            return
        self._phase = Phase.BACKING_OFF
        self._attempt_number += 1
        self._alarm = self._host.alarms.set(at_s, self._try_again)

    def _try_again(self) -> None:
        self._phase = Phase.QUEUED
        self._host.queue(self)

    def _next_task(self) -> PollActivityTaskQueueResponse:
        machine, options = self._machine, self._options
        task = PollActivityTaskQueueResponse()
        task.CopyFrom(self._task)
        task.activity_id = machine.activity_id
        task.activity_type.name = machine.name
        task.input.CopyFrom(machine.input)
        write_headers(machine.headers, task.header)
        task.attempt = self._attempt_number
        task.scheduled_time.FromNanoseconds(machine.original_ns)
        waited_ns = round((self._host.pace.now() - self._begun_s) * _SECOND_NS)
        task.current_attempt_scheduled_time.FromNanoseconds(machine.scheduled_ns)
        task.started_time.FromNanoseconds(machine.scheduled_ns + waited_ns)
        if options.schedule_to_close_ns is not None:
            task.schedule_to_close_timeout.FromNanoseconds(options.schedule_to_close_ns)
        if options.start_to_close_ns is not None:
            task.start_to_close_timeout.FromNanoseconds(options.start_to_close_ns)
        options.retry_policy.apply_to_proto(task.retry_policy)
        return task

    # ---- timeouts ------------------------------------------------------------------------------------------

    def _on_attempt_timed_out(self) -> None:
        self._give_attempt_up(TIMED_OUT)
        self._failed(_timed_out(TimeoutType.TIMEOUT_TYPE_START_TO_CLOSE))

    def _on_not_started(self) -> None:
        self._finish(failure=_timed_out(TimeoutType.TIMEOUT_TYPE_SCHEDULE_TO_START))

    def _on_closed(self) -> None:
        self._give_attempt_up(TIMED_OUT)
        self._finish(failure=_timed_out(TimeoutType.TIMEOUT_TYPE_SCHEDULE_TO_CLOSE))

    def _give_attempt_up(self, details: ActivityCancellationDetails) -> None:
        attempt, self._attempt = self._attempt, None
        if attempt is not None:
            attempt.stop(details)

    # ---- cancellation --------------------------------------------------------------------------------------

    def cancel(self) -> None:
        """Ask the running attempt to stop, and report what it makes of that; without one it is over."""
        if self._attempt is not None:
            self._attempt.stop(CANCEL_REQUESTED)
        elif self._phase is not Phase.OVER:
            outcome = LocalOutcome(
                attempt=0, failure=cancelled_failure(), complete_ns=self._machine.scheduled_ns, original_ns=None
            )
            self._end(outcome)

    def drop(self, details: ActivityCancellationDetails) -> None:
        """Stop; nothing is reported."""
        self._report = None
        self._give_attempt_up(details)
        self._end(None)

    def abandon(self) -> None:
        """Let the running attempt go on to its end; nothing is reported, and none follows it."""
        self._report = None
        self._end(None)

    # ---- the end -------------------------------------------------------------------------------------------

    def _finish(
        self,
        completed: RespondActivityTaskCompletedRequest | None = None,
        *,
        failure: Failure | None = None,
        backoff: int = 0,
    ) -> None:
        elapsed_ns = round((self._host.pace.now() - self._begun_s) * _SECOND_NS)
        self._end(
            LocalOutcome(
                attempt=self._attempt_number,
                result=None if completed is None else completed.result,
                failure=failure,
                complete_ns=self._machine.scheduled_ns + elapsed_ns,
                original_ns=self._machine.original_ns,
                backoff_ns=backoff,
            )
        )

    def _end(self, outcome: LocalOutcome | None) -> None:
        if self._phase is Phase.QUEUED:
            self._host.unqueue(self)
        self._phase = Phase.OVER
        self._cancel_alarm()
        if self._close_alarm is not None:
            self._close_alarm.cancel()
        report, self._report = self._report, None
        if report is not None and outcome is not None:
            report(outcome)

    def _cancel_alarm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None


def _timed_out(timeout_type: TimeoutType.ValueType) -> Failure:
    failure = Failure(message="Activity timed out")
    failure.timeout_failure_info.timeout_type = timeout_type
    return failure


def _not_elsewhere(name: str) -> Failure:
    failure = Failure(
        message=f"local activity {name!r} called raise_complete_async(): it cannot be completed from elsewhere, for "
        "no service knows of it; call it as an ordinary activity"
    )
    failure.application_failure_info.type = "CompleteAsyncError"
    failure.application_failure_info.non_retryable = True
    return failure
