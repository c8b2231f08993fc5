"""The marker of a local activity, in the layout of the official SDKs' core: what it says, written and read.

`data` is JSON of the SDK's own (`seq` names the call), `result` is the activity's result, and a failure stands in the
marker's own field. A `backoff` says that the activity is tried again after a timer, as another call.
`activation_index` counts how often the code had run in the workflow task when it was told: on replay it is told then.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from temporalio.api.command.v1 import Command
from temporalio.api.common.v1 import Payloads
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import HistoryEvent

from ._marker_command import detail, details, record_marker

if TYPE_CHECKING:
    from .._workflow_run import WorkflowRun

LOCAL_ACTIVITY: Final = "core_local_activity"
_DATA: Final = "data"
_RESULT: Final = "result"
_SECOND_NS: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class LocalOutcome:
    """How a local activity ended, or that it is tried again after a timer.

    Attributes:
        attempt: The last attempt, from 1; 0 when there was none.
        result: What it returned.
        failure: Why it did not, as the activity's side tells it.
        complete_ns: What the workflow's clock says then; None to leave it.
        original_ns: When its first call was made, by the workflow's clock.
        backoff_ns: After how long the next call is made; 0 if none is.
    """

    attempt: int
    result: Payloads | None = None
    failure: Failure | None = None
    complete_ns: int | None = None
    original_ns: int | None = None
    backoff_ns: int = 0


@dataclass(frozen=True, slots=True)
class RecordedOutcome:
    """A marker that was read.

    Attributes:
        event: The event.
        seq: Number of the call.
        activity_id: Its id.
        name: Its type.
        activation: When the code was told; None in markers of old SDKs.
        outcome: How it ended.
    """

    event: HistoryEvent
    seq: int
    activity_id: str
    name: str
    activation: int | None
    outcome: LocalOutcome


def write_marker(
    run: WorkflowRun, *, seq: int, activity_id: str, name: str, outcome: LocalOutcome, summary: str | None
) -> Command:
    """Return the command that records an outcome."""
    data = {
        "seq": seq,
        "attempt": outcome.attempt,
        "activity_id": activity_id,
        "activity_type": name,
        "complete_time": _stamp(outcome.complete_ns),
        "backoff": _stamp(outcome.backoff_ns or None),
        "original_schedule_time": _stamp(outcome.original_ns),
        "activation_index": run.activations,
    }
    recorded: dict[str, Any] = {_DATA: data}
    if outcome.result is not None:
        recorded[_RESULT] = list(outcome.result.payloads)
    command = record_marker(run, LOCAL_ACTIVITY, recorded)
    assert command is not None, "an outcome is new only to a run that is not replayed"
    if outcome.failure is not None:
        command.record_marker_command_attributes.failure.CopyFrom(outcome.failure)
    if summary:
        command.user_metadata.summary.CopyFrom(run.payload_converter.to_payload(summary))
    return command


def read_marker(event: HistoryEvent) -> RecordedOutcome:
    """Read the marker of a local activity."""
    data = detail(event, _DATA)
    attributes = event.marker_recorded_event_attributes
    failure = attributes.failure if attributes.HasField("failure") else None
    outcome = LocalOutcome(
        attempt=data["attempt"],
        result=Payloads(payloads=details(event, _RESULT)) if failure is None else None,
        failure=failure,
        complete_ns=_nanoseconds(data.get("complete_time")),
        original_ns=_nanoseconds(data.get("original_schedule_time")),
        backoff_ns=_nanoseconds(data.get("backoff")) or 0,
    )
    return RecordedOutcome(
        event, data["seq"], data["activity_id"], data["activity_type"], data.get("activation_index"), outcome
    )


def seq_of(event: HistoryEvent) -> int:
    """Read only which call a marker is of."""
    return int(detail(event, _DATA)["seq"])


def _stamp(nanoseconds: int | None) -> dict[str, int] | None:
    if nanoseconds is None:
        return None
    seconds, nanos = divmod(nanoseconds, _SECOND_NS)
    return {"seconds": seconds, "nanos": nanos}


def _nanoseconds(stamp: Mapping[str, int] | None) -> int | None:
    return None if stamp is None else stamp["seconds"] * _SECOND_NS + stamp["nanos"]
