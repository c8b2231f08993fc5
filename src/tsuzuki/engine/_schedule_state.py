"""A schedule as it is kept: what was asked for, and how far it has come."""

from __future__ import annotations

import base64
import json
from dataclasses import asdict, dataclass, field
from typing import Final

from temporalio.api.common.v1 import Payloads
from temporalio.api.enums.v1 import ScheduleOverlapPolicy
from temporalio.api.failure.v1 import Failure
from temporalio.api.workflowservice.v1 import CreateScheduleRequest

from tsuzuki.core.schedule import BufferedStart, Spec, compile_spec
from tsuzuki.core.times import SECOND, duration_ns
from tsuzuki.store import Record

KIND: Final = "schedule"
CATCHUP_DEFAULT_NS: Final = 365 * 24 * 3600 * SECOND
CATCHUP_MIN_NS: Final = 10 * SECOND
_SKIP: Final = int(ScheduleOverlapPolicy.SCHEDULE_OVERLAP_POLICY_SKIP)


@dataclass(slots=True)
class Running:
    """A workflow that the schedule started and that has not ended."""

    workflow_id: str
    first_run_id: str


@dataclass(slots=True)
class Action:
    """Something that the schedule did."""

    nominal_ns: int
    actual_ns: int
    workflow_id: str
    run_id: str
    status: int


@dataclass(slots=True)
class Backfill:
    """Times of the past that are still to be acted on: after `after_ns`, up to `until_ns`."""

    after_ns: int
    until_ns: int
    overlap: int


@dataclass(slots=True)
class Progress:
    created_ns: int
    seen_ns: int
    """The last nominal time that was dealt with, or where dealing with times began."""
    conflict_token: int = 1
    updated_ns: int = 0
    action_count: int = 0
    missed: int = 0
    skipped: int = 0
    dropped: int = 0
    buffered: list[BufferedStart] = field(default_factory=list)
    running: list[Running] = field(default_factory=list)
    recent: list[Action] = field(default_factory=list)
    backfills: list[Backfill] = field(default_factory=list)
    last_result: str = ""
    """Serialized `Payloads`, in base 64."""
    last_failure: str = ""
    """Serialized `Failure`, in base 64."""


class ScheduleState:
    """One schedule.

    Attributes:
        asked: Its creation, kept up to date: the schedule with its spec in canonical form, memo, search attributes.
        spec: Its times.
        progress: What it has done.
        busy: It is being acted on: what ends meanwhile is only noted.
        due_ns: When it is to be looked at next.
    """

    def __init__(self, asked: CreateScheduleRequest, spec: Spec, progress: Progress) -> None:
        self.asked = asked
        self.spec = spec
        self.progress = progress
        self.busy = False
        self.due_ns: int | None = None

    @property
    def key(self) -> tuple[str, str]:
        return self.asked.namespace, self.asked.schedule_id

    @property
    def overlap(self) -> int:
        return int(self.asked.schedule.policies.overlap_policy) or _SKIP

    @property
    def catchup_ns(self) -> int:
        policies = self.asked.schedule.policies
        if not policies.HasField("catchup_window"):
            return CATCHUP_DEFAULT_NS
        return max(CATCHUP_MIN_NS, duration_ns(policies.catchup_window))

    @property
    def conflict_token(self) -> bytes:
        return self.progress.conflict_token.to_bytes(8, "big")

    def remember(self, result: Payloads | None, failure: Failure | None) -> None:
        """What the next workflow finds as the last result, and as the failure since then."""
        if result is not None:
            self.progress.last_result = base64.b64encode(result.SerializeToString()).decode()
        text = b"" if failure is None else failure.SerializeToString()
        self.progress.last_failure = base64.b64encode(text).decode()

    @property
    def last_result(self) -> Payloads | None:
        text = self.progress.last_result
        return Payloads.FromString(base64.b64decode(text)) if text else None

    @property
    def last_failure(self) -> Failure | None:
        text = self.progress.last_failure
        return Failure.FromString(base64.b64decode(text)) if text else None

    def record(self) -> Record:
        state = json.dumps(asdict(self.progress)).encode()
        return Record(KIND, *self.key, self.asked.SerializeToString(), state)

    @classmethod
    def of(cls, record: Record) -> ScheduleState:
        asked = CreateScheduleRequest.FromString(record.asked)
        stored = json.loads(record.state)
        stored["buffered"] = [BufferedStart(**each) for each in stored["buffered"]]
        stored["running"] = [Running(**each) for each in stored["running"]]
        stored["recent"] = [Action(**each) for each in stored["recent"]]
        stored["backfills"] = [Backfill(**each) for each in stored["backfills"]]
        return cls(asked, compile_spec(asked.schedule.spec), Progress(**stored))
