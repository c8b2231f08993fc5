"""Where history is cut into the pieces that workflow code ran in."""

from __future__ import annotations

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent

from tsuzuki.worker._chunks import next_chunk, uses_version_2

NAMES = {
    "start": "WORKFLOW_EXECUTION_STARTED",
    "sched": "WORKFLOW_TASK_SCHEDULED",
    "started": "WORKFLOW_TASK_STARTED",
    "done": "WORKFLOW_TASK_COMPLETED",
    "failed": "WORKFLOW_TASK_FAILED",
    "late": "WORKFLOW_TASK_TIMED_OUT",
    "timer": "TIMER_STARTED",
    "fired": "TIMER_FIRED",
    "signal": "WORKFLOW_EXECUTION_SIGNALED",
    "term": "WORKFLOW_EXECUTION_TERMINATED",
}


def cut(history: str, *, version_2: bool = True) -> str:
    """The same history with `/` after each piece that runs code, `.` after what is left."""
    words = history.split()
    types = [EventType.Value(f"EVENT_TYPE_{NAMES[word]}") for word in words]
    pieces, start = [], 0
    while start < len(types):
        end, runs_code = next_chunk(types, start, version_2=version_2)
        pieces.append(" ".join(words[start:end]) + (" /" if runs_code else " ."))
        start = end
    return " ".join(pieces)


@pytest.mark.parametrize(
    "expected",
    [
        "start sched started /",
        "start sched started / done timer fired sched started /",
        "start sched started / done timer .",
        "start sched started failed sched started /",
        "start sched started failed signal sched started late sched started / done timer fired sched started /",
        "start sched started late sched started failed sched started /",
        "start sched started / done signal sched started / done signal sched started /",
        "start sched started term .",
    ],
)
def test_a_piece_ends_where_a_workflow_task_that_made_a_decision_started(expected: str) -> None:
    assert cut(expected.replace(" /", "").replace(" .", "")) == expected


def test_a_heartbeat_is_no_piece_of_its_own() -> None:
    assert cut(
        "start sched started done timer sched started done sched started done sched started done timer fired"
    ) == ("start sched started / done timer sched started / done sched started done sched started / done timer fired .")


def test_the_first_rule_takes_every_silent_workflow_task_for_a_heartbeat() -> None:
    history = "start sched started done sched started done timer fired sched started"
    assert cut(history, version_2=True) == "start sched started / done sched started / done timer fired sched started /"
    assert cut(history, version_2=False) == "start sched started done sched started / done timer fired sched started /"


def test_the_rule_is_what_the_first_completed_workflow_task_says() -> None:
    event = HistoryEvent(event_type=EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED)
    assert not uses_version_2([event])
    event.workflow_task_completed_event_attributes.sdk_metadata.core_used_flags.extend([1, 4])
    assert uses_version_2([event])
    assert uses_version_2([])
