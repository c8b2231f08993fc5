"""Whether a finished search ran twice: the history held against the log that the searches wrote themselves.

The history says which attempt of each search gave the recorded result. The log, which the engine knows
nothing of, has a line for every execution. A line with a later attempt, or the same attempt twice, is a
search that ran again after its result was recorded.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent

from tsuzuki.demo import Execution


@dataclass(frozen=True)
class Proof:
    """What the comparison gave.

    Attributes:
        recorded: Searches with a recorded result.
        executions: Executions in the log.
        again: Executions that should not have been.
        missing: Recorded attempts that the log does not have, as when it was deleted.
    """

    recorded: int
    executions: int
    again: Sequence[Execution]
    missing: int

    @property
    def repeated(self) -> bool:
        """Whether a finished search ran again."""
        return bool(self.again)

    @property
    def line(self) -> str:
        """The proof in a sentence or two."""
        if self.again:
            wrong = ", ".join(f"search {it.search} attempt {it.attempt} in process {it.pid}" for it in self.again)
            return f"Proof failed: finished searches ran again: {wrong}."
        if self.missing:
            return f"No proof: the log of executions lacks {self.missing} of {self.recorded} recorded searches."
        extra = self.executions - self.recorded
        others = f" and {extra} that failed or {'was' if extra == 1 else 'were'} cut off" if extra else ""
        return (
            f"Proof: the log of executions has {self.executions}: the {self.recorded} that the history records"
            f"{others}. No finished search ran twice."
        )


def prove(events: Iterable[HistoryEvent], executions: Sequence[Execution]) -> Proof:
    """Hold the history of a run against its executions."""
    recorded = _recorded_attempts(events)
    seen: set[tuple[int, int]] = set()
    again = []
    for execution in executions:
        attempt = (execution.search, execution.attempt)
        if attempt in seen or execution.attempt > recorded.get(execution.search, execution.attempt):
            again.append(execution)
        seen.add(attempt)
    missing = sum(attempt not in seen for attempt in recorded.items())
    return Proof(len(recorded), len(executions), again, missing)


def _recorded_attempts(events: Iterable[HistoryEvent]) -> dict[int, int]:
    """Search number -> the attempt that gave its result."""
    search: dict[int, int] = {}
    attempt: dict[int, int] = {}
    recorded: dict[int, int] = {}
    for event in events:
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
            _, prefix, number = event.activity_task_scheduled_event_attributes.activity_id.rpartition("search-")
            if prefix:
                search[event.event_id] = int(number)
        elif event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED:
            started = event.activity_task_started_event_attributes
            attempt[started.scheduled_event_id] = started.attempt
        elif event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
            scheduled = event.activity_task_completed_event_attributes.scheduled_event_id
            if scheduled in search:
                recorded[search[scheduled]] = attempt[scheduled]
    return recorded
