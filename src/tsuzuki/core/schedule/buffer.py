"""What becomes of starts that wait, by their overlap policies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from temporalio.api.enums.v1 import ScheduleOverlapPolicy

SKIP: Final = int(ScheduleOverlapPolicy.SCHEDULE_OVERLAP_POLICY_SKIP)
BUFFER_ONE: Final = int(ScheduleOverlapPolicy.SCHEDULE_OVERLAP_POLICY_BUFFER_ONE)
BUFFER_ALL: Final = int(ScheduleOverlapPolicy.SCHEDULE_OVERLAP_POLICY_BUFFER_ALL)
CANCEL_OTHER: Final = int(ScheduleOverlapPolicy.SCHEDULE_OVERLAP_POLICY_CANCEL_OTHER)
TERMINATE_OTHER: Final = int(ScheduleOverlapPolicy.SCHEDULE_OVERLAP_POLICY_TERMINATE_OTHER)
ALLOW_ALL: Final = int(ScheduleOverlapPolicy.SCHEDULE_OVERLAP_POLICY_ALLOW_ALL)


@dataclass(frozen=True, slots=True)
class BufferedStart:
    """An action that is due.

    Attributes:
        nominal_ns: As the specification names it; it is in the workflow's id.
        actual_ns: When it was due, with jitter.
        overlap: A `ScheduleOverlapPolicy`, never UNSPECIFIED.
        manual: Asked for by a person (trigger, backfill): neither a pause nor the number of actions holds it back.
    """

    nominal_ns: int
    actual_ns: int
    overlap: int
    manual: bool


@dataclass(slots=True)
class Decision:
    """What to do now.

    Attributes:
        overlapping: Start these, whatever runs.
        start: Start this one; nothing runs then.
        waiting: These go on waiting for what runs to end.
        cancel: Ask what runs to stop.
        terminate: End what runs.
        skipped: How many were dropped because something ran.
    """

    overlapping: list[BufferedStart] = field(default_factory=list)
    start: BufferedStart | None = None
    waiting: list[BufferedStart] = field(default_factory=list)
    cancel: bool = False
    terminate: bool = False
    skipped: int = 0


def decide(buffered: Sequence[BufferedStart], *, running: bool) -> Decision:
    """Go through the starts in their order."""
    decision = Decision()
    for start in buffered:
        if start.overlap == ALLOW_ALL:
            decision.overlapping.append(start)
        elif decision.start is None and (not running or decision.terminate):
            decision.start = start
        elif start.overlap == SKIP:
            decision.skipped += 1
        elif start.overlap == BUFFER_ONE:
            if any(waiting.overlap == BUFFER_ONE for waiting in decision.waiting):
                decision.skipped += 1
            else:
                decision.waiting.append(start)
        elif start.overlap == BUFFER_ALL:
            decision.waiting.append(start)
        else:
            _replace(decision, start, running)
    return decision


def _replace(decision: Decision, start: BufferedStart, running: bool) -> None:
    """CANCEL_OTHER and TERMINATE_OTHER: what is about to start gives way, what runs is ended."""
    if decision.start is not None:
        decision.skipped += 1
        decision.start = start
    elif start.overlap == TERMINATE_OTHER:
        decision.terminate = True
        decision.start = start
    else:
        decision.cancel = True
        kept = [waiting for waiting in decision.waiting if waiting.overlap != CANCEL_OTHER]
        decision.skipped += len(decision.waiting) - len(kept)
        decision.waiting = [*kept, start]
    assert running or decision.start is not None
